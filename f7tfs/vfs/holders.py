"""Which processes hold a descriptor: a `close` of one of several copies is not the end of writing."""

from __future__ import annotations

import os
from pathlib import Path


def holds_open(pid: int, path: str) -> bool:
    """Whether a process has a descriptor open for writing on `path` (as /proc shows it).

    Only links are read: asking for more would be a request to the very mount that asks. False where it cannot be
    told.
    """
    if pid <= 0:
        return False
    try:
        with os.scandir(f"/proc/{pid}/fd") as descriptors:
            return any(_points_to(entry, path) and _writable(pid, entry.name) for entry in descriptors)
    except OSError:
        return False


def anyone_holds_open(path: str) -> bool:
    """The same over all processes that may be looked into."""
    return any(holds_open(int(entry.name), path) for entry in Path("/proc").iterdir() if entry.name.isdigit())


def _points_to(entry: os.DirEntry[str], path: str) -> bool:
    try:
        return os.readlink(entry.path) == path  # noqa: PTH115 -- the raw text is meant, not a path made of it
    except OSError:
        return False


def _writable(pid: int, descriptor: str) -> bool:
    try:
        info = Path(f"/proc/{pid}/fdinfo/{descriptor}").read_text()
    except OSError:
        return False
    flags = next((line.split()[1] for line in info.splitlines() if line.startswith("flags:")), "0")
    return int(flags, 8) & os.O_ACCMODE != os.O_RDONLY
