"""The made-up directories above a system's file systems: the API lists nothing there."""

from __future__ import annotations

from collections.abc import Sequence

from f7tfs.cluster.model import Entry, FileSystem, Kind

LONG_AGO = "1970-01-01T00:00:00"


def made_up_entries(path: str, file_systems: Sequence[FileSystem]) -> list[Entry] | None:
    """The entries of `path` if it lies strictly above a file system, else None: then the cluster is to be asked."""
    base = path.rstrip("/") + "/"
    if any(_inside(path, file_system.path) for file_system in file_systems):
        return None
    names = {
        file_system.path[len(base) :].split("/")[0]
        for file_system in file_systems
        if file_system.path.rstrip("/").startswith(base)
    }
    if not names:
        return None
    return [
        Entry(name=name, kind=Kind.DIRECTORY, mode=0o755, user="root", group="root", size=4096, modified=LONG_AGO)
        for name in sorted(names)
    ]


def _inside(path: str, root: str) -> bool:
    return path == root.rstrip("/") or path.startswith(root.rstrip("/") + "/")
