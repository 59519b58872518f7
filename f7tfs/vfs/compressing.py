"""Contents above the direct limit that one direct upload carries when they are compressed: which are these?

Only compressing tells. So a part is compressed first, then the whole, which ends as soon as it has become too large.
"""

from __future__ import annotations

import logging
import re
import uuid
import zlib
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from f7tfs.cluster.compressed import MEMBER
from f7tfs.cluster.model import Kind
from f7tfs.cluster.port import Cluster
from f7tfs.vfs.archive import ArchiveTooLarge, Member, write_archive
from f7tfs.vfs.routes import may_go_compressed

logger = logging.getLogger(__name__)

LEVEL = 4
"""Measured with a log: two thirds of the time of gzip's usual one, and 7 % larger."""
SAMPLE = 2**20
"""Bytes from the beginning, and as many from the middle."""
HOPE = 1.2
"""So many times too large may the sample say that it becomes: the rest may compress better."""
REMEMBERED = 1000
"""Contents that are known not to go this way."""
COMPRESSED_ALREADY = re.compile(
    r"\.(7z|br|bz2|docx|flac|gif|gz|jar|jpe?g|lz4|lzma|mkv|mov|mp[34]|npz|ogg|parquet|png|rar|tbz2?|tgz|txz|"
    r"webm|webp|whl|xlsx|xz|zip|zst)",
    re.IGNORECASE,
)


class Compressing:
    """`directory`: for the archives on their way."""

    def __init__(self, cluster: Cluster, directory: Path) -> None:
        self._cluster = cluster
        self._directory = directory
        self._refused: deque[str] = deque(maxlen=REMEMBERED)

    def refuse(self, digest: str) -> None:
        """The content that is known by `digest` goes another way from now on."""
        self._refused.append(digest)

    @asynccontextmanager
    async def packed(
        self, path: str, source: Path, digest: str, mode: int, mtime_ns: int
    ) -> AsyncIterator[Path | None]:
        """An archive of `source` that one upload carries, for the time of the block; None where that cannot be."""
        size, most = (await trio.Path(source).stat()).st_size, self._cluster.limits.direct_write
        fits = may_go_compressed(size, self._cluster.limits, self._cluster.features)
        if not fits or digest in self._refused or COMPRESSED_ALREADY.fullmatch(Path(path).suffix):
            yield None
            return
        archive = self._directory / f"{uuid.uuid4().hex}.tar.gz"
        member = Member(name=MEMBER, kind=Kind.FILE, mode=mode, mtime_ns=mtime_ns, source=source)
        try:
            if await trio.to_thread.run_sync(_pack, archive, member, source, most):
                yield archive
            else:
                self.refuse(digest)
                yield None
        finally:
            archive.unlink(missing_ok=True)


def _pack(archive: Path, member: Member, source: Path, most: int) -> bool:
    """Blocking. Whether the archive is there, and has at most `most` bytes."""
    try:
        if not compresses(source, most):
            return False
        write_archive(archive, [member], LEVEL, most)
    except ArchiveTooLarge:
        return False
    except OSError as error:
        # The other ways need no room on the local disk, and sending makes some.
        logger.warning("%s is not compressed: %s", source, error)
        return False
    return True


def compresses(source: Path, most: int) -> bool:
    """Whether a file may become as small as `most` bytes, by what a sample becomes. Blocking."""
    with source.open("rb") as file:
        size = source.stat().st_size
        sample = file.read(SAMPLE)
        file.seek(max(size // 2, SAMPLE))
        sample += file.read(SAMPLE)
    return len(zlib.compress(sample, LEVEL)) * size <= HOPE * most * len(sample)
