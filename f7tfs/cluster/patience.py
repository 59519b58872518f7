"""How long something that takes its time is waited for, and how often it is looked at."""

from __future__ import annotations

from dataclasses import dataclass

import trio

from f7tfs.cluster.errors import TimedOut


@dataclass(frozen=True, slots=True)
class Patience:
    """Bounds in seconds. A staged transfer gets `queue` for the scheduler and its jobs, and time by its size."""

    rename: float = 120.0
    errand: float = 7 * 86400.0
    """For what the cluster does by itself: the scheduler's own limits end a job before."""
    queue: float = 1800.0
    least: float = 0.0
    """What an upload gets where `queue` is less: nobody waits for it, and it would be sent anew."""
    slowest: float = 1e6
    """Bytes per second that a transfer has at the least."""
    first: float = 0.2
    """The wait before the second look; each further one is half longer, up to `longest`."""
    longest: float = 3.0
    rarest: float = 15.0
    """The longest wait between two looks at an errand."""

    def transfer(self, size: int) -> float:
        """The bound of a staged transfer of `size` bytes."""
        return self.queue + size / self.slowest

    def upload(self, size: int) -> float:
        """The same of an upload, for what begins when its job has left the scheduler's queue."""
        return max(self.queue, self.least) + size / self.slowest


class Poll:
    """The waits between looks at one thing."""

    def __init__(self, patience: Patience, bound: float, what: str, longest: float | None = None) -> None:
        self._bound = bound
        self._rarest = max(patience.rarest, longest or patience.longest)
        self._deadline = trio.current_time() + bound
        self._next = patience.first
        self._longest = longest or patience.longest
        self._what = what
        self.looks = 0

    def begin_anew(self) -> None:
        """The bound counts from now, and looks are rare: nothing has begun yet."""
        self._deadline = trio.current_time() + self._bound
        self._longest = self._rarest

    async def wait(self) -> None:
        """Sleep until the next look. Raises TimedOut when the bound is over."""
        if trio.current_time() >= self._deadline:
            raise TimedOut(f"{self._what}: not done after {self._bound:.0f} s")
        self.looks += 1
        await trio.sleep(self._next)
        self._next = min(self._next * 1.5, self._longest)
