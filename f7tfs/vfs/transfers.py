"""The staged transfers that are under way: what `f7tfs transfers` shows."""

from __future__ import annotations

import itertools
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

Direction = Literal["upload", "download", "copy", "move", "remove"]
"""The last three go on within the cluster."""

_WINDOW = 10.0
"""Seconds over which the rate is measured."""


@dataclass(eq=False, slots=True)
class Transfer:
    """One file on its way. Sizes in bytes, times in seconds since the epoch.

    Phases: `queued` (asked for), `staging` (between the cluster and object storage), `transferring` (between object
    storage and here), `finishing` (verified, and moved to its name), `working` (of what goes on within the cluster).
    """

    direction: Direction
    path: str
    size: int
    phase: str = "queued"
    done: int = 0
    started: float = field(default_factory=time.time)
    _marks: deque[tuple[float, int]] = field(default_factory=deque)

    def progress(self, phase: str, done: int) -> None:
        """So far it has come. Fits the cluster port's `Progress`."""
        now = time.monotonic()
        if phase != self.phase:
            self._marks.clear()
        self.phase, self.done = phase, done
        if not self._marks or now - self._marks[-1][0] > _WINDOW / 20:
            self._marks.append((now, done))
        while self._marks and self._marks[0][0] < now - _WINDOW:
            self._marks.popleft()

    @property
    def rate(self) -> float:
        """Bytes per second in this phase, of late; 0 where nothing moves."""
        if self.phase != "transferring" or not self._marks:
            return 0.0
        since, done = self._marks[0]
        elapsed = time.monotonic() - since
        return max(0.0, (self.done - done) / elapsed) if elapsed > 0 else 0.0

    def report(self) -> dict[str, object]:
        """JSON-able. `left`: seconds, null while it cannot be told."""
        rate = self.rate
        return {
            "direction": self.direction,
            "path": self.path,
            "size": self.size,
            "phase": self.phase,
            "done": self.done,
            "rate": rate,
            "left": (self.size - self.done) / rate if rate > 0 else None,
            "started": self.started,
        }


class Transfers:
    """All of one mount."""

    def __init__(self) -> None:
        self._numbers = itertools.count()
        self._active: dict[int, Transfer] = {}

    @contextmanager
    def running(self, transfer: Transfer) -> Iterator[Transfer]:
        """It is shown for the time of the block; the same one may be shown by several blocks, once."""
        number = next(self._numbers)
        self._active[number] = transfer
        try:
            yield transfer
        finally:
            del self._active[number]

    def report(self) -> list[dict[str, object]]:
        """The oldest first."""
        return [transfer.report() for transfer in dict.fromkeys(self._active.values())]
