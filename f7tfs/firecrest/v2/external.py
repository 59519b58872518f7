"""v2: files of any size, at once where they are small and through object storage where they are not."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, BinaryIO

from f7tfs.firecrest.errors import FirecrestException, UnsupportedTransferMethod
from f7tfs.firecrest.local import LocalPath, Source, source_of, write_small
from f7tfs.firecrest.trail import trail
from f7tfs.firecrest.v2.base import BaseV2
from f7tfs.firecrest.v2.links import file_behind
from f7tfs.firecrest.v2.transfers import AsyncExternalDownload, AsyncExternalUpload

_METHODS = ("s3", "streamer", "wormhole")
_PERHAPS_THE_METHOD = frozenset({400, 422, 500, 501})
"""What a system may answer that has no object storage, and what else too."""


class External(BaseV2):
    """Up- and download. Of the ways to move a large file only object storage by S3 is used."""

    MAX_DIRECT_UPLOAD_SIZE = 5 * 2**20
    """Bytes. A site whose limit is lower refuses, and then object storage is used."""
    MAX_DIRECT_DOWNLOAD_SIZE = 3_932_157
    """Bytes: the site's limit of 5 MiB is for their base64."""

    async def upload(
        self,
        system_name: str,
        local_file: LocalPath | BinaryIO,
        directory: str,
        filename: str,
        account: str | None = None,
        blocking: bool = True,
        transfer_method: str = "s3",
        file_size: int | None = None,
    ) -> AsyncExternalUpload | None:
        """Send a local file to `directory`/`filename`. None where that is done at once.

        Else, with `blocking` false, the caller has to call `upload_file_to_stage` and `wait_for_transfer_job`. Of an
        open file the next `file_size` bytes are sent. Raises UnsupportedTransferMethod.
        """
        _check_method(transfer_method)
        source = await source_of(local_file, file_size)
        with trail():
            if source.size <= self.MAX_DIRECT_UPLOAD_SIZE and await self._sent(
                system_name, source, directory, filename
            ):
                return None
            path = f"{directory.rstrip('/')}/{filename}"
            start = partial(self.api.transfer_upload, system_name, path, source.size, account)
            answer = await self._staged(system_name, transfer_method, start)
            transfer = AsyncExternalUpload(self, answer, source, system_name, path)
            if blocking:
                await transfer.upload_file_to_stage()
                await transfer.wait_for_transfer_job()
            return transfer

    async def _sent(self, system_name: str, source: Source, directory: str, filename: str) -> bool:
        """Whether a file is small enough for this site to take it at once, and has been sent."""
        try:
            await self.api.upload(system_name, directory, filename, await source.path())
        except FirecrestException as error:
            if error.status == 408 and source.size == 0:
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
        """Write a file of the cluster to a local one, following symlinks. None where that is done at once.

        Else, with `blocking` false, the caller has to call `wait_for_transfer_job` and `download_file_from_stage`.
        Raises UnsupportedTransferMethod.
        """
        _check_method(transfer_method)
        with trail():
            path, size = await file_behind(self.api, system_name, source_path)
            if size <= self.MAX_DIRECT_DOWNLOAD_SIZE:
                try:
                    await write_small(target_path, await self.api.download(system_name, source_path))
                    return None
                except FirecrestException as error:
                    if error.status != 413:
                        raise
            start = partial(self.api.transfer_download, system_name, path, account)
            answer = await self._staged(system_name, transfer_method, start)
            transfer = AsyncExternalDownload(self, answer, target_path, system_name, size)
            if blocking:
                await transfer.wait_for_transfer_job()
                await transfer.download_file_from_stage()
            return transfer

    async def _staged(
        self, system_name: str, wanted: str, start: Callable[[], Awaitable[Mapping[str, Any]]]
    ) -> Mapping[str, Any]:
        """The answer to `start`, if the system moves large files by object storage."""
        if wanted != "s3":
            raise _unsupported(system_name, wanted)
        try:
            answer = await start()
        except FirecrestException as error:
            offered = await self._offered(system_name) if error.status in _PERHAPS_THE_METHOD else "s3"
            if offered == "s3":
                raise
            raise _unsupported(system_name, offered) from error
        given = str((answer.get("transferDirectives") or {}).get("transferMethod") or "s3")
        if given != "s3":
            with suppress(FirecrestException):  # the job waits for a peer that will not come
                await self.api.cancel(system_name, str(answer["transferJob"]["jobId"]))
            raise _unsupported(system_name, given)
        return answer

    async def _offered(self, system_name: str) -> str:
        """The way in which a system moves large files; `s3` where it does not tell."""
        for system in await self.api.systems():
            if str(system.get("name", "")).lower() == system_name.lower():
                transfer = (system.get("dataOperation") or {}).get("data_transfer")
                return "nothing" if transfer is None else str(transfer.get("serviceType") or "s3")
        return "s3"


def _check_method(transfer_method: str) -> None:
    if transfer_method not in _METHODS:
        raise ValueError(f"transfer_method must be one of {', '.join(_METHODS)}, not {transfer_method!r}")


def _unsupported(system_name: str, method: str) -> UnsupportedTransferMethod:
    return UnsupportedTransferMethod(
        message=f"large files go through object storage (s3) only; for {system_name} it would be {method}"
    )
