"""v2: transfers through object storage that a caller may follow step by step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from f7tfs.firecrest.errors import FirecrestException, StorageDownloadException, StorageUploadException
from f7tfs.firecrest.local import LocalPath, Source, fetch_object
from f7tfs.firecrest.s3 import ObjectStorage, plan_parts
from f7tfs.firecrest.tracing import correlated, current
from f7tfs.firecrest.trail import trail
from f7tfs.firecrest.v2.base import BaseV2


class AsyncExternalTransfer:
    """A transfer job, and what the server told of object storage."""

    def __init__(self, client: BaseV2, transfer_info: Mapping[str, Any], system_name: str) -> None:
        self.client = client
        self.transfer_data = transfer_info
        """`transferJob` and `transferDirectives`."""
        self.system_name = system_name
        self._correlation = current()

    @property
    def job(self) -> Mapping[str, Any]:
        """`jobId`, `logs`, ….

        A job that ended well need not have done its work.
        """
        return dict(self.transfer_data["transferJob"])

    @property
    def object_storage_data(self) -> Mapping[str, Any]:
        """The presigned URLs."""
        return dict(self.transfer_data["transferDirectives"])

    async def wait_for_transfer_job(self, timeout: float | None = None) -> None:
        """Wait until the job has ended. Raises TransferJobFailedException, WaitTimedOut.

        Its requests belong to the call that began the transfer.
        """
        with correlated(self._correlation):
            await self.client.transfer_done(self.system_name, self.job, timeout)


class AsyncExternalUpload(AsyncExternalTransfer):
    """A local file on its way to `path` on the cluster."""

    def __init__(
        self, client: BaseV2, transfer_info: Mapping[str, Any], source: Source, system_name: str, path: str
    ) -> None:
        super().__init__(client, transfer_info, system_name)
        self._source = source
        self._path = path

    async def upload_file_to_stage(self) -> None:
        """Send the local file into object storage; the job takes it from there. Raises StorageUploadException."""
        data = self.object_storage_data
        size = self._source.size
        parts = plan_parts(data.get("partsUploadUrls") or [], int(data.get("maxPartSize") or size), size)
        if not parts:
            raise StorageUploadException(message="the site gave no URLs for so many bytes")
        async with ObjectStorage(self.client.options) as storage:
            etags = await storage.put_parts(await self._source.path(), parts, _ignore)
            await storage.complete(str(data["completeUploadUrl"]), etags)

    async def wait_for_transfer_job(self, timeout: float | None = None) -> None:
        """Wait until the file is at its target. Raises TransferJobFailedException, WaitTimedOut."""
        with correlated(self._correlation), trail():
            await super().wait_for_transfer_job(timeout)
            try:
                arrived = (await self.client.api.stat(self.system_name, self._path, dereference=True))["size"]
            except FirecrestException as error:
                raise await self.client.transfer_failure(self.system_name, self.job, error.message) from error
            if arrived != self._source.size:
                what = f"{self._path} is of {arrived} bytes"
                raise await self.client.transfer_failure(self.system_name, self.job, what)


class AsyncExternalDownload(AsyncExternalTransfer):
    """A file of the cluster, of `size` bytes, on its way here."""

    def __init__(
        self, client: BaseV2, transfer_info: Mapping[str, Any], file_path: LocalPath, system_name: str, size: int
    ) -> None:
        super().__init__(client, transfer_info, system_name)
        self._local = file_path
        self._size = size

    async def download_file_from_stage(self, file_path: LocalPath | None = None) -> None:
        """Write the staged copy to a local file. Raises StorageDownloadException, also for a copy that was cut."""
        url = str(self.object_storage_data["downloadUrl"])
        async with ObjectStorage(self.client.options) as storage:
            found = await fetch_object(storage, url, file_path or self._local)
        if found != self._size:
            raise StorageDownloadException(message=f"{found} bytes were staged of a file of {self._size}")


def _ignore(_: int) -> None:
    """Nobody watches how much has gone out."""
