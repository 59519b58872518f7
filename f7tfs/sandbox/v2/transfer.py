"""/filesystem/{system}/transfer/...: what v2 does as jobs of the user."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import trio
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from f7tfs.sandbox.coreutils.failure import CommandFailed
from f7tfs.sandbox.jobs.model import BatchRequest, JobOutput, Work
from f7tfs.sandbox.quoting import single_quoted
from f7tfs.sandbox.site import Site
from f7tfs.sandbox.v2.envelope import ApiError, crash, endpoint, invalid, run_command, success
from f7tfs.sandbox.v2.parameters import body_path, check_path, compression, flag, required
from f7tfs.sandbox.v2.staging import download_work, upload_work

JOB_SECONDS = 15 * 60.0
COMMAND_NOT_FOUND = 127
METHODS = {"s3", "wormhole", "streamer"}
DONE = {"mv": "moved", "cp": "copied", "rm": "deleted", "compress": "compressed", "extract": "extracted"}


def html_escaped(text: str) -> str:
    """What becomes of a name in a job's script: the template engine takes it for HTML."""
    table = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&#34;", "'": "&#39;"}
    return "".join(table.get(char, char) for char in text)


def account_of(site: Site, value: object) -> str | None:
    if site.settings.require_account and not value:
        raise ApiError(400, "Account parameter is required on this system.")
    return None if value is None else str(value)


def _script(site: Site, account: str | None, command: str) -> str:
    lines = ["#!/bin/bash", "#SBATCH --nodes=1", "#SBATCH --time=0-00:15:00"]
    if account and site.settings.require_account:
        lines.append(f"#SBATCH --account={account}")
    return "\n".join([*lines, "", command, ""])


async def submit(site: Site, account: str | None, command: str, work: Work) -> dict[str, Any]:
    """Queue a transfer job; its two log files stay in the user's home for ever."""
    token = uuid.uuid4()
    home = site.settings.work_dir
    out = f"{home}/.f7t_file_handling_job_{token}.log"
    err = f"{home}/.f7t_file_handling_job_error_{token}.log"
    request = BatchRequest(
        script=_script(site, account, command),
        directory=home,
        account=account,
        output=out,
        error=err,
        seconds=JOB_SECONDS,
    )
    job_id = await site.submit(request, work)
    logs = {"outputLog": out, "errorLog": err}
    return {"jobId": job_id, "system": site.settings.system, "workingDirectory": home, "logs": logs}


def _broken() -> None:
    raise CommandFailed(1, "Input/output error")


def file_work(site: Site, name: str, command: Callable[[], object]) -> Work:
    """A job around one command: whatever becomes of it, the job ends well."""

    async def work(output: JobOutput) -> int:
        try:
            failing = site.faults.take("fail_transfers")
            await trio.to_thread.run_sync(_broken if failing else command)
            output.out.append(f"Files were successfully {DONE[name]}.")
        except CommandFailed as error:
            output.err.append(error.stderr)
            output.out.append(f"Files could not be {DONE[name]}.")
        return 0  # of the `echo`, by the time the script looks

    return work


async def _file_job(
    site: Site, account: object, name: str, command: Callable[[], object], *words: str, status: int = 201
) -> Response:
    text = " ".join([name, *(f"'{word}'" for word in words)])
    job = await submit(site, account_of(site, account), text, file_work(site, name, command))
    return success({"transferJob": job}, status)


# -- files ---------------------------------------------------------------------------------------


async def _source_and_target(site: Site, request: Request) -> tuple[str, str, dict[str, Any]]:
    raw, body = await body_path(site.settings, request)
    return html_escaped(raw), html_escaped(required(body, "targetPath")), body


async def mv(site: Site, request: Request) -> Response:
    source, target, body = await _source_and_target(site, request)
    return await _file_job(site, body.get("account"), "mv", lambda: site.mover.move(source, target), source, target)


async def cp(site: Site, request: Request) -> Response:
    source, target, body = await _source_and_target(site, request)
    return await _file_job(site, body.get("account"), "cp", lambda: site.mover.copy(source, target), source, target)


async def rm(site: Site, request: Request) -> Response:
    raw = request.query_params.get("path") or ""
    check_path(site.settings, raw)
    path = html_escaped(raw)
    account = request.query_params.get("account")
    return await _file_job(site, account, "rm", lambda: site.changer.remove(path), path, status=200)


async def compress(site: Site, request: Request) -> Response:
    source, target, body = await _source_and_target(site, request)
    kind, follow, pattern = compression(body), flag(body, "dereference"), body.get("matchPattern")

    def command() -> None:
        site.archiver.compress(source, target, compression=kind, dereference=follow, pattern=pattern, unlimited=True)

    return await _file_job(site, body.get("account"), "compress", command, source, target)


async def extract(site: Site, request: Request) -> Response:
    source, target, body = await _source_and_target(site, request)
    kind = compression(body)
    return await _file_job(
        site,
        body.get("account"),
        "extract",
        lambda: site.archiver.extract(source, target, compression=kind, unlimited=True),
        source,
        target,
    )


# -- staged --------------------------------------------------------------------------------------


def _directives(site: Site, body: dict[str, Any]) -> dict[str, Any]:
    """What the body tells of how the file shall go, if that is how it can."""
    directives = body.get("transferDirectives")
    if not isinstance(directives, dict) or directives.get("transferMethod") not in METHODS:
        raise invalid("body", "transferDirectives", "Input should be 's3', 'wormhole' or 'streamer'", directives)
    if directives["transferMethod"] != site.settings.transfer_method:
        raise ApiError(400, "Requested transfer method is not available.")
    return directives


async def _without_store(site: Site, body: dict[str, Any]) -> Response:
    """A transfer that needs a program on the cluster which is not there."""
    method = site.settings.transfer_method

    async def work(output: JobOutput) -> int:
        output.err.append(f"{method}: command not found")
        return COMMAND_NOT_FOUND

    job = await submit(site, account_of(site, body.get("account")), f"# {method}", work)
    return success({"transferJob": job, "transferDirectives": {"transferMethod": method}}, 201)


def _key(path: str) -> str:
    return f"{uuid.uuid4()}/{path.rstrip('/').rsplit('/', 1)[-1]}"


async def download(site: Site, request: Request) -> Response:
    path, body = await body_path(site.settings, request)
    _directives(site, body)
    if site.settings.transfer_method != "s3":
        return await _without_store(site, body)
    await run_command(site, site.lister.stat, single_quoted(path))
    account = account_of(site, body.get("account"))
    key = _key(path)
    url = await site.store.presign("get_object", key)
    job = await submit(site, account, f"# upload {path} to {url}", download_work(site, path, key))
    return success({"transferJob": job, "transferDirectives": {"transferMethod": "s3", "downloadUrl": url}}, 201)


async def upload(site: Site, request: Request) -> Response:
    path, body = await body_path(site.settings, request)
    size = _directives(site, body).get("fileSize")
    if site.settings.transfer_method != "s3":
        return await _without_store(site, body)
    part = site.settings.max_part_size
    key = _key(path)
    upload_id = await site.store.create_multipart(key)
    if size is None:
        raise crash("unsupported operand type(s) for /: 'NoneType' and 'int'")
    count = -(-int(size) // part)
    urls = [
        await site.store.presign("upload_part", key, UploadId=upload_id, PartNumber=number)
        for number in range(1, count + 1)
    ]
    complete = await site.store.presign("complete_multipart_upload", key, UploadId=upload_id)
    account = account_of(site, body.get("account"))
    job = await submit(site, account, f"# download to {path}", upload_work(site, html_escaped(path), key))
    directives = {
        "transferMethod": "s3",
        "partsUploadUrls": urls,
        "completeUploadUrl": complete,
        "maxPartSize": part,
    }
    return success({"transferJob": job, "transferDirectives": directives}, 201)


def routes(site: Site) -> list[Route]:
    table = [
        ("POST", "mv", mv),
        ("POST", "cp", cp),
        ("DELETE", "rm", rm),
        ("POST", "compress", compress),
        ("POST", "extract", extract),
        ("POST", "download", download),
        ("POST", "upload", upload),
    ]
    return [
        Route(f"/filesystem/{{system}}/transfer/{name}", endpoint(site, handler), methods=[method])
        for method, name, handler in table
    ]
