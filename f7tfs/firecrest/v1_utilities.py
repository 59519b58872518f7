"""FirecREST v1: `/utilities`, what is answered at once. The system is named in a header, parameters are forms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from f7tfs.firecrest.base import Client
from f7tfs.firecrest.multipart import Slice, extended_filename, form
from f7tfs.firecrest.session import field_of


def machine(system_name: str) -> dict[str, str]:
    """The header that names the system."""
    return {"X-Machine-Name": system_name}


class UtilitiesV1(Client):
    """Files and directories. All methods raise FirecrestException."""

    async def list_files(
        self, system_name: str, path: str, *, show_hidden: bool = False, recursive: bool = False
    ) -> list[Any]:
        """The entries of a directory; bare texts for what the server cannot parse. GET ls."""
        flags = {name: "true" for name, value in (("showhidden", show_hidden), ("recursive", recursive)) if value}
        return list(await self._get("list_files", system_name, targetPath=path, **flags) or [])

    async def stat(self, system_name: str, path: str, *, dereference: bool = False) -> dict[str, int]:
        """As stat(1): mode, ino, nlink, uid, gid, size, atime, mtime, ctime. GET stat."""
        flags = {"dereference": "true"} if dereference else {}
        return dict(await self._get("stat", system_name, targetPath=path, **flags))

    async def file_type(self, system_name: str, path: str) -> str:
        """As file(1). GET file."""
        return str(await self._get("file_type", system_name, targetPath=path))

    async def checksum(self, system_name: str, path: str) -> str:
        """SHA-256 in hex. GET checksum."""
        return str(await self._get("checksum", system_name, targetPath=path))

    async def head(self, system_name: str, path: str, **options: str | int) -> str:
        """The beginning of a text; options bytes, lines, skip_ending. GET head."""
        return str(await self._get("head", system_name, targetPath=path, **options))

    async def tail(self, system_name: str, path: str, **options: str | int) -> str:
        """The end of a text; options bytes, lines, skip_beginning. GET tail."""
        return str(await self._get("tail", system_name, targetPath=path, **options))

    async def view(self, system_name: str, path: str) -> str:
        """The first ten lines. GET view."""
        return str(await self._get("view", system_name, targetPath=path))

    async def whoami(self, system_name: str, *, groups: bool = True) -> Any:
        """User and groups there, with ids as texts; without `groups` the user's name alone. GET whoami."""
        return await self._get("whoami", system_name, groups="true" if groups else None)

    async def simple_download(self, system_name: str, path: str) -> bytes:
        """The content of a small file. GET download."""
        response = await self._call("simple_download", {}, params={"sourcePath": path}, headers=machine(system_name))
        return response.content

    async def simple_upload(
        self, system_name: str, directory: str, filename: str, content: bytes | Path | Slice
    ) -> None:
        """Create or overwrite a small file, from memory or from a local file. POST upload."""
        body, headers = await form({"targetPath": directory}, extended_filename(filename)).around(content)
        await self._call("simple_upload", {}, content=body, headers={**machine(system_name), **headers})

    async def mkdir(self, system_name: str, path: str, *, create_parents: bool = False) -> None:
        """Make a directory. POST mkdir."""
        await self._form("mkdir", system_name, targetPath=path, p="true" if create_parents else None)

    async def mv(self, system_name: str, source: str, target: str) -> None:
        """Rename, or move into `target` if that is a directory. PUT rename."""
        await self._form("mv", system_name, sourcePath=source, targetPath=target)

    async def copy(self, system_name: str, source: str, target: str) -> None:
        """Copy, into `target` if that is a directory. POST copy."""
        await self._form("copy", system_name, sourcePath=source, targetPath=target)

    async def symlink(self, system_name: str, target: str, link_path: str) -> None:
        """Make a symlink to `target`. POST symlink."""
        await self._form("symlink", system_name, targetPath=target, linkPath=link_path)

    async def chmod(self, system_name: str, path: str, mode: str) -> None:
        """Change permissions, following symlinks. PUT chmod."""
        await self._form("chmod", system_name, targetPath=path, mode=mode)

    async def chown(self, system_name: str, path: str, owner: str | None, group: str | None) -> None:
        """Change owner or group or both. PUT chown."""
        await self._form("chown", system_name, targetPath=path, owner=owner, group=group)

    async def simple_delete(self, system_name: str, path: str) -> None:
        """Remove, a directory with all below it. DELETE rm."""
        await self._form("simple_delete", system_name, targetPath=path)

    async def compress(self, system_name: str, source: str, target: str, **options: str) -> None:
        """Make a .tar.gz within the time of one command; option dereference. POST compress."""
        await self._form("compress", system_name, sourcePath=source, targetPath=target, **options)

    async def extract(self, system_name: str, source: str, target: str, **options: str) -> None:
        """Extract an archive, known by its extension or the option type, into a directory. POST extract."""
        await self._form("extract", system_name, sourcePath=source, targetPath=target, **options)

    async def _get(self, name: str, system_name: str, **params: Any) -> Any:
        return field_of(await self._call(name, {}, params=params, headers=machine(system_name)), "output")

    async def _form(self, name: str, system_name: str, **data: str | None) -> None:
        sent = {key: value for key, value in data.items() if value is not None}
        await self._call(name, {}, data=sent, headers=machine(system_name))
