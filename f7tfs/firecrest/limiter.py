"""How many calls may be under way at once, and who goes first.

A site runs all calls of one user over one SSH connection, often with room for ten channels; more are refused. What a
user waits for (foreground) goes before what runs behind him (background), and background calls never take all slots.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar

import trio


class Lane(enum.Enum):
    """Which queue a call stands in."""

    FOREGROUND = "foreground"
    BACKGROUND = "background"


ALL_LANES = (Lane.FOREGROUND, Lane.BACKGROUND)
_lane: ContextVar[Lane] = ContextVar("f7tfs_lane", default=Lane.FOREGROUND)


@contextmanager
def background() -> Iterator[None]:
    """Calls of this task, and of tasks that it starts in here, go after the foreground's."""
    token = _lane.set(Lane.BACKGROUND)
    try:
        yield
    finally:
        _lane.reset(token)


class Limiter:
    """Slots for concurrent calls, in two lanes, with a pause that all of them share.

    State changes only between awaits: no lock is needed.
    """

    def __init__(self, capacity: int = 8) -> None:
        if capacity < 1:
            raise ValueError("at least one call must be possible at a time")
        self.capacity = capacity
        self._background_capacity = max(1, capacity - 2)
        self._busy = {Lane.FOREGROUND: 0, Lane.BACKGROUND: 0}
        self._waiting: dict[Lane, deque[trio.Event]] = {Lane.FOREGROUND: deque(), Lane.BACKGROUND: deque()}
        self._not_before = {Lane.FOREGROUND: 0.0, Lane.BACKGROUND: 0.0}

    @property
    def busy(self) -> int:
        """Calls under way."""
        return sum(self._busy.values())

    def hold(self, seconds: float, lanes: Iterable[Lane] = ALL_LANES) -> None:
        """Let no call of these lanes begin for so long: the site asked for it."""
        for lane in lanes:
            self._not_before[lane] = max(self._not_before[lane], trio.current_time() + seconds)

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Wait for a turn, then hold a slot."""
        lane = _lane.get()
        await self._acquire(lane)
        try:
            # It may be put off again meanwhile, by the answer to a call that is under way.
            while self._not_before[lane] > trio.current_time():  # noqa: ASYNC110 - it waits for a time
                await trio.sleep_until(self._not_before[lane])
            yield
        finally:
            self._busy[lane] -= 1
            self._wake()

    async def _acquire(self, lane: Lane) -> None:
        if self._has_room(lane) and not self._waiting[lane]:
            self._busy[lane] += 1
            return
        turn = trio.Event()
        self._waiting[lane].append(turn)
        try:
            await turn.wait()
        except trio.Cancelled:
            self._give_up(lane, turn)
            raise

    def _give_up(self, lane: Lane, turn: trio.Event) -> None:
        if turn.is_set():  # the slot was handed over just before the cancellation
            self._busy[lane] -= 1
            self._wake()
        else:
            self._waiting[lane].remove(turn)

    def _has_room(self, lane: Lane) -> bool:
        if self.busy >= self.capacity:
            return False
        return lane is Lane.FOREGROUND or self._busy[lane] < self._background_capacity

    def _wake(self) -> None:
        for lane in ALL_LANES:
            while self._waiting[lane] and self._has_room(lane):
                self._busy[lane] += 1
                self._waiting[lane].popleft().set()
