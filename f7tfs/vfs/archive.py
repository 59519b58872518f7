"""Small archives as a transport: what the API has no call for travels as a .tar.gz that the cluster extracts."""

from __future__ import annotations

import gzip
import io
import math
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from f7tfs.cluster.model import Kind


@dataclass(frozen=True, slots=True)
class Member:
    """One entry of an archive. `mtime_ns` is carried exactly, `mode` as far as the umask there lets it."""

    name: str
    kind: Kind
    mode: int
    mtime_ns: int
    target: str = ""
    source: Path | None = None
    """A regular file's content; None: empty."""


TYPES = {Kind.FILE: tarfile.REGTYPE, Kind.DIRECTORY: tarfile.DIRTYPE, Kind.SYMLINK: tarfile.SYMTYPE}


SMALLEST = 9
"""What gzip calls its best and slowest level."""


class ArchiveTooLarge(Exception):
    """It would have more bytes than are of use."""


class _Bounded:
    """What is written to a file, no more than `most` bytes."""

    def __init__(self, file: BinaryIO, most: float) -> None:
        self._file = file
        self._left = most

    def write(self, data: bytes) -> int:
        """Raises ArchiveTooLarge."""
        self._left -= len(data)
        if self._left < 0:
            raise ArchiveTooLarge
        return self._file.write(data)

    def flush(self) -> None:
        """For GzipFile."""


def write_archive(path: Path, members: Iterable[Member], level: int = SMALLEST, most: float = math.inf) -> None:
    """Blocking. PAX format: any name, nanosecond times. Raises ArchiveTooLarge above `most` bytes, at once."""
    with path.open("wb") as file:
        packed = gzip.GzipFile("", "wb", level, cast("BinaryIO", _Bounded(file, most)), mtime=0)
        with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for member in members:
                _add(archive, member)
        packed.close()


def _add(archive: tarfile.TarFile, member: Member) -> None:
    info = tarfile.TarInfo(member.name)
    info.type = TYPES[member.kind]
    info.mode = member.mode
    seconds, nanoseconds = divmod(member.mtime_ns, 1_000_000_000)
    info.mtime = seconds
    # A float would round it.
    info.pax_headers = {"mtime": f"{seconds}.{nanoseconds:09d}"} if nanoseconds else {}
    info.linkname = member.target
    if member.source is None:
        archive.addfile(info, io.BytesIO())
        return
    with member.source.open("rb") as content:
        info.size = member.source.stat().st_size
        archive.addfile(info, content)
