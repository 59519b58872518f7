"""Which processes hold a descriptor: a `close` of one of several copies is not the end of writing."""

from __future__ import annotations

import os
from collections.abc import Callable
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


def puts_into(pid: int, directory: str, is_scratch: Callable[[str], bool]) -> bool:
    """Whether a process is about to put something into a directory.

    It has the directory itself open with O_PATH, as `cp` and its like have that of their target (coreutils since
    9.1), or a scratch file in it (by its name), as an editor has.
    """
    if pid <= 0:
        return False
    try:
        with os.scandir(f"/proc/{pid}/fd") as descriptors:
            return any(_puts_into(pid, entry, directory, is_scratch) for entry in descriptors)
    except OSError:
        return False


def _puts_into(pid: int, entry: os.DirEntry[str], directory: str, is_scratch: Callable[[str], bool]) -> bool:
    target = _target(entry)
    if target == directory:
        return bool(_flags(pid, entry.name) & os.O_PATH)
    parent, _, name = target.rpartition("/")
    return parent == directory and is_scratch(name)


def _points_to(entry: os.DirEntry[str], path: str) -> bool:
    return _target(entry) == path


def _target(entry: os.DirEntry[str]) -> str:
    try:
        return os.readlink(entry.path)  # noqa: PTH115 -- the raw text is meant, not a path made of it
    except OSError:
        return ""


def _writable(pid: int, descriptor: str) -> bool:
    return _flags(pid, descriptor) & os.O_ACCMODE != os.O_RDONLY


def _flags(pid: int, descriptor: str) -> int:
    try:
        info = Path(f"/proc/{pid}/fdinfo/{descriptor}").read_text()
    except OSError:
        return 0
    return int(next((line.split()[1] for line in info.splitlines() if line.startswith("flags:")), "0"), 8)
