"""What waits for a change whose answer was lost, and what does not."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio
import trio.testing

from f7tfs.cluster.doubts import MARGIN, Doubts
from f7tfs.cluster.errors import ClusterError, PermissionDenied, TimedOut, Unavailable, Uncertain

SECONDS = 5.0


def never_left() -> Unavailable:
    error = Unavailable("no route to host")
    error.sent = False
    return error


async def lose(doubts: Doubts, what: object, *paths: str, error: Exception) -> None:
    with pytest.raises(type(error)):
        async with doubts.changing(what, *paths):
            raise error


async def waited(doubts: Doubts, what: object, *paths: str) -> float:
    began = trio.current_time()
    async with doubts.changing(what, *paths):
        return trio.current_time() - began


def on_a_clock(use: Callable[[], Awaitable[None]]) -> None:
    trio.run(use, clock=trio.testing.MockClock(autojump_threshold=0))


@pytest.mark.parametrize("error", [TimedOut("no answer"), Uncertain("cut off"), Unavailable("502")])
@pytest.mark.parametrize("path", ["/a/b", "/a", "/a/b/c"])
def test_what_meets_a_lost_change_waits_for_the_servers_own_limit(error: ClusterError, path: str) -> None:
    async def use() -> None:
        doubts = Doubts(SECONDS)
        await lose(doubts, "old", "/a/b", error=error)
        assert await waited(doubts, "new", path) == pytest.approx(SECONDS + MARGIN)
        assert await waited(doubts, "newer", path) == 0

    on_a_clock(use)


def test_a_change_that_was_cancelled_may_go_on_at_the_server() -> None:
    async def use() -> None:
        doubts = Doubts(SECONDS)
        with trio.move_on_after(1):
            async with doubts.changing("old", "/a"):
                await trio.sleep_forever()
        assert await waited(doubts, "new", "/a") == pytest.approx(SECONDS + MARGIN)

    on_a_clock(use)


@pytest.mark.parametrize("error", [PermissionDenied("no"), never_left()])
def test_what_was_refused_or_never_left_keeps_nobody_waiting(error: ClusterError) -> None:
    async def use() -> None:
        doubts = Doubts(SECONDS)
        await lose(doubts, "old", "/a", error=error)
        assert await waited(doubts, "new", "/a") == 0

    on_a_clock(use)


@pytest.mark.parametrize(("what", "path"), [("old", "/a"), ("new", "/b"), ("new", "/ab")])
def test_the_same_once_more_and_what_is_elsewhere_do_not_wait(what: str, path: str) -> None:
    async def use() -> None:
        doubts = Doubts(SECONDS)
        await lose(doubts, "old", "/a", error=TimedOut("no answer"))
        assert await waited(doubts, what, path) == 0

    on_a_clock(use)


def test_what_is_lost_during_the_wait_is_waited_for_too() -> None:
    async def use() -> None:
        doubts = Doubts(SECONDS)
        await lose(doubts, "old", "/a", error=TimedOut("no answer"))

        async def lost_meanwhile() -> None:
            await trio.sleep(3)
            # The same again need not wait for itself.
            await lose(doubts, "old", "/a", error=TimedOut("no answer"))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(lost_meanwhile)
            assert await waited(doubts, "new", "/a") == pytest.approx(3 + SECONDS + MARGIN)

    on_a_clock(use)
