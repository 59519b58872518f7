"""The kernel's table of mounts, and which of them are ours."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

FILE_SYSTEM_TYPE = "fuse.f7tfs"


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of /proc/self/mountinfo."""

    mountpoint: Path
    kind: str
    source: str
    owner: int | None
    """The user who mounted it, where it is a FUSE mount."""
    device: str
    """The number of its device, as `MAJOR:MINOR`."""

    @property
    def is_ours(self) -> bool:
        return self.kind == FILE_SYSTEM_TYPE


def parse_mountinfo(text: str) -> list[Mount]:
    """Mounts in the order they were made, from the text that proc(5) describes."""
    return [_parse_line(line) for line in text.splitlines() if " - " in line]


def _parse_line(line: str) -> Mount:
    before, _, after = line.partition(" - ")
    kind, source, *options = after.split(" ")
    owner = re.search(r"\buser_id=(\d+)", options[0] if options else "")
    _number, _parent, device, _root, mountpoint, *_rest = before.split(" ")
    return Mount(
        mountpoint=Path(_unescape(mountpoint)),
        kind=kind,
        source=_unescape(source),
        owner=int(owner[1]) if owner else None,
        device=device,
    )


def _unescape(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)


def mounts() -> list[Mount]:
    """Every mount that this process sees."""
    return parse_mountinfo(Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape"))


def mount_at(mountpoint: Path, among: Iterable[Mount] | None = None) -> Mount | None:
    """The topmost mount on exactly this directory."""
    found = [mount for mount in (mounts() if among is None else among) if mount.mountpoint == mountpoint]
    return found[-1] if found else None


def mount_of(path: Path, among: Iterable[Mount] | None = None) -> Mount | None:
    """The f7tfs mount that `path` (absolute) lies in."""
    ours = [mount for mount in (mounts() if among is None else among) if mount.is_ours]
    inside = [mount for mount in ours if path.is_relative_to(mount.mountpoint)]
    return max(inside, key=lambda mount: len(mount.mountpoint.parts), default=None)
