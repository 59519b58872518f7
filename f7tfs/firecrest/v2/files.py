"""v2: files and directories; what is answered at once, and what runs as a job."""

from __future__ import annotations

from typing import Any

from f7tfs.firecrest.errors import FirecrestException
from f7tfs.firecrest.trail import trail
from f7tfs.firecrest.v2.base import BaseV2
from f7tfs.firecrest.v2_filesystem import EntriesV2


class Files(EntriesV2, BaseV2):
    """With `blocking` false, the methods that run a job return when it is in the queue: see `wait_for_job`.

    A job's answer is `{"transferJob": {"jobId", "logs": {"outputLog", "errorLog"}, …}}`; the logs stay in the user's
    home directory. They raise TransferJobFailedException, and WaitTimedOut after `timeout` seconds.
    """

    async def head(
        self,
        system_name: str,
        path: str,
        num_bytes: int | None = None,
        num_lines: int | None = None,
        exclude_trailing: bool = False,
    ) -> dict[str, Any]:
        """The beginning of a text in `content`, ten lines unless told. Raises ValueError for both numbers at once."""
        _check_count(num_bytes, num_lines, exclude_trailing, "exclude_trailing")
        options = {"bytes": num_bytes, "lines": num_lines, "skipTrailing": "true" if exclude_trailing else None}
        return await self.api.head(system_name, path, **_given(options))

    async def tail(
        self,
        system_name: str,
        path: str,
        num_bytes: int | None = None,
        num_lines: int | None = None,
        exclude_beginning: bool = False,
    ) -> dict[str, Any]:
        """The end of a text in `content`, ten lines unless told. Raises ValueError for both numbers at once."""
        _check_count(num_bytes, num_lines, exclude_beginning, "exclude_beginning")
        options = {"bytes": num_bytes, "lines": num_lines, "skipHeading": "true" if exclude_beginning else None}
        return await self.api.tail(system_name, path, **_given(options))

    async def checksum(self, system_name: str, path: str) -> dict[str, str]:
        """`algorithm` and `checksum`, in hex."""
        return {"algorithm": "SHA256", "checksum": await self.api.checksum(system_name, path)}

    async def symlink(self, system_name: str, source_path: str, link_path: str) -> dict[str, Any]:
        """Make a symlink to `source_path`; in `output` the entry that is now at `link_path`."""
        return {"output": await self.api.symlink(system_name, source_path, link_path)}

    async def mv(
        self,
        system_name: str,
        source_path: str,
        target_path: str,
        account: str | None = None,
        blocking: bool = True,
        timeout: float | None = None,
    ) -> dict[str, Any]:
        """Move, into `target_path` if that is a directory, by a job; its answer."""
        with trail():
            answer = await self.api.transfer_mv(system_name, source_path, target_path, account)
            return await self._finish(system_name, answer, blocking, timeout)

    async def cp(
        self,
        system_name: str,
        source_path: str,
        target_path: str,
        dereference: bool = False,
        account: str | None = None,
        blocking: bool = True,
        timeout: float | None = None,
    ) -> dict[str, Any]:
        """Copy, into `target_path` if that is a directory, by a job; its answer."""
        options = {"dereference": True} if dereference else {}
        with trail():
            answer = await self.api.transfer_cp(system_name, source_path, target_path, account, **options)
            return await self._finish(system_name, answer, blocking, timeout)

    async def rm(
        self,
        system_name: str,
        path: str,
        account: str | None = None,
        blocking: bool = True,
        timeout: float | None = None,
    ) -> dict[str, Any] | None:
        """Remove, a directory with all below it. By a job, whose answer is returned, if it takes long."""
        with trail():
            try:
                await self.api.rm(system_name, path)
            except FirecrestException as error:
                if not _timed_out(error):
                    raise
            else:
                return None
            answer = await self.api.transfer_rm(system_name, path, account)
            return await self._finish(system_name, answer, blocking, timeout)

    async def compress(
        self,
        system_name: str,
        source_path: str,
        target_path: str,
        dereference: bool = False,
        compression: str = "gzip",
        match_pattern: str | None = None,
        account: str | None = None,
        blocking: bool = True,
    ) -> None:
        """Make an archive, by a job if it takes too long otherwise."""
        with trail():
            try:
                await self.api.compress(
                    system_name,
                    source_path,
                    target_path,
                    dereference=dereference,
                    compression=compression,
                    match_pattern=match_pattern,
                )
            except FirecrestException as error:
                if not _timed_out(error):
                    raise
            else:
                return
            options = {"dereference": dereference, "compression": compression, "matchPattern": match_pattern}
            answer = await self.api.transfer_compress(
                system_name, source_path, target_path, account, **_given(options)
            )
            await self._finish(system_name, answer, blocking, None)

    async def extract(
        self,
        system_name: str,
        source_path: str,
        target_path: str,
        compression: str = "gzip",
        account: str | None = None,
        blocking: bool = True,
    ) -> None:
        """Extract an archive into a directory, by a job if it takes too long otherwise."""
        with trail():
            try:
                await self.api.extract(system_name, source_path, target_path, compression=compression)
            except FirecrestException as error:
                if not _timed_out(error):
                    raise
            else:
                return
            answer = await self.api.transfer_extract(
                system_name, source_path, target_path, account, compression=compression
            )
            await self._finish(system_name, answer, blocking, None)

    async def _finish(
        self, system_name: str, answer: dict[str, Any], blocking: bool, timeout: float | None
    ) -> dict[str, Any]:
        if blocking:
            await self.file_job_done(system_name, answer["transferJob"], timeout)
        return answer


def _timed_out(error: FirecrestException) -> bool:
    """Whether the server stopped a command because it took too long."""
    return error.status == 408


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _check_count(num_bytes: int | None, num_lines: int | None, exclude: bool, what: str) -> None:
    if num_bytes is not None and num_lines is not None:
        raise ValueError("give num_bytes or num_lines, not both")
    if exclude and num_bytes is None and num_lines is None:
        raise ValueError(f"{what} needs num_bytes or num_lines")
