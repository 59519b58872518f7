"""FirecREST v2: `/filesystem/{system}/ops`, what is answered at once.

Paths are sent as they are given. The server pastes them between single quotes into a shell command: escape a `'` as
`'\\''`, or use a layer that does so (`f7tfs.cluster`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from f7tfs.firecrest.base import Client
from f7tfs.firecrest.multipart import Slice, form, raw_filename
from f7tfs.firecrest.session import field_of


class EntriesV2(Client):
    """What needs no content of files. All methods raise FirecrestException."""

    async def list_files(
        self,
        system_name: str,
        path: str,
        show_hidden: bool = False,
        recursive: bool = False,
        numeric_uid: bool = False,
        dereference: bool = False,
    ) -> list[dict[str, Any]]:
        """The entries of a directory. GET ops/ls."""
        flags = {
            "showHidden": show_hidden,
            "recursive": recursive,
            "numericUid": numeric_uid,
            "dereference": dereference,
        }
        set_flags = {name: "true" for name, value in flags.items() if value}
        return list(await self._get("list_files", system_name, path, **set_flags) or [])

    async def stat(self, system_name: str, path: str, dereference: bool = False) -> dict[str, int]:
        """As stat(1): mode, ino, nlink, uid, gid, size, atime, mtime, ctime. GET ops/stat."""
        return dict(await self._get("stat", system_name, path, dereference="true" if dereference else None))

    async def view(self, system_name: str, path: str, size: int | None = None, offset: int | None = None) -> str:
        """A window of a text; bytes that are not UTF-8 are lost. GET ops/view."""
        return str(await self._get("view", system_name, path, size=size, offset=offset))

    async def file_type(self, system_name: str, path: str) -> str:
        """As file(1). GET ops/file."""
        return str(await self._get("file_type", system_name, path))

    async def mkdir(self, system_name: str, path: str, create_parents: bool = False) -> dict[str, Any]:
        """Make a directory; the entry of it. POST ops/mkdir."""
        return await self._change("mkdir", system_name, sourcePath=path, parent=create_parents or None)

    async def symlink(self, system_name: str, source_path: str, link_path: str) -> dict[str, Any]:
        """Make a symlink to `source_path`; the entry that is now at `link_path`. POST ops/symlink."""
        return await self._change("symlink", system_name, sourcePath=source_path, linkPath=link_path)

    async def chmod(self, system_name: str, path: str, mode: str) -> dict[str, Any]:
        """Change permissions, following symlinks; the entry. PUT ops/chmod."""
        return await self._change("chmod", system_name, sourcePath=path, mode=mode)

    async def chown(self, system_name: str, path: str, owner: str, group: str) -> dict[str, Any]:
        """Change owner and group, where an empty text changes nothing; the entry. PUT ops/chown."""
        return await self._change("chown", system_name, sourcePath=path, owner=owner, group=group)

    async def _get(self, name: str, system_name: str, path: str, **params: Any) -> Any:
        response = await self._call(name, {"system_name": system_name}, params={"path": path, **params})
        return field_of(response, "output")

    async def _change(self, name: str, system_name: str, **body: Any) -> dict[str, Any]:
        sent = {key: value for key, value in body.items() if value is not None}
        response = await self._call(name, {"system_name": system_name}, json=sent)
        return dict(field_of(response, "output") or {})


class FilesystemV2(EntriesV2):
    """Files and directories. All methods raise FirecrestException."""

    async def head(self, system_name: str, path: str, **options: int | bool) -> dict[str, Any]:
        """The beginning of a text; options bytes, lines, skipTrailing. GET ops/head."""
        return dict(await self._get("head", system_name, path, **options))

    async def tail(self, system_name: str, path: str, **options: int | bool) -> dict[str, Any]:
        """The end of a text; options bytes, lines, skipHeading. GET ops/tail."""
        return dict(await self._get("tail", system_name, path, **options))

    async def checksum(self, system_name: str, path: str) -> str:
        """SHA-256 in hex. GET ops/checksum."""
        return str((await self._get("checksum", system_name, path))["checksum"])

    async def download(self, system_name: str, path: str) -> bytes:
        """The content of a small file. GET ops/download."""
        response = await self._call("download", {"system_name": system_name}, params={"path": path})
        return response.content

    async def upload(self, system_name: str, directory: str, filename: str, content: bytes | Path | Slice) -> None:
        """Create or overwrite a small file of at least one byte, from memory or a local file. POST ops/upload."""
        body, headers = await form({}, raw_filename(filename)).around(content)
        arguments = {"system_name": system_name}
        await self._call("upload", arguments, params={"path": directory}, content=body, headers=headers)

    async def rm(self, system_name: str, path: str) -> None:
        """Remove, a directory with all below it. Never end `path` with a slash. DELETE ops/rm."""
        await self._call("rm", {"system_name": system_name}, params={"path": path})

    async def compress(
        self,
        system_name: str,
        source_path: str,
        target_path: str,
        *,
        dereference: bool = False,
        compression: str = "gzip",
        match_pattern: str | None = None,
    ) -> None:
        """Make an archive within the time of one command, of all or of what matches. POST ops/compress."""
        body: dict[str, Any] = {
            "sourcePath": source_path,
            "targetPath": target_path,
            "dereference": dereference,
            "compression": compression,
        }
        if match_pattern is not None:
            body["matchPattern"] = match_pattern
        await self._call("compress", {"system_name": system_name}, json=body)

    async def extract(
        self, system_name: str, source_path: str, target_path: str, *, compression: str = "gzip"
    ) -> None:
        """Extract an archive into a directory within the time of one command. POST ops/extract."""
        body = {"sourcePath": source_path, "targetPath": target_path, "compression": compression}
        await self._call("extract", {"system_name": system_name}, json=body)
