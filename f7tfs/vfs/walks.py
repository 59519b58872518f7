"""The planner of walks: when a program goes from directory to directory, which subtree is listed in one call. Pure.

A walk is noticed by its first step down: a program reads a directory and goes on at once with the first one in it,
sooner than people do. Else it is noticed by its second directory below one parent. That one is listed with all below
it. Its success lets the next one there go one level up, so that the lists grow from the leaves: the cost of a mistake
stays small, and the whole tree is known after three to five calls, whatever its size. Where a directory that holds no
other was read, and just before it its parent, as who walks does, that was such a success already. What the server
refused is left alone for an hour.

Who looks for the bytecode of a Python package imports it: the package is listed with all below it, in place of that
one directory. So is a directory that git looks into right after its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from cachetools import LRUCache

from f7tfs.cluster.scratch import NAME as SCRATCH_NAME
from f7tfs.vfs.neighbours import BYTECODE
from f7tfs.vfs.nodes import Directory

PACE_SECONDS = 3.0
"""A program goes on to its next directory sooner than that; people do not."""
STRIDE_SECONDS = 0.5
"""A program that has read a directory opens the first one in it sooner than that; people do not."""
BARRED_SECONDS = 3600.0
MOST_SECONDS = 2.0
"""A subtree whose listing took longer is not followed by a larger one: the server stops at some five seconds."""
MOST_ENTRIES = 100_000
"""As many are expected at most of one call."""
LOOKED_INTO = 3
"""Who only looks for names (`rsync` and `git` do) may do so in as many directories without going on."""
REMEMBERED = 4096
_NEVER = (float("-inf"), 0)


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


@dataclass(frozen=True, slots=True)
class Plan:
    """What to list for somebody who lists a directory."""

    subtrees: list[Directory] = field(default_factory=list)
    """With all below them, the widest first; none: list it alone."""
    guessed: bool = False
    """Nothing beside it was listed whole, or it may not be needed: nobody waits long for it."""


class Walks:
    """Times are monotonic seconds, and processes numbers (0: not known), given by the caller."""

    def __init__(self) -> None:
        self._below: LRUCache[int, _Below] = LRUCache(REMEMBERED)
        self._read: LRUCache[int, tuple[float, int]] = LRUCache(REMEMBERED)
        """When directories were read last, at whatever cost, and by whom."""
        self._barred: dict[int, float] = {}

    def plan(self, directory: Directory, now: float, *, looking: bool = False, process: int = 0) -> Plan:
        """For `process`, which lists `directory`; `looking`: only for a name in it."""
        parent = directory.parent
        if parent is None:
            return Plan()
        if looking and _is_imported(directory, parent) and not self._is_hopeless(parent, now):
            return Plan([parent], guessed=True)
        below = self._recent(parent, now)
        if below is None or below.children + (below.looked_into if looking else 0) < (LOOKED_INTO if looking else 1):
            guessed = (
                self._is_git(directory, parent, now) if looking else self._strides(directory, parent, now, process)
            )
            return Plan([directory], guessed=True) if guessed and not self._is_hopeless(directory, now) else Plan()
        if looking and below.slow:
            # Who only looks may not need any of it, and does not wait long twice.
            return Plan()
        wanted = [directory]
        known = max(below.largest, below.leaf if looking or self._was_read(parent, now) else 0)
        if known and not below.slow and known * _directories(parent) <= MOST_ENTRIES:
            wanted.insert(0, parent)
        return Plan([subtree for subtree in wanted if not self._is_barred(subtree, now)], guessed=looking)

    def _strides(self, directory: Directory, parent: Directory, now: float, process: int) -> bool:
        """Whether a program steps down: it has just read what holds `directory`, and goes on with the first there."""
        return now - self.read_by(parent, process) < STRIDE_SECONDS and _is_first(directory, parent)

    def _is_git(self, directory: Directory, parent: Directory, now: float) -> bool:
        """Whether git looks into its work tree: it has just looked around in what it keeps beside it."""
        kept = parent.children.get(".git")
        return isinstance(kept, Directory) and kept is not directory and self._recent(kept, now) is not None

    def _is_hopeless(self, directory: Directory, now: float) -> bool:
        """Whether it, or what holds it, could not be listed whole, or took long: lists grow from the leaves then."""
        above = (directory, *_ancestors(directory))
        return any(self._is_barred(each, now) or self._was_slow(each, now) for each in above)

    def _is_barred(self, subtree: Directory, now: float) -> bool:
        return self._barred.get(subtree.number, now) > now

    def _was_slow(self, directory: Directory, now: float) -> bool:
        below = self._recent(directory, now)
        return below is not None and below.slow

    def _recent(self, parent: Directory | None, now: float) -> _Below | None:
        below = None if parent is None else self._below.get(parent.number)
        return below if below is not None and now - below.last < PACE_SECONDS else None

    def _noted(self, parent: Directory, now: float) -> _Below:
        below = self._recent(parent, now)
        if below is None:
            below = self._below[parent.number] = _Below(now)
        below.last = now
        return below

    def _was_read(self, directory: Directory, now: float) -> bool:
        return now - self._read.get(directory.number, _NEVER)[0] < PACE_SECONDS

    def read_by(self, directory: Directory, process: int) -> float:
        """When `process` was the last to list `directory`; minus infinity where it was not."""
        when, by = self._read.get(directory.number, _NEVER)
        return when if process and by == process else float("-inf")

    def visited(self, directory: Directory, now: float, *, looking: bool = False, process: int = 0) -> None:
        """`process` has listed `directory`, at whatever cost: a walk below its ancestors goes on."""
        if not looking:
            self._read[directory.number] = (now, process)
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
        below = self._noted(parent, now)
        if looking:
            # It was noticed there: what comes after it need not be looked into as often again.
            below.looked_into += LOOKED_INTO if entries else 1
        else:
            below.children += 1
        below.largest = max(below.largest, entries)
        if not entries and not _directories(directory):
            below.leaf = max(below.leaf, len(directory.children) + 1)
        below.slow |= seconds > MOST_SECONDS

    def slow(self, subtree: Directory, now: float) -> None:
        """It took long, whatever came of it: nothing wider follows."""
        if subtree.parent is not None:
            self._noted(subtree.parent, now).slow = True

    def refused(self, subtree: Directory, now: float) -> None:
        """The server did not list it whole."""
        self._barred = {number: until for number, until in self._barred.items() if until > now}
        self._barred[subtree.number] = now + BARRED_SECONDS


def _directories(parent: Directory) -> int:
    return sum(isinstance(child, Directory) for child in parent.children.values())


def _is_imported(directory: Directory, parent: Directory) -> bool:
    """Whether who looks into `directory` imports a Python package, of which it will look into more directories."""
    return directory.name == BYTECODE and "__init__.py" in parent.children


def _is_first(directory: Directory, parent: Directory) -> bool:
    """In one of the orders in which programs go: as they are listed, by names, and by inode numbers."""
    siblings = [
        child for child in parent.children.values() if isinstance(child, Directory) and child.name != SCRATCH_NAME
    ]
    by_name = min(siblings, key=lambda each: each.name, default=None)
    by_number = min(siblings, key=lambda each: each.number, default=None)
    return directory in (*siblings[:1], by_name, by_number)


def _ancestors(directory: Directory) -> Iterator[Directory]:
    parent = directory.parent
    while parent is not None:
        yield parent
        parent = parent.parent
