"""v1: transfers of large files through object storage.

Download: 116 started, 117 staged, 118 failed. Upload: 110 asked, 111 the form is there, 112 and 113 on its way, 114
arrived, 115 failed (the server tries again at each of its polls, until somebody removes the cause).
"""

from __future__ import annotations

from collections.abc import Awaitable
from pathlib import Path
from typing import Any, BinaryIO

from f7tfs.firecrest.errors import FirecrestException
from f7tfs.firecrest.local import LocalPath, fetch_object, size_of
from f7tfs.firecrest.s3 import ObjectStorage
from f7tfs.firecrest.trail import trail
from f7tfs.firecrest.v1.base import FAILED, BaseV1

FORM_READY, FOUND, ARRIVING, UPLOADED, RETRYING, STAGED = "111", "112", "113", "114", "115", "117"
_OVER = FAILED | {UPLOADED, RETRYING, STAGED}


class AsyncExternalStorage:
    """One transfer. Its properties ask the server, unless the transfer is over: `await transfer.status`."""

    ready: frozenset[str]
    """The states in which object storage can be used."""

    def __init__(self, client: BaseV1, task_id: str) -> None:
        self.client = client
        self.task_id = task_id
        self._task: dict[str, Any] = {}
        self._ready_data: dict[str, Any] | None = None

    @property
    def status(self) -> Awaitable[str]:
        """The state, a text of digits."""
        return self._status()

    @property
    def in_progress(self) -> Awaitable[bool]:
        """Whether there is something to wait for."""
        return self._in_progress()

    @property
    def data(self) -> Awaitable[Any]:
        """What the task tells in its present state."""
        return self._data()

    @property
    def object_storage_data(self) -> Awaitable[dict[str, Any]]:
        """What one needs to use object storage oneself; waits until that is known. Raises TaskException."""
        return self._object_storage_data()

    async def _look(self) -> dict[str, Any]:
        if self._task.get("status") not in _OVER:
            self._task = await self.client.api.task(self.task_id)
        return self._task

    async def _status(self) -> str:
        return str((await self._look())["status"])

    async def _in_progress(self) -> bool:
        return await self._status() not in _OVER

    async def _data(self) -> Any:
        return (await self._look())["data"]

    async def _object_storage_data(self) -> dict[str, Any]:
        # Kept, as the states that follow do not tell it any more.
        if self._ready_data is None:
            self._task = await self.client.task_until(self.task_id, self.ready)
            self._ready_data = dict(self._task["data"])
        return self._ready_data


class AsyncExternalUpload(AsyncExternalStorage):
    """A local file on its way to the cluster. `object_storage_data` has `parameters` and `command`."""

    ready = frozenset({FORM_READY, FOUND, ARRIVING, RETRYING, UPLOADED})

    async def finish_upload(self) -> None:
        """Wait for the form, and send the local file by it. The server then takes it to its target (114).

        Raises TaskException, StorageUploadException.
        """
        with trail():
            parameters = (await self._object_storage_data())["parameters"]
            source = Path(parameters["files"])
            async with ObjectStorage(self.client.options) as storage:
                await storage.post_form(parameters["url"], parameters["data"], source.name, source, _ignore)
        self._task = {}

    async def _object_storage_data(self) -> dict[str, Any]:
        data = await super()._object_storage_data()
        if "msg" not in data:
            raise FirecrestException(message=f"the file of task {self.task_id} has been uploaded before")
        return dict(data["msg"])


class AsyncExternalDownload(AsyncExternalStorage):
    """A file of the cluster on its way here. `object_storage_data` has the `url`."""

    ready = frozenset({STAGED})

    @property
    def object_storage_link(self) -> Awaitable[str]:
        """The URL of the staged copy; waits until there is one."""
        return self._link()

    async def _link(self) -> str:
        return str((await self._object_storage_data())["url"])

    async def finish_download(self, target_path: LocalPath | BinaryIO) -> None:
        """Wait until the file is staged, and write it to a local one.

        Raises TaskException, StorageDownloadException.
        """
        with trail():
            url = await self._link()
            async with ObjectStorage(self.client.options) as storage:
                await fetch_object(storage, url, target_path)

    async def invalidate_object_storage_link(self) -> None:
        """Let the server forget the staged copy."""
        await self.client.api.invalidate(self.task_id)


class External(BaseV1):
    """What starts a transfer."""

    async def external_upload(self, machine: str, source_path: LocalPath, target_path: str) -> AsyncExternalUpload:
        """Ask for a place in object storage for a local file that is to go to `target_path`."""
        await size_of(source_path)
        task_id = await self.api.external_upload(machine, str(source_path), target_path)
        return AsyncExternalUpload(self, task_id)

    async def external_download(self, machine: str, source_path: str) -> AsyncExternalDownload:
        """Have a file copied into object storage."""
        return AsyncExternalDownload(self, await self.api.external_download(machine, source_path))


def _ignore(_: int) -> None:
    """Nobody watches how much has gone out."""
