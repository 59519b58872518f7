"""How often one asks whether something is done, and how long."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import trio

from f7tfs.firecrest.errors import WaitTimedOut

TASK_WAITS = (0.1, 0.9, 1.0, 1.0, 2.0, 2.0, 4.0, 5.0)
"""Seconds before each look at a task of v1: one that runs a command takes about a second on a real site."""
JOB_WAITS = (0.25, 0.5, 0.5, 1.0, 1.0, 2.0, 2.0, 4.0, 5.0)
"""Seconds before each look at a job: it costs the site a call of its scheduler."""


def endless(waits: Sequence[float]) -> Iterator[float]:
    """The waits one after the other, the last one again and again."""
    return itertools.chain(waits, itertools.repeat(waits[-1]))


@contextmanager
def within(seconds: float | None, what: str) -> Iterator[None]:
    """Bounds a wait. Raises WaitTimedOut; None is without bound."""
    if seconds is None:
        yield
        return
    with trio.move_on_after(seconds) as scope:
        yield
    if scope.cancelled_caught:
        raise WaitTimedOut(message=f"{what}: not done within {seconds:g} s")
