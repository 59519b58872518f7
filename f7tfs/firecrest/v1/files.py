"""v1: files and directories, and what is small enough to be sent at once."""

from __future__ import annotations

from typing import Any, BinaryIO

from f7tfs.firecrest.local import LocalPath, content_of, name_of, write_small
from f7tfs.firecrest.v1.base import BaseV1


class Files(BaseV1):
    """Calls that are answered at once. Symlinks are followed where the command of that name does."""

    async def list_files(
        self, machine: str, target_path: str, show_hidden: bool = False, recursive: bool = False
    ) -> list[dict[str, Any]]:
        """The entries of a directory, as `ls -l` shows them; all values are texts."""
        return await self.api.list_files(machine, target_path, show_hidden=show_hidden, recursive=recursive)

    async def stat(self, machine: str, target_path: str, dereference: bool = False) -> dict[str, int]:
        """As stat(2): mode, ino, nlink, uid, gid, size, atime, mtime, ctime."""
        return await self.api.stat(machine, target_path, dereference=dereference)

    async def file_type(self, machine: str, target_path: str) -> str:
        """As file(1)."""
        return await self.api.file_type(machine, target_path)

    async def mkdir(self, machine: str, target_path: str, p: bool | None = None) -> str:
        """Make a directory, with `p` its parents too; its path."""
        await self.api.mkdir(machine, target_path, create_parents=bool(p))
        return target_path

    async def mv(self, machine: str, source_path: str, target_path: str) -> str:
        """Rename, or move into `target_path` if that is a directory; `target_path`."""
        await self.api.mv(machine, source_path, target_path)
        return target_path

    async def copy(self, machine: str, source_path: str, target_path: str) -> str:
        """Copy, into `target_path` if that is a directory; `target_path`."""
        await self.api.copy(machine, source_path, target_path)
        return target_path

    async def chmod(self, machine: str, target_path: str, mode: str) -> None:
        """Change permissions: octal or symbolic."""
        await self.api.chmod(machine, target_path, mode)

    async def chown(self, machine: str, target_path: str, owner: str | None = None, group: str | None = None) -> None:
        """Change owner or group or both; with neither there is nothing to do, and nothing is asked."""
        if owner is None and group is None:
            return
        await self.api.chown(machine, target_path, owner, group)

    async def symlink(self, machine: str, target_path: str, link_path: str) -> str:
        """Make a symlink at `link_path` that points to `target_path`; `link_path`."""
        await self.api.symlink(machine, target_path, link_path)
        return link_path

    async def simple_delete(self, machine: str, target_path: str) -> None:
        """Remove a file, or a directory with all below it."""
        await self.api.simple_delete(machine, target_path)

    async def head(
        self,
        machine: str,
        target_path: str,
        bytes: str | int | None = None,  # noqa: A002 - pyFirecREST's name
        lines: str | int | None = None,
        skip_ending: bool | None = False,
    ) -> str:
        """The beginning of a text, ten lines unless told; with `skip_ending` all but the last so many."""
        options = {"bytes": bytes, "lines": lines, "skip_ending": "true" if skip_ending else None}
        return await self.api.head(machine, target_path, **{k: v for k, v in options.items() if v is not None})

    async def tail(
        self,
        machine: str,
        target_path: str,
        bytes: str | int | None = None,  # noqa: A002 - pyFirecREST's name
        lines: str | int | None = None,
        skip_beginning: bool | None = False,
    ) -> str:
        """The end of a text, ten lines unless told; with `skip_beginning` from that byte or line on."""
        options = {"bytes": bytes, "lines": lines, "skip_beginning": "true" if skip_beginning else None}
        return await self.api.tail(machine, target_path, **{k: v for k, v in options.items() if v is not None})

    async def view(self, machine: str, target_path: str) -> str:
        """The first ten lines of a text."""
        return await self.api.view(machine, target_path)

    async def checksum(self, machine: str, target_path: str) -> str:
        """SHA-256 in hex."""
        return await self.api.checksum(machine, target_path)

    async def simple_upload(
        self, machine: str, source_path: LocalPath | BinaryIO, target_path: str, filename: str | None = None
    ) -> None:
        """Send a small local file into the directory `target_path`; an open one without a name needs a `filename`."""
        name = filename or name_of(source_path)
        if not name:
            raise ValueError("an open file without a name needs a filename")
        await self.api.simple_upload(machine, target_path, name, await content_of(source_path))

    async def simple_download(self, machine: str, source_path: str, target_path: LocalPath | BinaryIO) -> None:
        """Write a small file (up to 3.75 MiB with the usual limits) to a local one."""
        await write_small(target_path, await self.api.simple_download(machine, source_path))
