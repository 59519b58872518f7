"""How long the operation that a task does may take: its deadline, or more once it waits for a transfer or a job."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass

import trio


@dataclass(eq=False, slots=True)
class Deadline:
    """Of one operation, which `scope` ends. `longest`: the time of the clock up to which it may be put off."""

    scope: trio.CancelScope
    longest: float
    put_off: bool = False

    @property
    def over(self) -> bool:
        return trio.current_time() >= self.scope.deadline


_deadline: ContextVar[Deadline | None] = ContextVar("f7tfs_deadline", default=None)


@contextlib.contextmanager
def within(seconds: float, longest: float) -> Iterator[Deadline]:
    """The block is cancelled after `seconds`; after `longest`, if it waits for a transfer or a job."""
    now = trio.current_time()
    with trio.CancelScope(deadline=now + seconds) as scope:
        deadline = Deadline(scope, now + longest)
        token = _deadline.set(deadline)
        try:
            yield deadline
        finally:
            _deadline.reset(token)


@contextlib.contextmanager
def apart() -> Iterator[None]:
    """A task that is started in the block is no part of the operation: it goes on when that has ended."""
    token = _deadline.set(None)
    try:
        yield
    finally:
        _deadline.reset(token)


def may_take_long() -> None:
    """What this is done for waits for a staged transfer or a job from now on."""
    deadline = _deadline.get()
    if deadline is not None:
        deadline.put_off = True
        deadline.scope.deadline = max(deadline.scope.deadline, deadline.longest)


def is_over() -> bool:
    """Whether the deadline of what this is done for is over: then it is being cancelled."""
    deadline = _deadline.get()
    return deadline is not None and deadline.over
