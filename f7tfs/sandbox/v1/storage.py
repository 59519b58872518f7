"""/storage/xfer-external/...: transfers through the object store, as tasks."""

from __future__ import annotations

import errno
import os
import stat
from typing import Any

import trio
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from f7tfs.sandbox.background import go_on
from f7tfs.sandbox.coreutils.failure import reason
from f7tfs.sandbox.objectstore.client import Bounded
from f7tfs.sandbox.root import WRITE, failed
from f7tfs.sandbox.site import Site
from f7tfs.sandbox.v1.envelope import DENIED, ApiError, answer, endpoint
from f7tfs.sandbox.v1.parameters import check_machine, form_values, path_of
from f7tfs.sandbox.v1.tasks import Task, Tasks, created, held

BAD_FOR_CURL = frozenset(" ,$")
"""Characters of a path that curl's -F, or the shell before it, does not take literally."""


class Storage:
    """The handlers, and the work that goes on behind their tasks."""

    def __init__(self, site: Site, tasks: Tasks) -> None:
        self._site = site
        self._tasks = tasks

    async def _set(self, task: Task, status: str, data: Any) -> None:
        self._tasks.update(task, status, data)
        await held(self._site, task)

    # -- cluster to store ------------------------------------------------------------------------

    async def download(self, site: Site, request: Request) -> Response:
        check_machine(site, request, "download", plural=True)
        path = path_of(site, await form_values(request), "sourcePath", "download")
        try:
            await trio.to_thread.run_sync(_check_source, site, path)
        except OSError as error:
            raise _path_error("sourcePath error", path, error) from error
        task = self._tasks.create(site, "storage")
        go_on(site.nursery, self._stage_out, task, path)
        return created(task)

    async def _stage_out(self, task: Task, path: str) -> None:
        site, name = self._site, path.rstrip("/").rsplit("/", 1)[-1]
        data: dict[str, Any] = {"source": path, "system_name": site.settings.system}
        task.key = f"{task.task_id}/{name}"
        await held(site, task)
        await self._set(task, "116", data)
        await site.staging()
        try:
            await self._put(path, task.key)
        except OSError as error:
            said = f"Upload to Staging area has failed. Object: {name}. curl: (26) {error.args[1]}"
            self._tasks.update(task, "118", {**data, "error": said})
            return
        task.sent = True
        url = await site.store.presign("get_object", task.key)
        self._tasks.update(task, "117", {**data, "url": url})

    async def _put(self, path: str, key: str) -> None:
        """Raises OSError with what curl says."""
        site = self._site
        bad = BAD_FOR_CURL & set(path) or site.faults.take("fail_transfers")
        if bad:
            raise OSError(errno.EIO, "Failed to open/read local data from file/application")
        fd = await trio.to_thread.run_sync(site.root.open_read, path)
        with os.fdopen(fd, "rb") as source:
            size = os.fstat(fd).st_size
            wanted = size // 2 if site.faults.take("wrong_content") else size
            await site.store.put(key, Bounded(source, wanted))  # type: ignore[arg-type]  # boto3 only reads

    # -- store to cluster ------------------------------------------------------------------------

    async def upload(self, site: Site, request: Request) -> Response:
        check_machine(site, request, "upload", plural=True)
        form = await form_values(request)
        target = path_of(site, form, "targetPath", "upload")
        source = path_of(site, form, "sourcePath", "upload") and form["sourcePath"]
        name = source.rstrip("/").rsplit("/", 1)[-1]
        try:
            path = await trio.to_thread.run_sync(_check_target, site, target, name)
        except OSError as error:
            raise _path_error("targetPath error", target, error) from error
        task = self._tasks.create(site, "storage")
        go_on(site.nursery, self._stage_in, task, source, name, path)
        return created(task)

    async def _stage_in(self, task: Task, source: str, name: str, path: str) -> None:
        site = self._site
        task.key = f"{task.task_id}/{name}"
        base = {
            "hash_id": task.task_id,
            "source": source,
            "system_addr": "127.0.0.1:22",
            "system_name": site.settings.system,
            "target": path,
            "trace_id": "",
            "user": site.settings.user,
        }
        waiting = "Waiting for Presigned URL to upload file to staging area (Amazon S3 - Signature v4)"
        await held(site, task)
        await self._set(task, "110", {**base, "status": "110", "msg": waiting})
        url, fields = await site.store.presign_post(task.key)
        asked = {**base, "status": "111", "msg": _form(url, fields, source)}
        await self._set(task, "111", asked)
        while task.status != "302":
            await trio.sleep(site.settings.ingest_poll_seconds)
            if not await site.store.exists(task.key):
                continue
            task.sent = True
            if await self._ingest(task, path, asked, base):
                return

    async def _ingest(self, task: Task, path: str, asked: dict[str, Any], base: dict[str, str]) -> bool:
        """One attempt to bring the object to its target, in place. There is no end to them until one succeeds."""
        site = self._site
        await self._set(task, "112", asked)
        short = {name: base[name] for name in ("source", "target", "system_name", "system_addr")}
        await self._set(task, "113", short)
        await site.staging()
        try:
            await self._get(task.key, path)
        except OSError:
            await self._set(task, "115", {**asked, "status": "115"})
            return False
        self._tasks.update(task, "114", short)
        await site.store.delete(task.key)
        return True

    async def _get(self, key: str, path: str) -> None:
        site = self._site
        if site.faults.take("fail_transfers"):
            raise failed(errno.EIO)
        fd = await trio.to_thread.run_sync(site.root.open_write, path)
        with os.fdopen(fd, "wb") as target:
            size = await site.store.size(key)
            granted = site.quota.take(size // 2 if site.faults.take("wrong_content") else size)
            if size and granted:
                await site.store.get(key, target, 0, granted)
        if granted < size and site.quota.left == 0:
            raise failed(site.quota.code)

    # -- invalidate ------------------------------------------------------------------------------

    async def invalidate(self, site: Site, request: Request) -> Response:
        """Says that the URL is void. It is not: the object stays, and the list of tasks still shows it."""
        del site
        name = request.headers.get("x-task-id")
        if name is None:
            raise ApiError(400, {"error": "Header X-Task-Id is missing"})
        task = self._tasks.found.get(name)
        if task is None or task.user != request.state.user:
            raise ApiError(400, {"error": "Invalid X-Task-Id"})
        if not task.sent:
            raise ApiError(500, None)
        task.listed = (task.status, task.data)
        self._tasks.update(task, "302", "")
        return answer({"success": "URL invalidated successfully"}, 201)


def _form(url: str, fields: dict[str, str], source: str) -> dict[str, Any]:
    """The form that the client is to send, and the same as a curl command."""
    words = " ".join(f"-F '{key}={value}'" for key, value in fields.items())
    parameters = {
        "method": "POST",
        "url": url,
        "data": fields,
        "files": source,
        "headers": {},
        "json": {},
        "params": {},
    }
    command = f"curl -f --show-error -s -i -X POST             {url} {words} -F file=@{source}"
    return {"command": command, "parameters": parameters}


def _path_error(description: str, path: str, error: OSError) -> ApiError:
    if error.errno in {errno.EACCES, errno.EPERM}:
        return ApiError(400, {"description": description}, {DENIED[0]: DENIED[1]})
    if error.errno == errno.EISDIR:
        return ApiError(400, {"description": description}, {"X-A-Directory": f"{path} is a directory"})
    if error.errno in {errno.ENOENT, errno.ENOTDIR}:
        return ApiError(400, {"description": description}, {"X-Invalid-Path": f"{path} is an invalid path."})
    return ApiError(400, {"description": description}, {"X-Error": reason(error)})


def _check_source(site: Site, path: str) -> None:
    """What `head -c 1` would find."""
    fd = site.root.open_read(path)
    try:
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            raise failed(errno.EISDIR)
    finally:
        os.close(fd)


def _check_target(site: Site, target: str, name: str) -> str:
    """The path that will be written: below the target if that is a directory one can write to, else the target."""
    with site.root.locate(target, follow=True) as place:
        if place.info is not None and place.is_dir and site.root.allowed(place.info, WRITE):
            return f"{target.rstrip('/')}/{name}"
        site.root.require_change(place)
        return target


def routes(site: Site, tasks: Tasks) -> list[Route]:
    storage = Storage(site, tasks)
    table = {
        "download": storage.download,
        "upload": storage.upload,
        "invalidate": storage.invalidate,
    }
    return [
        Route(f"/storage/xfer-external/{name}", endpoint(site, handler), methods=["POST"])
        for name, handler in table.items()
    ]
