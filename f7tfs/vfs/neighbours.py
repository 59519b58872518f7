"""The planner of bulk reads: when small files are read one after the other, which directory comes here whole. Pure.

A directory is fetched as one archive, all below it included, since the API packs nothing less. That pays where its
files are being read in their order (`cp -r`, `tar`, `grep -r`, `git`), or where as much of it was read already as
there is left. Like the lists of walks, the archives grow from the leaves: the next directory in order after one that
came whole lets the directory above both come. Who has gone through the directories above, and reads files in order
now (`cp -r`, `tar`, `grep -r`), is believed to want all of it, as far as one direct download brings it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from cachetools import LRUCache

from f7tfs.cluster.model import Limits
from f7tfs.cluster.scratch import NAME as SCRATCH_NAME
from f7tfs.vfs.nodes import Directory, File, Node

NodeType = TypeVar("NodeType", bound=Node)

PACE_SECONDS = 10.0
"""A program that reads files one after the other comes back sooner than that."""
IN_ORDER = 3
"""So many files in a row are a sequence."""
BYTECODE = "__pycache__"
"""Who imports a Python package reads most of what is in these, in an order of its own: any is as good."""
FEWEST = 4
"""An archive costs three calls: fewer files are fetched one by one."""
MOST_FILES = 5000
COMPRESSION = 2
"""A subtree may hold so many times the direct limit. What does not shrink that far is refused, and fetched singly."""
BARRED_SECONDS = 3600.0
REMEMBERED = 4096


@dataclass(slots=True)
class _Reads:
    """What was lately read of one directory's own files."""

    last: float
    name: str = ""
    files: int = 0
    in_order: int = 0
    size: int = 0
    whole: bool = False
    """All of it was fetched as one archive."""


@dataclass(slots=True)
class Missing:
    """What of a subtree is not here yet."""

    files: int = 0
    size: int = 0
    total: int = 0
    """Bytes of all files, here or not."""
    known: bool = True
    """Every directory in it has been listed."""


class Neighbours:
    """Times are monotonic seconds, given by the caller."""

    def __init__(self) -> None:
        self._reads: LRUCache[int, _Reads] = LRUCache(REMEMBERED)
        self._barred: dict[int, float] = {}

    def plan(
        self, file: File, limits: Limits, now: float, has_read: Callable[[Directory], bool] = lambda _: False
    ) -> Directory | None:
        """Which directory to fetch whole when `file` is wanted and not here; None: none.

        `has_read`: whether who wants it has just listed a directory.
        """
        directory = file.parent
        if directory is None:
            return None
        reads = self._note(directory, file, now)
        for wider in _gone_through(directory, has_read) if reads.in_order >= IN_ORDER else []:
            if self._pays(wider, limits, now, None) and missing_in(wider).total <= limits.direct_read:
                return wider
        for wider in self._after_whole_ones(directory, reads, now):
            if self._pays(wider, limits, now, None):
                return wider
        # The file that is wanted now is missing, too.
        in_order = reads.files if directory.name == BYTECODE else reads.in_order
        read = None if in_order >= IN_ORDER else reads.size + file.attributes.size
        return directory if self._pays(directory, limits, now, read) else None

    def _after_whole_ones(self, directory: Directory, reads: _Reads, now: float) -> list[Directory]:
        """Directories that hold `directory` and come after one that came whole, and what holds them; widest first."""
        found: list[Directory] = []
        node = directory
        while node.parent is not None:
            if any(self._came_whole(before, now) for before in _before(node)):
                found += [node, node.parent]
            if reads.in_order < IN_ORDER - 1:
                # One file alone, far from what came whole, is no sign.
                break
            node = node.parent
        return found[::-1]

    def _note(self, directory: Directory, file: File, now: float) -> _Reads:
        reads = self._recent(directory, now)
        reads.in_order = reads.in_order + 1 if _follows(directory, reads.name, file) else 1
        reads.files += 1
        reads.name = file.name
        reads.size += file.attributes.size
        above = directory.parent
        while above is not None:
            self._recent(above, now)
            above = above.parent
        return reads

    def _recent(self, directory: Directory, now: float) -> _Reads:
        reads = self._reads.get(directory.number)
        if reads is None or now - reads.last > PACE_SECONDS:
            reads = self._reads[directory.number] = _Reads(now)
        reads.last = now
        return reads

    def _came_whole(self, directory: Directory, now: float) -> bool:
        """A moment ago, be it as one archive or in parts."""
        reads = self._reads.get(directory.number)
        if reads is None or now - reads.last > PACE_SECONDS:
            return False
        return reads.whole or not missing_in(directory).files

    def _pays(self, directory: Directory, limits: Limits, now: float, read: int | None) -> bool:
        """`read`: bytes read of it out of order; None: its files are being read in order."""
        if self._barred.get(directory.number, now) > now:
            return False
        missing = missing_in(directory)
        if not missing.known or not FEWEST <= missing.files <= MOST_FILES:
            return False
        return missing.total <= COMPRESSION * limits.direct_read and (read is None or read >= missing.size)

    def came(self, directory: Directory, now: float) -> None:
        """A directory was fetched whole."""
        waiting = [directory]
        while waiting:
            found = waiting.pop()
            reads = self._reads.setdefault(found.number, _Reads(now))
            reads.last, reads.whole = now, True
            waiting += [child for child in found.children.values() if isinstance(child, Directory)]

    def refused(self, directory: Directory, now: float) -> None:
        """It could not be fetched whole."""
        self._barred = {number: until for number, until in self._barred.items() if until > now}
        self._barred[directory.number] = now + BARRED_SECONDS


def is_missing(file: File) -> bool:
    """Whether a file's bytes are to be fetched before they can be read."""
    if file.change is not None or file.moved is not None or not file.on_cluster or not file.attributes.size:
        return False
    return file.content is None or not file.content.complete


def missing_in(directory: Directory) -> Missing:
    """Counts a subtree; stops where something is not known."""
    missing = Missing()
    waiting = [directory]
    while waiting and missing.known:
        found = waiting.pop()
        # An archive of what holds the archive cannot be made.
        missing.known = found.listed > float("-inf") and SCRATCH_NAME not in found.children
        for child in found.children.values():
            if isinstance(child, Directory):
                waiting.append(child)
            elif isinstance(child, File):
                missing.total += child.attributes.size
                if is_missing(child):
                    missing.files += 1
                    missing.size += child.attributes.size
    return missing


def _gone_through(directory: Directory, has_read: Callable[[Directory], bool]) -> list[Directory]:
    """It and those above it, as far as each was read; the widest first."""
    found: list[Directory] = []
    node: Directory | None = directory
    while node is not None and has_read(node):
        found.append(node)
        node = node.parent
    return found[::-1]


def _orders(nodes: list[NodeType]) -> tuple[list[NodeType], list[NodeType]]:
    """As they are listed, and by inode numbers, as the programs of coreutils and tar sort what they read."""
    return nodes, sorted(nodes, key=lambda node: node.number)


def _follows(directory: Directory, name: str, file: File) -> bool:
    """Whether `file` is the first one after `name`, in one of the usual orders, that is not here yet."""
    files = [
        child
        for child in directory.children.values()
        if isinstance(child, File) and (child.name == name or is_missing(child))
    ]
    for order in _orders(files):
        position = next((index for index, child in enumerate(order) if child.name == name), None)
        if position is not None and order[position + 1 : position + 2] == [file]:
            return True
    return False


def _before(directory: Directory) -> list[Directory]:
    """The directories that come before it in one of the usual orders."""
    if directory.parent is None:
        return []
    siblings = [child for child in directory.parent.children.values() if isinstance(child, Directory)]
    places = [(order, order.index(directory)) for order in _orders(siblings) if directory in order]
    return [order[place - 1] for order, place in places if place]
