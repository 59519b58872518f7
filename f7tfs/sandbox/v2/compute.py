"""/compute/{system}/jobs: batch jobs."""

from __future__ import annotations

import time
from typing import Any

import trio
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from f7tfs.sandbox.coreutils.failure import CommandFailed, CommandStalled, CommandTimedOut
from f7tfs.sandbox.jobs.model import BatchRequest, JobRecord, SlurmRefused, UnknownJob
from f7tfs.sandbox.site import Site
from f7tfs.sandbox.v2.envelope import crash, endpoint, invalid, no_content, run_command, success
from f7tfs.sandbox.v2.parameters import json_body, required

PRIORITY = 4294901705


def _time(job: JobRecord, *, step: bool = False) -> dict[str, Any]:
    elapsed = 0 if job.started is None else int((job.ended or time.time()) - job.started)
    return {
        "elapsed": elapsed,
        "start": None if job.started is None else int(job.started),
        "end": None if job.ended is None else int(job.ended),
        "suspended": None if job.started is None else 0,
        "limit": None if step else int(job.limit),
    }


def _tasks(job: JobRecord) -> list[dict[str, Any]]:
    if not job.step_state:
        return []
    cancelled = job.step_state == "CANCELLED"
    status = {
        "state": job.step_state,
        "stateReason": None,
        "exitCode": job.exit_code,
        "interruptSignal": (job.signal or 15) if cancelled else job.signal,
    }
    return [{"id": f"{job.job_id}.batch", "name": "batch", "status": status, "time": _time(job, step=True)}]


def job_json(site: Site, job: JobRecord) -> dict[str, Any]:
    settings = site.settings
    pending = job.state == "PENDING"
    timed_out = job.state == "TIMEOUT"
    status = {
        "state": job.state,
        "stateReason": job.reason,
        "exitCode": None if pending else job.exit_code,
        "interruptSignal": None if pending else 0 if timed_out else job.signal,
    }
    return {
        "jobId": job.job_id,
        "name": job.name,
        "status": status,
        "tasks": _tasks(job),
        "time": _time(job),
        "account": job.account,
        "allocationNodes": 1,
        "cluster": settings.system,
        "group": settings.group,
        "nodes": "localhost" if job.started else "",
        "partition": job.partition,
        "killRequestUser": None,
        "user": settings.user,
        "workingDirectory": job.request.directory,
        "priority": PRIORITY - int(job.job_id.partition("_")[0]),
    }


def _environment(value: object) -> dict[str, str]:
    if isinstance(value, dict):
        return {str(name): str(text) for name, text in value.items()}
    if isinstance(value, list):
        pairs = (str(entry).partition("=") for entry in value)
        return {name: text for name, _, text in pairs}
    return {}


async def _script(site: Site, job: dict[str, Any]) -> tuple[str, str | None]:
    """The text of the script, and its path if it has one. Without either, sbatch waits for its input."""
    if job.get("script") is not None:
        return required(job, "script"), None
    path = job.get("scriptPath")
    if path is None:
        raise CommandStalled
    try:
        content = await run_command(site, site.reader.download, str(path))
    except CommandFailed as error:
        reason = error.stderr.rpartition(": ")[2]
        raise SlurmRefused(1, f"sbatch: error: Unable to open file {path}\n") from OSError(reason)
    return content.decode("utf-8", "surrogateescape"), str(path)


async def submit(site: Site, request: Request) -> Response:
    if site.faults.take("connection_lost"):
        raise crash(111, "Connection refused")
    body = await json_body(request)
    job = body.get("job")
    if not isinstance(job, dict):
        raise invalid("body", "job", "Field required")
    directory = required(job, "workingDirectory")
    script, path = await _script(site, job)
    wanted = BatchRequest(
        script=script,
        directory=directory,
        name=job.get("name"),
        account=job.get("account"),
        partition=job.get("partition"),
        output=job.get("standardOutput"),
        error=job.get("standardError"),
        input=job.get("standardInput"),
        environment=_environment(job.get("env", {"F7T_version": "v2.0.0"})),
        script_path=path,
    )
    return success({"jobId": await site.submit(wanted)}, 201)


async def jobs(site: Site, request: Request) -> Response:
    query = request.query_params
    found = [
        job_json(site, job)
        for job in await site.scheduler.jobs()
        if query.get("account") in {None, job.account} and query.get("name") in {None, job.name}
    ]
    return success({"jobs": found})


def _id(request: Request) -> str:
    job_id: str = request.path_params["job"]
    if not job_id.replace("_", "").replace(".", "").isdecimal():
        raise SlurmRefused(1, f"sacct: fatal: Bad job/step specified: {job_id}\n")
    return job_id


LAGGING = {"name": "allocation", "partition": "", "workingDirectory": "", "group": "root", "priority": 0}
"""What differs while slurmdbd has not caught up with slurmctld."""


def _lagging(job: dict[str, Any]) -> dict[str, Any]:
    return {**job, **LAGGING, "time": {**job["time"], "limit": None}}


async def job_info(site: Site, request: Request) -> Response:
    found = [job_json(site, job) for job in await site.scheduler.find(_id(request))]
    if site.faults.take("jobs_unseen"):
        raise UnknownJob
    if site.faults.take("jobs_lagging"):
        found = [_lagging(job) for job in found]
    return success({"jobs": found})


async def metadata(site: Site, request: Request) -> Response:
    found = [
        {
            "jobId": job.job_id,
            "script": job.request.script,
            "standardInput": job.request.input or "/dev/null",
            "standardOutput": job.output,
            "standardError": job.error,
        }
        for job in await site.scheduler.find(_id(request))
    ]
    return success({"jobs": found})


async def cancel(site: Site, request: Request) -> Response:
    await site.scheduler.cancel(_id(request))
    return no_content()


async def attach(site: Site, request: Request) -> Response:
    command = required(await json_body(request), "command")
    with trio.move_on_after(site.settings.command_seconds) as scope:
        await site.scheduler.attach(_id(request), command)
    if scope.cancelled_caught:
        raise CommandTimedOut
    return no_content()


def routes(site: Site) -> list[Route]:
    base = "/compute/{system}/jobs"
    table = [
        ("POST", base, submit),
        ("GET", base, jobs),
        ("GET", f"{base}/{{job}}", job_info),
        ("DELETE", f"{base}/{{job}}", cancel),
        ("GET", f"{base}/{{job}}/metadata", metadata),
        ("PUT", f"{base}/{{job}}/attach", attach),
    ]
    return [Route(path, endpoint(site, handler), methods=[method]) for method, path, handler in table]
