"""Who waits for the cluster goes on trying what may pass, and is told what was refused."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from f7tfs.cluster.errors import Busy, ClusterError, QuotaExceeded, TimedOut, Unauthorized, Unavailable, Uncertain
from f7tfs.vfs.perseverance import Perseverance
from f7tfs.vfs.reachability import Reachability

SECONDS = 45.0


class Attempts:
    """Fails with these errors, one after the other, and then succeeds; the last `for_ever` if that is said."""

    def __init__(self, *errors: ClusterError, for_ever: bool = False, away_before: float | None = None) -> None:
        self.errors = list(errors)
        self.for_ever = for_ever
        self.away_before = away_before
        self.made = 0
        self.told: list[ClusterError] = []
        self.took = 0.0

    async def attempt(self) -> None:
        self.made += 1
        if self.errors:
            error = self.errors[0] if self.for_ever else self.errors.pop(0)
            raise error

    async def _go_on(self) -> None:
        reachability = Reachability(20)
        if self.away_before is not None:
            reachability.lost("gone")
            await trio.sleep(self.away_before)
        began = trio.current_time()
        try:
            await Perseverance(reachability, SECONDS).until_done(self.attempt, self.told.append)
        finally:
            self.took = trio.current_time() - began

    def run(self) -> None:
        trio.run(self._go_on, clock=trio.testing.MockClock(autojump_threshold=0))


@pytest.mark.parametrize("error", [Uncertain("lost"), Unavailable("503"), TimedOut("late"), Busy("429")])
def test_what_may_pass_is_tried_until_it_succeeds(error: ClusterError) -> None:
    attempts = Attempts(error, error, error)
    attempts.run()
    assert attempts.made == 4
    assert attempts.told == [error] * 3
    assert attempts.took < 2


@pytest.mark.parametrize("error", [QuotaExceeded("full"), Unauthorized("who are you")])
def test_what_is_refused_is_told_at_once(error: ClusterError) -> None:
    attempts = Attempts(Uncertain("lost"), error)
    with pytest.raises(type(error)):
        attempts.run()
    assert attempts.made == 2
    assert attempts.took < 1


def test_what_does_not_pass_is_told_when_the_time_is_over() -> None:
    attempts = Attempts(Unavailable("gone"), for_ever=True)
    with pytest.raises(Unavailable):
        attempts.run()
    assert SECONDS - 4 <= attempts.took < SECONDS
    assert 10 < attempts.made < 25


def test_who_comes_when_the_cluster_is_long_away_is_told_after_one_attempt() -> None:
    attempts = Attempts(Unavailable("gone"), for_ever=True, away_before=SECONDS)
    with pytest.raises(Unavailable):
        attempts.run()
    assert attempts.made == 1
    assert attempts.took == 0


def test_who_comes_when_it_is_away_for_a_moment_waits_for_the_rest() -> None:
    attempts = Attempts(Unavailable("gone"), for_ever=True, away_before=SECONDS / 2)
    with pytest.raises(Unavailable):
        attempts.run()
    assert SECONDS / 2 - 4 <= attempts.took < SECONDS / 2
