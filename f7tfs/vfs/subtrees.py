"""Recursive listings, directory by directory. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from f7tfs.cluster.model import Entry


def by_directory(entries: Iterable[Entry]) -> dict[str, list[Entry]]:
    """The entries of each directory, under their own names; keys are relative paths, the empty one is the top."""
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        directory, _, name = entry.name.rpartition("/")
        found.setdefault(directory, []).append(replace(entry, name=name))
    return found
