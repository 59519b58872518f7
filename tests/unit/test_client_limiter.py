"""Slots for concurrent calls, in two lanes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
import trio
import trio.testing

from f7tfs.firecrest.limiter import Lane, Limiter, background


def run(main: Callable[[], Awaitable[None]]) -> None:
    async def wrapped() -> None:
        await main()

    trio.run(wrapped, clock=trio.testing.MockClock(autojump_threshold=0))


def test_no_more_calls_than_slots_are_under_way() -> None:
    limiter = Limiter(3)
    most = 0

    async def call() -> None:
        nonlocal most
        async with limiter.slot():
            most = max(most, limiter.busy)
            await trio.sleep(1)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(call)
        assert trio.current_time() >= 7

    run(main)
    assert most == 3
    assert limiter.busy == 0


def test_the_foreground_goes_first_and_the_background_leaves_it_room() -> None:
    limiter = Limiter(3)
    order: list[str] = []

    async def call(name: str) -> None:
        async with limiter.slot():
            order.append(name)
            await trio.sleep(1)

    async def behind(name: str) -> None:
        with background():
            await call(name)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for number in range(3):
                nursery.start_soon(behind, f"b{number}")
            await trio.sleep(0.5)
            assert limiter.busy == 1  # of three slots the background takes one
            for number in range(3):
                nursery.start_soon(call, f"f{number}")
        assert sorted(order[1:4]) == ["f0", "f1", "f2"]
        assert {order[0], *order[4:]} == {"b0", "b1", "b2"}

    run(main)


def test_a_caller_that_gives_up_takes_no_slot_with_it() -> None:
    limiter = Limiter(1)

    async def impatient() -> None:
        with trio.move_on_after(1):
            async with limiter.slot():
                pytest.fail("there was no slot")

    async def main() -> None:
        async with limiter.slot(), trio.open_nursery() as nursery:
            nursery.start_soon(impatient)
        assert limiter.busy == 0
        async with limiter.slot():
            assert limiter.busy == 1

    run(main)


def test_a_slot_handed_to_one_that_is_cancelled_at_that_moment_is_not_lost() -> None:
    limiter = Limiter(1)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            scope = trio.CancelScope()

            async def waiter() -> None:
                with scope:
                    async with limiter.slot():
                        await trio.sleep_forever()

            async with limiter.slot():
                nursery.start_soon(waiter)
                await trio.testing.wait_all_tasks_blocked()
                scope.cancel()  # both happen before the waiter runs again
        assert limiter.busy == 0

    run(main)


def test_all_calls_wait_when_the_site_asks_for_it() -> None:
    limiter = Limiter(2)

    async def main() -> None:
        limiter.hold(5)
        async with limiter.slot():
            assert trio.current_time() >= 5

    run(main)


def test_there_must_be_a_slot() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Limiter(0)


def test_the_background_may_be_held_alone() -> None:
    limiter = Limiter(3)

    async def main() -> None:
        limiter.hold(5, [Lane.BACKGROUND])
        began = trio.current_time()
        async with limiter.slot():
            assert trio.current_time() == began
        with background():
            async with limiter.slot():
                assert trio.current_time() - began == pytest.approx(5)

    run(main)


def test_who_waits_already_is_put_off_when_the_site_asks_again() -> None:
    limiter = Limiter(3)

    async def main() -> None:
        began = trio.current_time()
        limiter.hold(5)

        async def again() -> None:
            await trio.sleep(4)
            limiter.hold(5)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(again)
            async with limiter.slot():
                assert trio.current_time() - began == pytest.approx(9)

    run(main)
