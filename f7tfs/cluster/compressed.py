"""A file that is small when it is compressed: one direct upload of an archive, extracted aside and put in its place.

Extraction writes a file where it says, in place of what is there, and is stopped after some seconds. So it is done in
a private directory, and what came out of it is looked at; only what is whole takes its place. An attempt that ends on
the way is not gone on with: what it has left is removed, and the next one, of a few calls, begins anew.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import trio

from f7tfs.cluster.errors import (
    ClusterError,
    IsADirectory,
    NoSpace,
    QuotaExceeded,
    Refused,
    RemoteFailure,
    TimedOut,
    TooLarge,
    Unauthorized,
    Unavailable,
    Uncertain,
    Unsupported,
)
from f7tfs.cluster.lookup import kind_of
from f7tfs.cluster.model import Kind, Limits, Stat
from f7tfs.cluster.port import Progress
from f7tfs.cluster.scratch import Scratch, removed
from f7tfs.cluster.storage import ContentCheck
from f7tfs.cluster.upload import UploadRecord, is_interrupted, removed_for_certain, settle

ROUTE = "compressed"
"""What the records of these uploads have in `route`."""
MEMBER = "content"
"""The name of the file in the archive."""


class Files(Protocol):
    """What is needed of the direct calls."""

    @property
    def limits(self) -> Limits: ...
    async def stat(self, path: str) -> Stat: ...
    async def make_directory(self, path: str) -> None: ...
    async def write_direct(self, path: str, content: bytes) -> None: ...
    async def extract(self, archive: str, directory: str, *places: str) -> None: ...
    async def remove(self, path: str) -> None: ...
    async def chmod(self, path: str, mode: int) -> None: ...


class Put(Protocol):
    """Gives the file `new` in a private directory its name. It may go on having the other one too."""

    async def __call__(self, new: str, path: str, ino: int, *, free: bool) -> None:
        """`ino`: of that file. `free`: nothing is at `path`; else a file or link is, which is replaced."""


class Compressed:
    """Sends one file after the other, for one system."""

    def __init__(self, files: Files, put: Put, scratch: Scratch, verify: ContentCheck | None) -> None:
        self._files = files
        self._put = put
        self._scratch = scratch
        self._verify = verify

    async def send(
        self, path: str, source: Path, archive: Path, progress: Progress, record: UploadRecord, mode: int
    ) -> None:
        """Send `archive`, which has `source` in it, as `path`: with the content, whole, when this returns.

        Raises Unsupported where it has to go another way.
        """
        packed = await trio.Path(archive).read_bytes()
        size = (await trio.Path(source).stat()).st_size
        if len(packed) > self._files.limits.direct_write:
            raise TooLarge(f"{path}: {len(packed)} bytes are too many for an upload, though it is compressed")
        if (before := record.load()).get("route") == ROUTE:
            await self.give_up(before)
        if (there := await kind_of(self._files.stat, path)) is Kind.DIRECTORY:
            raise IsADirectory(path)
        directory = await self._scratch.name(path)
        state: dict[str, Any] = {
            "route": ROUTE,
            "path": path,
            "content": record.content,
            "size": size,
            "directory": directory,
        }
        await record.save(state)
        try:
            progress("transferring", 0)
            new = await self._extracted(path, directory, packed)
            progress("finishing", size)
            found = await self._whole(path, new, source, size, mode)
            await self._take_place(path, new, found.ino, free=there is None)
        except BaseException as error:
            if not (record.kept and is_interrupted(error)):
                await settle(state, record, self.give_up)
            raise
        if await removed(self._files.remove, directory):
            await record.clear()

    async def give_up(self, state: Mapping[str, Any]) -> None:
        """Without what is in the private directory nothing arrives any more. Raises Unavailable."""
        await removed_for_certain(self._files.remove, str(state["directory"]))

    # -- the steps -------------------------------------------------------------------------------

    async def _extracted(self, path: str, directory: str, packed: bytes) -> str:
        await self._files.make_directory(directory)
        archive = f"{directory}/archive.tar.gz"
        await self._files.write_direct(archive, packed)
        async with _another_way(path):
            await self._files.extract(archive, directory, directory)
        return f"{directory}/{MEMBER}"

    async def _whole(self, path: str, new: str, source: Path, size: int, mode: int) -> Stat:
        """What was extracted, with the mode that is asked for."""
        async with _another_way(path):
            found = await self._files.stat(new)
            if found.size != size:
                raise RemoteFailure(f"{found.size} bytes of {size} were extracted")
            if self._verify:
                await self._verify(path, new, source)
            if found.mode != mode:
                # Before it is at its place: nobody else is to read it meanwhile.
                await self._files.chmod(new, mode)
        return found

    async def _take_place(self, path: str, new: str, ino: int, *, free: bool) -> None:
        try:
            async with _another_way(path):
                await self._put(new, path, ino, free=free)
        except (Unavailable, Uncertain, Unsupported):
            # The answer may have been lost, and nothing else.
            if not await self._is_there(path, ino):
                raise

    async def _is_there(self, path: str, ino: int) -> bool:
        try:
            return (await self._files.stat(path)).ino == ino
        except ClusterError:
            return False


@asynccontextmanager
async def _another_way(path: str) -> AsyncIterator[None]:
    """What is refused in the block, or stopped, is so on this route only: it raises Unsupported."""
    try:
        yield
    except (NoSpace, QuotaExceeded, Unauthorized):
        raise
    except (Refused, TimedOut) as error:
        raise Unsupported(f"{path}: the cluster did not take it as an archive: {error}") from error
