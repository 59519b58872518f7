"""Staged transfers of v1: the server copies between the file system and object storage; a task tells how far it is.

stage_out    [by a symlink of a plain name] → POST → 100 116 117 (URL) → size right
send         POST → 100 110 111 (form) → POST the form to object storage → 112 113 114 → (whole?) → rename

The server looks for an upload once in its polling interval, a minute by default. It writes in place; so it is given a
temporary, which is renamed when it is whole.
"""

from __future__ import annotations

import posixpath
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import trio

from f7tfs.cluster import translate
from f7tfs.cluster.errors import ClusterError, NotFound, RemoteFailure, Unavailable, Unsupported
from f7tfs.cluster.model import Limits, StagedObject, Stat
from f7tfs.cluster.names import check_v1, is_plain
from f7tfs.cluster.port import Progress
from f7tfs.cluster.scratch import CLEANING, Scratch
from f7tfs.cluster.storage import (
    EARLY,
    ContentCheck,
    Meter,
    check_source,
    check_target,
    size_of_copy,
    translated_storage,
)
from f7tfs.cluster.tasks_v1 import FORM_READY, STAGED, UPLOADED, TasksV1
from f7tfs.cluster.translate import translated
from f7tfs.cluster.upload import (
    NEW_FILE_MODE,
    UploadRecord,
    check_size,
    fits,
    is_interrupted,
    removed_for_certain,
    settle,
    told,
)
from f7tfs.firecrest.client_v1 import FirecrestV1
from f7tfs.firecrest.s3 import ObjectStorage


class Files(Protocol):
    """What staging needs of the direct calls."""

    @property
    def system(self) -> str: ...
    @property
    def limits(self) -> Limits: ...
    async def stat(self, path: str) -> Stat: ...
    async def remove(self, path: str) -> None: ...
    async def make_symlink(self, path: str, target: str) -> None: ...
    async def rename(self, old: str, new: str) -> None: ...
    async def chmod(self, path: str, mode: int) -> None: ...


class StagingV1:
    """Both directions, for one system."""

    def __init__(
        self,
        files: Files,
        client: FirecrestV1,
        tasks: TasksV1,
        scratch: Scratch,
        storage: ObjectStorage,
        *,
        url_seconds: float,
        verify: ContentCheck | None,
    ) -> None:
        self._files = files
        self._client = client
        self._tasks = tasks
        self._scratch = scratch
        self._storage = storage
        self._url_seconds = url_seconds
        self._verify = verify

    # -- from the cluster ------------------------------------------------------------------------

    async def stage_out(self, path: str, progress: Progress) -> StagedObject:
        """A copy of `path` in object storage, of the size that `stat` told.

        Two calls and the looks at the task; two more where the name is not plain.
        """
        before = await self._files.stat(path)
        check_source(path, before)
        async with self._plain(path) as source:
            return await self._export(path, source, before.size, progress)

    @asynccontextmanager
    async def _plain(self, path: str) -> AsyncIterator[str]:
        """A name of the same file that the server's upload command gets right: it does not quote."""
        if is_plain(path):
            yield path
            return
        async with self._scratch.temporary(path) as link:
            await self._files.make_symlink(link.path, path)
            yield link.path

    async def _export(self, path: str, source: str, size: int, progress: Progress) -> StagedObject:
        progress("queued", 0)
        asked = time.time()
        with translated(translate.v1):
            task_id = await self._client.external_download(self._files.system, source)
        progress("staging", 0)
        bound = self._tasks.patience.transfer(size)
        task = await self._tasks.until(task_id, frozenset({STAGED}), bound, f"staging {path}")
        url = url_of(task)
        found = await size_of_copy(self._storage, url)
        if found != size:
            await self.release(StagedObject(path, url, size, 0.0, task_id))
            raise Unavailable(f"{path}: it changed while it was staged ({found} bytes instead of {size})")
        progress("finishing", size)
        return StagedObject(path, url, size, asked + self._url_seconds - EARLY, task_id)

    async def release(self, staged: StagedObject) -> None:
        """Let the server forget a task; it is known to fail, and then nothing is lost but tidiness."""
        if staged.handle:
            await self._forget(staged.handle)

    # -- to the cluster --------------------------------------------------------------------------

    async def send(
        self, path: str, source: Path, progress: Progress, record: UploadRecord, mode: int = NEW_FILE_MODE
    ) -> None:
        """Upload to a temporary, and rename it to `path` when it is whole.

        Goes on from what `record` tells: a form that was sent need not be sent again. Five calls and the looks at
        the task.
        """
        check_v1(path)
        size = (await trio.Path(source).stat()).st_size
        if size == 0:
            raise Unsupported(f"{path}: an empty file cannot be staged")
        # Object storage would say so after all of it was sent, in words that do not tell whether to try again.
        check_size(path, size, self._files.limits)
        await check_target(self._files.stat, path)
        try:
            state = await self._resumed(path, record, size) or await self._begun(path, size, progress, record)
        except RemoteFailure as error:
            raise told(error) from None
        try:
            await self._carry_on(path, source, state, progress, record)
            await self._move(path, state, mode)
        except BaseException as error:  # noqa: BLE001 -- raised again, after cleaning up
            if not (record.kept and state["sent"] and is_interrupted(error)):
                await settle(state, record, self.give_up)
            raise told(error) from None
        await record.clear()

    async def _resumed(self, path: str, record: UploadRecord, size: int) -> dict[str, Any] | None:
        state = record.load()
        if state.get("route") != "form":
            return None
        if state["sent"] and fits(state, "form", path, size, record):
            return state
        await self.give_up(state)
        return None

    async def _begun(self, path: str, size: int, progress: Progress, record: UploadRecord) -> dict[str, Any]:
        progress("queued", 0)
        temporary = await self._scratch.name(path)
        with translated(translate.v1):
            task_id = await self._client.external_upload(self._files.system, posixpath.basename(temporary), temporary)
        state: dict[str, Any] = {
            "route": "form",
            "path": path,
            "content": record.content,
            "size": size,
            "temporary": temporary,
            "task": task_id,
            "sent": False,
        }
        await record.save(state)
        return state

    async def give_up(self, state: Mapping[str, Any]) -> None:
        """Leave nothing of an upload behind. No call ends a task that waits for a form that never comes.

        Raises Unavailable.
        """
        with trio.CancelScope(shield=True, deadline=trio.current_time() + CLEANING):
            await self._forget(str(state["task"]))
        await removed_for_certain(self._files.remove, str(state["temporary"]))

    async def _carry_on(
        self, path: str, source: Path, state: dict[str, Any], progress: Progress, record: UploadRecord
    ) -> None:
        what, size, temporary = f"uploading {path}", int(state["size"]), str(state["temporary"])
        bound, task_id = self._tasks.patience.upload(size), str(state["task"])
        if not state["sent"]:
            task = await self._tasks.until(task_id, frozenset({FORM_READY}), bound, what)
            url, fields = form_of(task)
            name, moved = posixpath.basename(temporary), Meter(progress, "transferring").moved
            with translated_storage():
                await self._storage.post_form(url, fields, name, source, moved)
            state["sent"] = True
            await record.save(state)
        progress("staging", size)
        await self._tasks.until(task_id, frozenset({UPLOADED}), bound, what)
        await self._check(path, temporary, size, source)
        progress("finishing", size)

    async def _move(self, path: str, state: Mapping[str, Any], mode: int) -> None:
        temporary = str(state["temporary"])
        if mode != NEW_FILE_MODE:
            # Before it is at its place: nobody else is to read it meanwhile.
            await self._files.chmod(temporary, mode)
        await self._files.rename(temporary, path)

    async def _check(self, path: str, temporary: str, size: int, source: Path) -> None:
        try:
            arrived = (await self._files.stat(temporary)).size
        except NotFound:
            raise RemoteFailure(f"{path}: what was uploaded is not there") from None
        if arrived != size:
            raise RemoteFailure(f"{path}: {arrived} bytes of {size} have arrived")
        if self._verify:
            await self._verify(path, temporary, source)

    async def _forget(self, task_id: str) -> None:
        try:
            with translated(translate.v1):
                await self._client.invalidate(task_id)
        except ClusterError:
            return


def url_of(task: Mapping[str, Any]) -> str:
    """The presigned URL of a task at 117. Raises RemoteFailure."""
    data = task.get("data")
    if isinstance(data, Mapping) and isinstance(data.get("url"), str):
        return str(data["url"])
    raise RemoteFailure("the server tells no URL of the staged file")


def form_of(task: Mapping[str, Any]) -> tuple[str, dict[str, str]]:
    """URL and fields of the form of a task at 111. Raises RemoteFailure."""
    try:
        parameters = task["data"]["msg"]["parameters"]
        return str(parameters["url"]), {str(key): str(value) for key, value in parameters["data"].items()}
    except (KeyError, TypeError, AttributeError):
        raise RemoteFailure("the server tells no form for the upload") from None
