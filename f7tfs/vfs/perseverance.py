"""How long who waits for the cluster goes on trying what may pass: `fsync`, and in `sync` mode `close`."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable

import trio

from f7tfs.cluster.errors import ClusterError, Refused
from f7tfs.vfs.reachability import Reachability

FIRST_PAUSE = 0.25
LONGEST_PAUSE = 4.0


class Perseverance:
    """Of one caller. `seconds`: how long it goes on after the first failure, or since the cluster is away."""

    def __init__(self, reachability: Reachability, seconds: float) -> None:
        self._reachability = reachability
        self._seconds = seconds
        self._began = float("inf")
        self._pause = FIRST_PAUSE

    async def until_done(
        self, attempt: Callable[[], Awaitable[None]], failed: Callable[[ClusterError], None]
    ) -> None:
        """Make `attempt` until it succeeds. `failed` is told of each failure that may pass.

        Raises what was refused at once, and anything else when the time is over.
        """
        while True:
            try:
                return await attempt()
            except Refused:
                raise
            except ClusterError as error:
                failed(error)
                if not await self._again():
                    raise

    async def _again(self) -> bool:
        """Whether to try again; if so, this returns when it is time for that."""
        now = trio.current_time()
        self._began = min(self._began, now, self._reachability.lost_at)
        pause = self._pause * random.uniform(0.5, 1.0)  # noqa: S311 -- jitter
        if now + pause >= self._began + self._seconds:
            return False
        self._pause = min(self._pause * 2, LONGEST_PAUSE)
        await trio.sleep(pause)
        return True
