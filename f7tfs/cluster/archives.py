"""Archives as a transport, for both versions: a .tar.gz lies in a scratch directory for the time of one call."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol

import trio

from f7tfs.cluster.errors import TooLarge
from f7tfs.cluster.model import Limits
from f7tfs.cluster.scratch import Scratch

_SUFFIX = ".tar.gz"
"""v1 knows an archive by its extension."""


class Files(Protocol):
    """What is needed of a cluster."""

    @property
    def limits(self) -> Limits: ...
    async def read_direct(self, path: str) -> bytes: ...
    async def write_direct(self, path: str, content: bytes) -> None: ...


@asynccontextmanager
async def uploaded(files: Files, scratch: Scratch, archive: Path, near: str) -> AsyncIterator[str]:
    """Where the local `archive` is on the cluster, for the time of the block."""
    local = trio.Path(archive)
    size = (await local.stat()).st_size
    if size > files.limits.direct_write:
        raise TooLarge(f"{archive}: {size} bytes are more than the {files.limits.direct_write} of an upload")
    async with scratch.temporary(near, _SUFFIX) as temporary:
        await files.write_direct(temporary.path, await local.read_bytes())
        yield temporary.path


async def downloaded(
    files: Files, scratch: Scratch, compress: Callable[[str], Awaitable[None]], directory: str, archive: Path
) -> None:
    """Have `compress` make an archive of `directory` on the cluster, and bring it here."""
    async with scratch.temporary(directory, _SUFFIX) as temporary:
        await compress(temporary.path)
        content = await files.read_direct(temporary.path)
    await trio.Path(archive).write_bytes(content)
