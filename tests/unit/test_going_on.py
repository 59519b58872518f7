"""What goes on beside answering the kernel."""

from __future__ import annotations

import pytest
import trio
import trio.testing

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
