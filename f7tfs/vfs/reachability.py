"""Whether the cluster can be reached, as far as the last calls told: so that not every caller waits to find out."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import trio

from f7tfs.cluster.errors import ClusterError, Interrupted, Unauthorized, Unavailable

logger = logging.getLogger(__name__)

# After a failure, nobody tries again for so long where there is something to go on with.
PAUSE_SECONDS = 5.0
# A listing that is known and too old is shown all the same, when no newer one has come for so long. The server itself
# gives its commands five seconds.
STALE_SECONDS = 15.0
# A try while the cluster is believed to be away takes no longer than this.
PROBE_SECONDS = 3.0


class Reachability:
    """Shared by all who call the cluster and have another way to go on: stale listings, the journal."""

    def __init__(self, deadline: float) -> None:
        """`deadline`: seconds for an operation."""
        self._patience = min(STALE_SECONDS, deadline / 2)
        self.pause_ends = float("-inf")
        """Monotonic time until which nobody tries."""
        self.since: float | None = None
        """Wall-clock time since when the cluster is away; None: it is not."""
        self.lost_at = float("inf")
        """Monotonic time since when it is away; infinity: it is not."""
        self.refused: str | None = None
        """What was said when the credentials were not accepted; None: they are."""
        self.on_return: Callable[[], None] = lambda: None

    @property
    def paused(self) -> bool:
        """A try a moment ago failed."""
        return trio.current_time() < self.pause_ends

    @property
    def patience(self) -> float:
        """Seconds that a call may take before what is known is used instead."""
        return self._patience if self.since is None else min(PROBE_SECONDS, self._patience)

    def lost(self, why: object) -> None:
        """A call found nobody there."""
        self.pause_ends = trio.current_time() + PAUSE_SECONDS
        if self.since is None:
            self.since, self.lost_at = time.time(), trio.current_time()
            # Who has waited long enough has no words for it.
            told = str(why) or "no answer in time"
            logger.warning("the cluster cannot be reached; what is known is served, what is written waits: %s", told)

    def failed(self, error: ClusterError) -> None:
        """A call failed: that may tell whether the cluster is there, and whether it lets this user in."""
        if isinstance(error, Unavailable) and not isinstance(error, Interrupted):
            self.lost(error)
        elif isinstance(error, Unauthorized):
            self._denied(error)

    def _denied(self, why: Unauthorized) -> None:
        if self.refused is None:
            logger.warning("the credentials are refused; what is written waits for other ones: %s", why)
        self._there()
        self.refused = str(why)

    def found(self) -> None:
        """A call was answered."""
        returned = self.since is not None or self.refused is not None
        self._there()
        if self.refused is not None:
            logger.warning("the credentials are accepted again")
            self.refused = None
        if returned:
            self.on_return()

    def _there(self) -> None:
        self.pause_ends = float("-inf")
        if self.since is not None:
            logger.warning("the cluster is back after %.0f s", time.time() - self.since)
            self.since, self.lost_at = None, float("inf")
