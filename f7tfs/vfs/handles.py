"""Open files and directories."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from f7tfs.cluster.errors import NotFound, Unavailable
from f7tfs.vfs.nodes import Inode
from f7tfs.vfs.sequence import Sequence

HandleType = TypeVar("HandleType", bound="Handle")


@dataclass(eq=False, slots=True, kw_only=True)
class Handle:
    """`pid`: the process that opened it, 0 where not known."""

    inode: Inode
    flags: int = 0
    pid: int = 0
    sequence: Sequence = field(default_factory=Sequence)
    """How it is read, for large files."""
    failed: tuple[float, Unavailable] | None = None
    """When a read of it found nobody there (monotonic), and what it was told."""


@dataclass(eq=False, slots=True, kw_only=True)
class DirectoryHandle(Handle):
    """readdir's offsets are places in `entries`: the directory as it was when it was last read from its start."""

    entries: list[tuple[str, Inode]] = field(default_factory=list)


class HandleTable(Generic[HandleType]):
    """Handles by number."""

    def __init__(self) -> None:
        self._handles: dict[int, HandleType] = {}
        self._numbers = itertools.count(1)

    def add(self, handle: HandleType) -> int:
        number = next(self._numbers)
        self._handles[number] = handle
        return number

    def get(self, number: int) -> HandleType:
        """Raises NotFound for a handle that is not open."""
        try:
            return self._handles[number]
        except KeyError:
            raise NotFound(f"no open handle {number}") from None

    def pop(self, number: int) -> HandleType:
        handle = self.get(number)
        del self._handles[number]
        return handle
