"""Small archives as a transport: what the API has no call for travels as a .tar.gz that the cluster extracts."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

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


def write_archive(path: Path, members: Iterable[Member]) -> None:
    """Blocking. PAX format: any name, nanosecond times."""
    with tarfile.open(path, "w:gz", format=tarfile.PAX_FORMAT) as archive:
        for member in members:
            _add(archive, member)


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
