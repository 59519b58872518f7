"""v2: files of any size, at once where they are small and through object storage where they are not."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from f7tfs.firecrest.errors import FirecrestException, StorageDownloadException, StorageUploadException
from f7tfs.firecrest.local import LocalPath, fetch_object, size_of, write_small
from f7tfs.firecrest.s3 import ObjectStorage, plan_parts
from f7tfs.firecrest.trail import trail
from f7tfs.firecrest.v2.base import BaseV2


class AsyncExternalTransfer:
    """A transfer job, and what the server told of object storage."""

    def __init__(self, client: BaseV2, transfer_info: Mapping[str, Any], system_name: str) -> None:
        self.client = client
        self.transfer_data = transfer_info
        """`transferJob` and `transferDirectives`."""
        self.system_name = system_name

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
        """Wait until the job has ended. Raises TransferJobFailedException, WaitTimedOut."""
        await self.client.transfer_done(self.system_name, self.job, timeout)


class AsyncExternalUpload(AsyncExternalTransfer):
    """A local file on its way to `path` on the cluster."""

    def __init__(
        self, client: BaseV2, transfer_info: Mapping[str, Any], local_file: LocalPath, system_name: str, path: str
    ) -> None:
        super().__init__(client, transfer_info, system_name)
        self._local = Path(local_file)
        self._path = path

    async def upload_file_to_stage(self) -> None:
        """Send the local file into object storage; the job takes it from there. Raises StorageUploadException."""
        data = self.object_storage_data
        size = await size_of(self._local)
        parts = plan_parts(data.get("partsUploadUrls") or [], int(data.get("maxPartSize") or size), size)
        if not parts:
            raise StorageUploadException(message="the site gave no URLs for so many bytes")
        async with ObjectStorage(self.client.options) as storage:
            etags = await storage.put_parts(self._local, parts, _ignore)
            await storage.complete(str(data["completeUploadUrl"]), etags)

    async def wait_for_transfer_job(self, timeout: float | None = None) -> None:
        """Wait until the file is at its target. Raises TransferJobFailedException, WaitTimedOut."""
        with trail():
            await super().wait_for_transfer_job(timeout)
            try:
                arrived = (await self.client.api.stat(self.system_name, self._path, dereference=True))["size"]
            except FirecrestException as error:
                raise await self.client.transfer_failure(self.system_name, self.job, error.message) from error
            if arrived != await size_of(self._local):
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


class External(BaseV2):
    """Up- and download. Only object storage by S3 is served as a `transfer_method`."""

    MAX_DIRECT_UPLOAD_SIZE = 5 * 2**20
    """Bytes. A site whose limit is lower refuses, and then object storage is used."""
    MAX_DIRECT_DOWNLOAD_SIZE = 3_932_157
    """Bytes: the site's limit of 5 MiB is for their base64."""

    async def upload(
        self,
        system_name: str,
        local_file: LocalPath,
        directory: str,
        filename: str,
        account: str | None = None,
        blocking: bool = True,
        transfer_method: str = "s3",
    ) -> AsyncExternalUpload | None:
        """Send a local file to `directory`/`filename`. None where that is done at once.

        Else, with `blocking` false, the caller has to call `upload_file_to_stage` and `wait_for_transfer_job`.
        """
        _check_method(transfer_method)
        size = await size_of(local_file)
        with trail():
            if size <= self.MAX_DIRECT_UPLOAD_SIZE and await self._sent(system_name, local_file, directory, filename):
                return None
            path = f"{directory.rstrip('/')}/{filename}"
            answer = await self.api.transfer_upload(system_name, path, size, account)
            transfer = AsyncExternalUpload(self, answer, local_file, system_name, path)
            if blocking:
                await transfer.upload_file_to_stage()
                await transfer.wait_for_transfer_job()
            return transfer

    async def _sent(self, system_name: str, local_file: LocalPath, directory: str, filename: str) -> bool:
        """Whether a file is small enough for this site to take it at once, and has been sent."""
        try:
            await self.api.upload(system_name, directory, filename, Path(local_file))
        except FirecrestException as error:
            if error.status == 408 and await size_of(local_file) == 0:
                return True  # the server's way with empty files, which it makes
            if error.status != 413:
                raise
            return False
        return True

    async def download(
        self,
        system_name: str,
        source_path: str,
        target_path: LocalPath,
        account: str | None = None,
        blocking: bool = True,
        transfer_method: str = "s3",
    ) -> AsyncExternalDownload | None:
        """Write a file of the cluster to a local one. None where that is done at once.

        Else, with `blocking` false, the caller has to call `wait_for_transfer_job` and `download_file_from_stage`.
        """
        _check_method(transfer_method)
        with trail():
            size = (await self.api.stat(system_name, source_path, dereference=True))["size"]
            if size <= self.MAX_DIRECT_DOWNLOAD_SIZE:
                try:
                    await write_small(target_path, await self.api.download(system_name, source_path))
                    return None
                except FirecrestException as error:
                    if error.status != 413:
                        raise
            answer = await self.api.transfer_download(system_name, source_path, account)
            transfer = AsyncExternalDownload(self, answer, target_path, system_name, size)
            if blocking:
                await transfer.wait_for_transfer_job()
                await transfer.download_file_from_stage()
            return transfer


def _check_method(transfer_method: str) -> None:
    if transfer_method != "s3":
        raise ValueError(f"transfer_method must be s3, not {transfer_method!r}")


def _ignore(_: int) -> None:
    """Nobody watches how much has gone out."""
