"""FirecREST v2: `/filesystem/{system}/transfer`, what runs as a job of the scheduler.

Each method returns `{"transferJob": {"jobId", "logs": {"outputLog", "errorLog"}, …}}`, and the last two a
`transferDirectives` with presigned URLs. That a job ends COMPLETED does not mean that it did its work.
"""

from __future__ import annotations

from typing import Any

from f7tfs.firecrest.base import Client
from f7tfs.firecrest.session import json_of


class TransferV2(Client):
    """Transfer jobs. `account` is needed where the site's job directives name one. All raise FirecrestException."""

    async def transfer_mv(
        self, system_name: str, source: str, target: str, account: str | None = None
    ) -> dict[str, Any]:
        """Start a job that moves, into `target` if that is a directory. POST transfer/mv."""
        return await self._start("transfer_mv", system_name, account, sourcePath=source, targetPath=target)

    async def transfer_cp(
        self, system_name: str, source: str, target: str, account: str | None = None, **options: bool
    ) -> dict[str, Any]:
        """Start a job that copies; option dereference. POST transfer/cp."""
        body = {"sourcePath": source, "targetPath": target, **options}
        return await self._start("transfer_cp", system_name, account, **body)

    async def transfer_rm(self, system_name: str, path: str, account: str | None = None) -> dict[str, Any]:
        """Start a job that removes. DELETE transfer/rm."""
        params = {"path": path, "account": account}
        return dict(json_of(await self._call("transfer_rm", {"system_name": system_name}, params=params)))

    async def transfer_compress(
        self, system_name: str, source: str, target: str, account: str | None = None, **options: str | bool
    ) -> dict[str, Any]:
        """Start a job that archives; options dereference, compression, matchPattern. POST transfer/compress."""
        body = {"sourcePath": source, "targetPath": target, **options}
        return await self._start("transfer_compress", system_name, account, **body)

    async def transfer_extract(
        self, system_name: str, source: str, target: str, account: str | None = None, **options: str
    ) -> dict[str, Any]:
        """Start a job that extracts an archive; option compression. POST transfer/extract."""
        body = {"sourcePath": source, "targetPath": target, **options}
        return await self._start("transfer_extract", system_name, account, **body)

    async def transfer_upload(
        self, system_name: str, path: str, size: int, account: str | None = None
    ) -> dict[str, Any]:
        """Start a job that takes an object of `size` bytes from object storage to `path`. POST transfer/upload."""
        directives = {"transferMethod": "s3", "fileSize": size}
        return await self._start(
            "transfer_upload", system_name, account, sourcePath=path, transferDirectives=directives
        )

    async def transfer_download(self, system_name: str, path: str, account: str | None = None) -> dict[str, Any]:
        """Start a job that puts a file into object storage. POST transfer/download."""
        directives = {"transferMethod": "s3"}
        return await self._start(
            "transfer_download", system_name, account, sourcePath=path, transferDirectives=directives
        )

    async def _start(self, name: str, system_name: str, account: str | None, **body: Any) -> dict[str, Any]:
        if account is not None:
            body["account"] = account
        return dict(json_of(await self._call(name, {"system_name": system_name}, json=body)))
