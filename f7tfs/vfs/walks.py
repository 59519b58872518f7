"""The planner of walks: when a program goes from directory to directory, which subtree is listed in one call. Pure.

A walk is noticed by its second directory below one parent: that one is listed with all below it. Its success lets the
next one there go one level up, so that the lists grow from the leaves: the cost of a mistake stays small, and the
whole tree is known after some five calls, whatever its size. Where a directory that holds no other was read, and just
before it its parent, as who walks does, that was such a success already. What the server refused is left alone for an
hour.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cachetools import LRUCache

from f7tfs.vfs.nodes import Directory

PACE_SECONDS = 3.0
"""A program goes on to its next directory sooner than that; people do not."""
BARRED_SECONDS = 3600.0
MOST_SECONDS = 2.0
"""A subtree whose listing took longer is not followed by a larger one: the server stops at some five seconds."""
MOST_ENTRIES = 100_000
"""As many are expected at most of one call."""
LOOKED_INTO = 3
"""Who only looks for names (`rsync` and `git` do) may do so in as many directories without going on."""
REMEMBERED = 4096


@dataclass(slots=True)
class _Below:
    """What was lately listed below one directory."""

    last: float
    """When somebody last listed anything below it."""
    children: int = 0
    """Children listed, alone or whole, for who read them."""
    looked_into: int = 0
    """The same, for who looked for a name in them."""
    largest: int = 0
    """Entries of the largest child that was listed whole; 0: none was."""
    leaf: int = 0
    """The same of children that hold no directories, and so were listed whole as they were listed alone."""
    slow: bool = False


class Walks:
    """Times are monotonic seconds, given by the caller."""

    def __init__(self) -> None:
        self._below: LRUCache[int, _Below] = LRUCache(REMEMBERED)
        self._read: LRUCache[int, float] = LRUCache(REMEMBERED)
        """When directories were read last, at whatever cost."""
        self._barred: dict[int, float] = {}

    def plan(self, directory: Directory, now: float, *, looking: bool = False) -> list[Directory]:
        """Which subtrees to list for somebody who lists `directory`, the widest first; none: list it alone.

        `looking`: only for a name in it.
        """
        parent = directory.parent
        below = self._recent(parent, now)
        if parent is None or below is None:
            return []
        if looking and (below.slow or below.children + below.looked_into < LOOKED_INTO):
            # Who only looks may not need any of it, and does not wait long twice.
            return []
        if not looking and not below.children:
            return []
        wanted = [directory]
        known = max(below.largest, below.leaf if self._was_read(parent, now) else 0)
        if known and not below.slow and known * _directories(parent) <= MOST_ENTRIES:
            wanted.insert(0, parent)
        return [subtree for subtree in wanted if self._barred.get(subtree.number, now) <= now]

    def _recent(self, parent: Directory | None, now: float) -> _Below | None:
        below = None if parent is None else self._below.get(parent.number)
        return below if below is not None and now - below.last < PACE_SECONDS else None

    def _was_read(self, directory: Directory, now: float) -> bool:
        return now - self._read.get(directory.number, float("-inf")) < PACE_SECONDS

    def visited(self, directory: Directory, now: float, *, looking: bool = False) -> None:
        """Somebody has listed `directory`, at whatever cost: a walk below its ancestors goes on."""
        if not looking:
            self._read[directory.number] = now
        for ancestor in _ancestors(directory):
            below = self._recent(ancestor, now)
            if below is not None:
                below.last = now

    def listed(
        self, directory: Directory, now: float, *, entries: int = 0, seconds: float = 0.0, looking: bool = False
    ) -> None:
        """A call has listed `directory`, alone, or whole with so many entries in so many seconds."""
        parent = directory.parent
        if parent is None:
            return
        below = self._recent(parent, now)
        if below is None:
            below = self._below[parent.number] = _Below(now)
        below.last = now
        if looking:
            below.looked_into += 1
        else:
            below.children += 1
        below.largest = max(below.largest, entries)
        if not entries and not _directories(directory):
            below.leaf = max(below.leaf, len(directory.children) + 1)
        below.slow |= seconds > MOST_SECONDS

    def slow(self, subtree: Directory, now: float) -> None:
        """It took long, whatever came of it: nothing wider follows."""
        if (below := self._recent(subtree.parent, now)) is not None:
            below.slow = True

    def refused(self, subtree: Directory, now: float) -> None:
        """The server did not list it whole."""
        self._barred = {number: until for number, until in self._barred.items() if until > now}
        self._barred[subtree.number] = now + BARRED_SECONDS


def _directories(parent: Directory) -> int:
    return sum(isinstance(child, Directory) for child in parent.children.values())


def _ancestors(directory: Directory) -> Iterator[Directory]:
    parent = directory.parent
    while parent is not None:
        yield parent
        parent = parent.parent
