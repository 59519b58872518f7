"""Changes whose answers were lost: the server may still be making them, so nothing newer is sent to their places yet.

A command on the cluster is stopped after its time limit. Once that has passed since the loss, what was sent before
can overwrite, or remove, nothing any more.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import trio

from f7tfs.cluster.errors import Refused, Unavailable
from f7tfs.cluster.scratch import is_below

MARGIN = 2.0
"""Seconds between the end of a connection here, and the start of its command there, at the most."""


@dataclass(frozen=True, slots=True)
class _Lost:
    path: str
    what: Hashable
    until: float


class Doubts:
    """Of one user on one system. `seconds`: how long a command may take there."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds + MARGIN
        self._lost: list[_Lost] = []

    @asynccontextmanager
    async def changing(self, what: Hashable, *paths: str) -> AsyncIterator[None]:
        """Make one change in the block, once nothing else can happen at, above or below its places.

        `what`: equal for two changes that may overtake each other, since they do the same.
        """
        await self._quiet(what, paths)
        try:
            yield
        except BaseException as error:
            if _may_go_on(error):
                until = trio.current_time() + self._seconds
                self._lost += [_Lost(path, what, until) for path in paths]
            raise

    async def _quiet(self, what: Hashable, paths: tuple[str, ...]) -> None:
        while True:
            # Looked at again after a wait: another answer may have been lost meanwhile.
            if not (waits := self._waits(what, paths)):
                return
            await trio.sleep_until(max(waits))

    def _waits(self, what: Hashable, paths: tuple[str, ...]) -> list[float]:
        now = trio.current_time()
        self._lost = [lost for lost in self._lost if lost.until > now]
        return [lost.until for lost in self._lost if lost.what != what and _meet(lost.path, paths)]


def _may_go_on(error: BaseException) -> bool:
    """Whether the server may be at work though this is all that is known here."""
    if isinstance(error, Unavailable):
        return error.sent
    return not isinstance(error, Refused)


def _meet(path: str, others: tuple[str, ...]) -> bool:
    return any(is_below(path, other) or is_below(other, path) for other in others)
