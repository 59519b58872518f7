"""v2 renames by a job only, which takes seconds; but what it extracts may be a hard link: one call, and exact.

GNU tar makes the link where nothing is; else it removes what is there, and makes it then. So a file that is there is
replaced only where links can be made between the two directories: across file systems, or quotas, they cannot.
"""

from __future__ import annotations

import io
import posixpath
import tarfile
from typing import Protocol

from f7tfs.cluster.errors import RemoteFailure
from f7tfs.cluster.model import Stat
from f7tfs.cluster.storage import check_parent


class Files(Protocol):
    """What is needed of the direct calls."""

    async def stat(self, path: str) -> Stat: ...
    async def write_direct(self, path: str, content: bytes) -> None: ...
    async def extract(self, archive: str, directory: str, *places: str) -> None: ...


class LinksV2:
    """Gives a file in a private directory another name. What is left in that directory is the caller's to remove."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._proven: set[tuple[str, str]] = set()
        """(directory of private directories, directory): links between them were made."""

    async def __call__(self, new: str, path: str, ino: int, *, free: bool) -> None:
        """Three calls, and two more for the first file that is replaced in a directory.

        One more where nothing is: GNU tar would make the directories that are missing too.
        """
        private = posixpath.dirname(new)
        pair = posixpath.dirname(private), posixpath.dirname(path)
        if free:
            await check_parent(self._files.stat, path)
        elif pair not in self._proven:
            # The other way round nothing can be lost.
            await self._link(path, f"{private}/old", f"{private}/try.tar.gz")
        await self._link(new, path, f"{private}/link.tar.gz")
        if (await self._files.stat(path)).ino != ino:
            # What is in the private directory is removed after this: it has to be certain.
            raise RemoteFailure(f"{path}: it was not linked")
        self._proven.add(pair)

    async def _link(self, source: str, name: str, archive: str) -> None:
        top = posixpath.commonpath([posixpath.dirname(source), posixpath.dirname(name)])
        await self._files.write_direct(archive, link_archive(_below(source, top), _below(name, top)))
        await self._files.extract(archive, top, name, posixpath.dirname(archive))


def _below(path: str, top: str) -> str:
    return path.removeprefix(top).lstrip("/")


def link_archive(source: str, name: str) -> bytes:
    """A .tar.gz of one hard link, `name`, to the file `source`; both below where it is extracted."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo(name)
        info.type, info.linkname = tarfile.LNKTYPE, source
        archive.addfile(info)
    return out.getvalue()
