"""A machine that was suspended: trio's clock stood still, and what was seen before looks fresh."""

from __future__ import annotations

import logging
import time

import trio

logger = logging.getLogger(__name__)

SHORTEST = 1.0


def seconds_asleep() -> float:
    """For how long this machine was suspended since it was started."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) - time.clock_gettime(time.CLOCK_MONOTONIC)


class Sleep:
    """Asked whenever something that was seen before is to be believed; it costs a microsecond."""

    def __init__(self) -> None:
        self._before = seconds_asleep()
        self._woke = float("-inf")

    def woke(self) -> float:
        """When the machine was first seen awake again after its last sleep (monotonic); -inf: it did not sleep."""
        asleep = seconds_asleep()
        if asleep - self._before >= SHORTEST:
            logger.debug("the machine slept for %.0f s: what was seen before is not believed", asleep - self._before)
            self._before, self._woke = asleep, trio.current_time()
        return self._woke
