"""What goes on beside answering the kernel."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from f7tfs.vfs.deadlines import is_over, may_take_long, within
from f7tfs.vfs.going_on import go_on


def test_a_defect_is_logged_and_ends_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    done = []

    async def other() -> None:
        await trio.sleep(0.01)
        done.append("other")

    async def defective(what: str) -> None:
        raise KeyError(what)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            go_on(nursery, other)
            go_on(nursery, defective, "planted")

    trio.run(main)
    assert done == ["other"]
    assert "planted" in caplog.text
    assert "Traceback" in caplog.text


def test_what_is_cancelled_is_no_defect(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> bool:
        async with trio.open_nursery() as nursery:
            go_on(nursery, trio.sleep_forever)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        return nursery.cancel_scope.cancelled_caught

    assert trio.run(main)
    assert not caplog.text


def test_what_goes_on_has_not_the_deadline_of_the_operation_that_asked_for_it() -> None:
    told: list[tuple[str, bool]] = []

    async def work() -> None:
        may_take_long()
        await trio.sleep(10)
        told.append(("beside", is_over()))

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            with within(1, 1000) as deadline:
                go_on(nursery, work)
                await trio.sleep(2)
                told.append(("operation", True))
            told.append(("put off", deadline.put_off))

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    assert told == [("put off", False), ("beside", False)]
