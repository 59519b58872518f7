"""/compute/... and /storage/xfer-internal/...: jobs, each call being a task."""

from __future__ import annotations

import datetime as dt
import os
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import trio
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from f7tfs.sandbox.background import go_on
from f7tfs.sandbox.coreutils.content import write_file
from f7tfs.sandbox.coreutils.failure import CommandFailed
from f7tfs.sandbox.jobs.model import BatchRequest, JobOutput, JobRecord, SlurmRefused, UnknownJob, Work
from f7tfs.sandbox.site import Site
from f7tfs.sandbox.v1.envelope import ApiError, endpoint, run_command
from f7tfs.sandbox.v1.parameters import check_machine, environment_of, flag, form_values, path_of
from f7tfs.sandbox.v1.tasks import Task, Tasks, created, held
from f7tfs.sandbox.v1.utilities import archive_kind

TAIL_BYTES = 1000
INTERNAL_URL = "http://127.0.0.1:6003"
Answer = Callable[[], Awaitable[Any]]


def duration(seconds: float) -> str:
    """A time as squeue shows it: M:SS, H:MM:SS or D-HH:MM:SS."""
    total = int(seconds)
    days, hours, minutes = total // 86400, total // 3600 % 24, total // 60 % 60
    if days:
        return f"{days}-{hours:02}:{minutes:02}:{total % 60:02}"
    return f"{hours}:{minutes:02}:{total % 60:02}" if hours else f"{minutes}:{total % 60:02}"


class Compute:
    """The handlers, and the work behind their tasks."""

    def __init__(self, site: Site, tasks: Tasks) -> None:
        self._site = site
        self._tasks = tasks
        self._zone = ZoneInfo(site.settings.time_zone)

    async def _later(self, task: Task, work: Answer) -> None:
        """Finish a task with what the work gives, or with what Slurm said."""
        await held(self._site, task)
        try:
            data = await work()
        except SlurmRefused as error:
            self._tasks.update(task, "400", error.stderr.strip())
        except UnknownJob:
            self._tasks.update(task, "400", "slurm_load_jobs error: Invalid job id specified")
        else:
            self._tasks.update(task, "200", data)

    def _start(self, task: Task, work: Answer) -> None:
        go_on(self._site.nursery, self._later, task, work)

    # -- submitting ------------------------------------------------------------------------------

    async def upload(self, site: Site, request: Request) -> Response:
        check_machine(site, request, "submit", plural=True)
        async with request.form() as form:
            part, account, environment = form.get("file"), form.get("account"), environment_of(form.get("env"))
            if not isinstance(part, UploadFile):
                raise ApiError(400, {"description": "Failed to submit job", "error": "No 'file' in query"})
            name, content = part.filename or "job.sh", await part.read()
        task = self._tasks.create(site, "compute")
        directory = f"{site.settings.work_dir}/firecrest/{task.task_id}"
        await run_command(site, "submit", _save_script, site, directory, name, content)
        self._start(task, partial(self._submit, f"{directory}/{name}", content, account, environment))
        return created(task)

    async def path(self, site: Site, request: Request) -> Response:
        check_machine(site, request, "submit", plural=True)
        form = await form_values(request)
        path = path_of(site, form, "targetPath", "submit")
        environment = environment_of(form.get("env"))
        content = await run_command(site, "submit", site.reader.download, path)
        task = self._tasks.create(site, "compute")
        self._tasks.update(task, "100", INTERNAL_URL)
        self._start(task, partial(self._submit, path, content, form.get("account"), environment))
        return created(task)

    async def _submit(
        self, path: str, content: bytes, account: object, environment: dict[str, str]
    ) -> dict[str, Any]:
        request = BatchRequest(
            script=content.decode("utf-8", "surrogateescape"),
            directory=path.rpartition("/")[0],
            account=account if isinstance(account, str) and account else None,
            environment=environment,
            script_path=path,
        )
        job = await self._submitted(request)
        return {"result": "Job submitted", **self._files(job)}

    async def _submitted(self, request: BatchRequest, work: Work | None = None) -> JobRecord:
        return (await self._site.scheduler.find(await self._site.submit(request, work)))[0]

    def _files(self, job: JobRecord) -> dict[str, str]:
        return {
            "jobid": job.job_id,
            "job_file": job.request.script_path or "(null)",
            "job_file_out": job.output,
            "job_file_err": job.error,
            "job_data_out": self._end_of(job.output),
            "job_data_err": self._end_of(job.error),
            "job_info_extra": "Job info returned successfully",
        }

    def _end_of(self, path: str) -> str:
        try:
            return self._site.reader.tail(path, count=TAIL_BYTES, lines=None).decode("utf-8", "replace")
        except CommandFailed:
            return ""

    # -- looking ---------------------------------------------------------------------------------

    async def _wanted(self, request: Request) -> list[JobRecord] | None:
        """The jobs that the query names. Raises UnknownJob."""
        names = request.query_params.get("jobs")
        if not names:
            return None
        return [job for name in names.split(",") for job in await self._site.scheduler.find(name.strip())]

    async def queue(self, site: Site, request: Request) -> Response:
        check_machine(site, request, "squeue", plural=True)
        task = self._tasks.create(site, "compute")

        async def work() -> dict[str, Any]:
            jobs = await self._wanted(request)
            if jobs is not None and not any(job.active for job in jobs):
                raise UnknownJob
            active = [job for job in jobs or await site.scheduler.jobs() if job.active]
            return {str(place): self._queued(job) for place, job in enumerate(active)}

        self._start(task, work)
        return created(task, 200)

    def _queued(self, job: JobRecord) -> dict[str, str]:
        running = job.started is not None
        reason = "Priority" if job.reason == "None" else job.reason
        elapsed = time.time() - job.started if job.started else 0.0
        return {
            **self._files(job),
            "name": job.name,
            "user": self._site.settings.user,
            "state": job.state,
            "partition": job.partition,
            "nodes": "1",
            "nodelist": "localhost" if running else f"({reason})",
            "start_time": duration(elapsed),  # the two are swapped in the real one, too
            "time": self._local(job.started) if running else "N/A",
            "time_left": duration(job.limit - elapsed),
        }

    async def one(self, site: Site, request: Request) -> Response:
        """Broken in the real one: its thread dies, and the task stays as it is."""
        check_machine(site, request, "squeue", plural=True)
        return created(self._tasks.create(site, "compute"), 200)

    async def accounting(self, site: Site, request: Request) -> Response:
        check_machine(site, request, "sacct", plural=True)
        task = self._tasks.create(site, "compute")

        async def work() -> list[dict[str, str]]:
            try:
                jobs = await self._wanted(request)
            except UnknownJob:
                return []
            return [self._accounted(job) for job in (await site.scheduler.jobs() if jobs is None else jobs)]

        self._start(task, work)
        return created(task, 200)

    def _accounted(self, job: JobRecord) -> dict[str, str]:
        elapsed = (job.ended or time.time()) - job.started if job.started else 0.0
        text = f"{int(elapsed) // 3600:02}:{int(elapsed) // 60 % 60:02}:{int(elapsed) % 60:02}"
        return {
            "jobid": job.job_id,
            "name": job.name,
            "user": self._site.settings.user,
            "state": job.state,
            "exit_code": f"{job.exit_code}:{job.signal}",
            "partition": job.partition,
            "nodes": "1",
            "nodelist": "localhost" if job.started else "None assigned",
            "start_time": self._local(job.started) if job.started else "Unknown",
            "termination_time": self._local(job.ended) if job.ended else "Unknown",
            "elapsed_time": text,
            "cpu_time": text,
            "time": text,
            "time_left": self._local(job.ended) if job.ended else "Unknown",
        }

    def _local(self, seconds: float | None) -> str:
        return dt.datetime.fromtimestamp(seconds or 0, self._zone).strftime("%Y-%m-%dT%H:%M:%S")

    # -- cancelling ------------------------------------------------------------------------------

    async def cancel(self, site: Site, request: Request) -> Response:
        check_machine(site, request, "cancel", plural=True)
        task = self._tasks.create(site, "compute")
        job_id = request.path_params["job"]

        async def work() -> str:
            return await site.scheduler.cancel(job_id)

        self._start(task, work)
        return created(task, 200)

    # -- the cluster -----------------------------------------------------------------------------

    def description(self, what: str) -> Callable[[Site, Request], Awaitable[Response]]:
        """nodes, partitions or reservations."""

        async def handler(site: Site, request: Request) -> Response:
            check_machine(site, request, what, plural=True)
            task = self._tasks.create(site, "compute")

            async def work() -> list[dict[str, Any]]:
                name = request.path_params.get("name")
                return [entry for entry in _described(site, what) if name in {None, entry.get("NodeName")}]

            self._start(task, work)
            return created(task, 200)

        return handler

    # -- internal transfers ----------------------------------------------------------------------

    def internal(self, operation: str) -> Callable[[Site, Request], Awaitable[Response]]:
        """cp, mv, rsync, rm, compress or extract as a job. Its task is done once that is submitted."""

        async def handler(site: Site, request: Request) -> Response:
            check_machine(site, request, operation, plural=True)
            form = await form_values(request)
            target = path_of(site, form, "targetPath", operation)
            source = target if operation == "rm" else path_of(site, form, "sourcePath", operation)
            command = _internal_command(site, operation, source, target, form)
            task = self._tasks.create(site, "storage")
            name = form.get("jobName") or f"{operation}-job"
            self._start(task, partial(self._submit_work, name, form.get("account"), _as_work(site, command), task))
            return created(task, with_url=False)

        return handler

    async def _submit_work(self, name: str, account: str | None, work: Work, task: Task) -> dict[str, Any]:
        settings = self._site.settings
        directory = f"{settings.work_dir}/firecrest/{task.task_id}"
        await trio.to_thread.run_sync(lambda: self._site.changer.mkdir(directory, parents=True))
        request = BatchRequest(
            script="#!/bin/bash -l\n",
            directory=directory,
            name=name,
            account=account or None,
            partition=settings.partitions[-1],
            script_path=f"{directory}/sbatch-job.sh",
        )
        job = await self._submitted(request, work)
        return {"result": "Job submitted", **self._files(job)}


def _save_script(site: Site, directory: str, name: str, content: bytes) -> None:
    site.changer.mkdir(directory, parents=True)
    path = f"{directory}/{name}"
    write_file(site.root, path, content, site.quota, opener="/opt/firecrest: line 70", writer="cat")


def _described(site: Site, what: str) -> list[dict[str, Any]]:
    names = list(site.settings.partitions)
    if what == "nodes":
        cpus = str(os.cpu_count() or 1)
        node = {"NodeName": "localhost", "ActiveFeatures": ["f7t"], "State": ["IDLE"], "Partitions": names}
        return [{**node, "CPUTot": cpus, "CPUAlloc": "0", "RealMemory": "1024", "FreeMem": "1024"}]
    if what == "partitions":
        common = {"State": "UP", "TotalNodes": "1", "TotalCPUs": str(os.cpu_count() or 1), "Default": "NO"}
        return [{"PartitionName": name, **common} for name in names]
    return []


def _internal_command(
    site: Site, operation: str, source: str, target: str, form: dict[str, str]
) -> Callable[[], object]:
    if operation == "mv":
        return lambda: site.mover.move(source, target)
    if operation in {"cp", "rsync"}:
        return lambda: site.mover.copy(source, target)
    if operation == "rm":
        return lambda: site.changer.remove(target)
    if operation == "compress":
        follow = flag(form, "dereference")
        return lambda: site.archiver.compress(source, target, dereference=follow, unlimited=True)
    kind = archive_kind(source, form.get("extension"))
    if kind is None:
        raise ApiError(400, {"description": f"Unsupported file format in {source}."})
    if kind == "zip":
        return lambda: site.archiver.unzip(source, target)
    return lambda: site.archiver.extract(source, target, compression=kind, unlimited=True)


def _as_work(site: Site, command: Callable[[], object]) -> Work:
    async def work(output: JobOutput) -> int:
        if site.faults.take("fail_transfers"):
            return 1
        try:
            await trio.to_thread.run_sync(command)
        except CommandFailed as error:
            output.err.append(error.stderr)
            return error.status
        return 0

    return work


def routes(site: Site, tasks: Tasks) -> list[Route]:
    compute = Compute(site, tasks)
    table = [
        ("POST", "/compute/jobs/upload", compute.upload),
        ("POST", "/compute/jobs/path", compute.path),
        ("GET", "/compute/jobs", compute.queue),
        ("GET", "/compute/jobs/{job}", compute.one),
        ("DELETE", "/compute/jobs/{job}", compute.cancel),
        ("GET", "/compute/acct", compute.accounting),
        ("GET", "/compute/nodes/{name}", compute.description("nodes")),
        *(("GET", f"/compute/{what}", compute.description(what)) for what in ("nodes", "partitions", "reservations")),
        *(
            ("POST", f"/storage/xfer-internal/{name}", compute.internal(name))
            for name in ("cp", "mv", "rsync", "rm", "compress", "extract")
        ),
    ]
    return [Route(path, endpoint(site, handler), methods=[method]) for method, path, handler in table]
