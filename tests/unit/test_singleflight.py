"""One request for all who ask at once."""

from __future__ import annotations

import pytest
import trio
import trio.lowlevel
import trio.testing

from f7tfs.vfs.singleflight import SingleFlight


def test_those_who_ask_meanwhile_share_the_answer() -> None:
    asked = []

    async def ask() -> int:
        asked.append(1)
        await trio.sleep(0.05)
        return 42

    async def main() -> None:
        flights: SingleFlight[str, int] = SingleFlight()
        answers = []

        async def one() -> None:
            answers.append(await flights.run("key", ask))

        async with trio.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(one)
        assert answers == [42] * 10
        assert await flights.run("key", ask) == 42

    trio.run(main)
    assert len(asked) == 2


def test_a_failure_is_shared_too() -> None:
    async def main() -> None:
        flights: SingleFlight[str, int] = SingleFlight()

        async def fail() -> int:
            await trio.sleep(0.01)
            raise ValueError("no")

        async def one() -> None:
            with pytest.raises(ValueError, match="no"):
                await flights.run("key", fail)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(one)
            nursery.start_soon(one)

    trio.run(main)


def test_when_the_first_asker_is_cancelled_the_next_one_asks() -> None:
    asked = []

    async def ask() -> int:
        asked.append(1)
        await trio.sleep(0.05)
        return 42

    async def main() -> None:
        flights: SingleFlight[str, int] = SingleFlight()
        answers = []

        async def impatient() -> None:
            with trio.move_on_after(0.01):
                await flights.run("key", ask)

        async def patient() -> None:
            await trio.lowlevel.checkpoint()
            answers.append(await flights.run("key", ask))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(impatient)
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(patient)
        assert answers == [42]

    trio.run(main)
    assert len(asked) == 2
