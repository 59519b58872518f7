"""Bursts: a program changes many things, one right after the other, and need not wait for the cluster each time.

In mode `auto` the first FEW changes of a program wait for the cluster. Once they came at a program's pace, the rest
goes into the journal, until the program pauses. What counts is its own time: from the answer to a change until the
next one. A program is a process group: a shell at a prompt makes one of each command, a script and all that it
starts are one. Who calls `fsync` wants to wait, and begins anew; where the cluster refused something that was
journaled, the changes beside it wait again, so that their callers are told.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Awaitable, Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import ParamSpec, TypeVar

import trio
from cachetools import LRUCache

from f7tfs.cluster.errors import ClusterError, NoSpace, QuotaExceeded, ReadOnly
from f7tfs.vfs.change import is_at_or_below

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

FEW = 6
"""So many changes wait for the cluster before the rest is believed to be a burst."""
PACE_SECONDS = 0.25
"""The program's own time for a change, on average."""
PAUSE_SECONDS = 1.0
"""A burst is over after this."""
REMEMBERED = 256
EVERYWHERE = (NoSpace, QuotaExceeded, ReadOnly)

_process: ContextVar[int] = ContextVar("f7tfs_process", default=0)
"""Who asks for the operation that this task does; 0: not known."""


@contextlib.contextmanager
def asked_by(process: int) -> Iterator[None]:
    """What is done in the block is done for this process (or thread); 0: not known."""
    token = _process.set(process)
    try:
        yield
    finally:
        _process.reset(token)


def asking() -> int:
    """The process (or thread) that this is done for; 0: not known."""
    return _process.get()


@dataclass(eq=False, slots=True)
class Pace:
    """How one program goes on. Pure: times are monotonic seconds, given by the caller."""

    last: float = float("-inf")
    """When it got its last answer."""
    changes: int = 0
    own: float = 0.0
    """Seconds that it took for itself between them."""
    under_way: int = 0
    burst: bool = False
    barred: list[str] = field(default_factory=list)
    """Directories in and below which its changes wait for the cluster."""

    def begin(self, now: float) -> None:
        """It asks for a change."""
        gap = 0.0 if self.under_way else now - self.last
        if gap > PAUSE_SECONDS:
            self.stop()
        else:
            self.own += gap
        self.changes += 1
        self.under_way += 1
        self.burst |= self.changes > FEW and self.own < PACE_SECONDS * self.changes

    def end(self, now: float) -> None:
        """It has its answer."""
        self.under_way -= 1
        self.last = now

    def stop(self) -> None:
        """What comes now is the first change."""
        self.changes, self.own, self.burst = 0, 0.0, False
        self.barred.clear()


class Paces:
    """Of all programs. `group_of`: the process group of a process or thread, 0 where there is none."""

    def __init__(
        self,
        *,
        enabled: bool,
        group_of: Callable[[int], int] | None = None,
        clock: Callable[[], float] = trio.current_time,
    ) -> None:
        self._enabled = enabled
        self._group_of = group_of or process_group
        self._clock = clock
        self._paces: LRUCache[int, Pace] = LRUCache(REMEMBERED)
        self._current: ContextVar[Pace | None] = ContextVar("f7tfs_pace", default=None)

    @contextlib.contextmanager
    def change(self) -> Iterator[None]:
        """A program's change is made in the block, whatever it takes."""
        pace = self._pace()
        if pace is None:
            yield
            return
        pace.begin(self._clock())
        token = self._current.set(pace)
        try:
            yield
        finally:
            self._current.reset(token)
            pace.end(self._clock())

    def each(self, operation: Callable[Parameters, Awaitable[Result]]) -> Callable[Parameters, Awaitable[Result]]:
        """The same operation, as one change."""

        @functools.wraps(operation)
        async def changing(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
            with self.change():
                return await operation(*args, **kwargs)

        return changing

    def _pace(self) -> Pace | None:
        """Of the program that asks; None where it is not known, or no matter."""
        process = asking()
        group = self._group_of(process) if self._enabled and process > 0 else 0
        return self._paces.setdefault(group, Pace()) if group > 0 else None

    def going_on(self, path: str) -> bool:
        """Whether the change that is being made, at `path`, may wait in the journal as one of many."""
        pace = self._current.get()
        return pace is not None and pace.burst and not any(is_at_or_below(path, barred) for barred in pace.barred)

    def refused(self, path: str, error: ClusterError) -> None:
        """The cluster refused for good what was journaled: who goes on beside it is to be told the same."""
        place = "/" if isinstance(error, EVERYWHERE) else path.rpartition("/")[0] or "/"
        for pace in self._paces.values():
            if pace.burst and place not in pace.barred:
                pace.barred.append(place)

    def synced(self) -> None:
        """Who asks now has waited for the cluster on purpose."""
        if (pace := self._pace()) is not None:
            pace.stop()


def process_group(process: int) -> int:
    """By /proc; 0 for a process that is gone, or cannot be seen."""
    try:
        # After the name, which is in parentheses and may hold anything: state, parent, group; see proc(5).
        return int(Path(f"/proc/{process}/stat").read_text(errors="replace").rpartition(")")[2].split()[2])
    except (OSError, IndexError, ValueError):
        return 0
