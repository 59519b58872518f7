"""What stands around every handler: no defect ends the mount, nothing waits for ever, every error has its errno."""

from __future__ import annotations

import errno
import logging
from collections.abc import Awaitable, Callable

import pyfuse3
import pytest
import trio
import trio.testing

from f7tfs.cluster.errors import NotFound
from f7tfs.fuse.guard import (
    guarded,
    guarded_forgetting,
    guarded_reading,
    guarded_release,
    guarded_staging,
    guarded_steps,
)
from f7tfs.fuse.watchdog import PATIENCE, Watchdog
from f7tfs.vfs.deadlines import may_take_long


class Operations:
    """One handler of each sort, which does what it is told."""

    deadline, staging_deadline = 60.0, 1800.0

    def __init__(self, work: Callable[[], Awaitable[int]]) -> None:
        self.work = work
        self.watchdog = Watchdog()

    def opener(self, fh: int) -> int:
        return 0

    def patience(self, fh: int) -> float:
        return self.deadline

    @guarded
    async def lookup(self, fh: int) -> int:
        return await self.work()

    @guarded_reading
    async def read(self, fh: int) -> int:
        return await self.work()

    @guarded_staging
    async def fsync(self, fh: int) -> int:
        return await self.work()

    @guarded_steps
    async def rename(self, fh: int) -> int:
        return await self.work()

    @guarded_release
    async def release(self, fh: int) -> int:
        return await self.work()

    @guarded_forgetting
    async def forget(self, fh: int) -> None:
        await self.work()


def answer(work: Callable[[], Awaitable[int]], name: str = "lookup") -> int | None:
    """What a handler returns, or the negative errno; with it the clock of the test stands at the time it took."""

    async def main() -> int | None:
        try:
            result: int | None = await getattr(Operations(work), name)(1)
        except pyfuse3.FUSEError as error:
            return -int(error.errno_)
        return result

    return trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def raising(error: Exception) -> Callable[[], Awaitable[int]]:
    async def work() -> int:
        await trio.lowlevel.checkpoint()
        raise error

    return work


def sleeping(seconds: float) -> Callable[[], Awaitable[int]]:
    async def work() -> int:
        await trio.sleep(seconds)
        return 7

    return work


def test_an_answer_goes_through() -> None:
    assert answer(sleeping(59)) == 7


def test_an_error_of_the_cluster_is_an_errno() -> None:
    assert answer(raising(NotFound("x"))) == -errno.ENOENT
    assert answer(raising(OSError(errno.ENOSPC, "full"))) == -errno.ENOSPC
    assert answer(raising(pyfuse3.FUSEError(errno.EXDEV))) == -errno.EXDEV


def test_a_defect_is_an_input_output_error_and_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        assert answer(raising(KeyError("defect"))) == -errno.EIO
    assert "KeyError" in caplog.text


def test_an_error_where_the_kernel_wants_no_answer_is_only_logged(caplog: pytest.LogCaptureFixture) -> None:
    assert answer(raising(KeyError("defect")), "forget") is None
    assert "KeyError" in caplog.text


def waiting_for_a_transfer(seconds: float) -> Callable[[], Awaitable[int]]:
    async def work() -> int:
        await trio.sleep(10)
        may_take_long()
        await trio.sleep(seconds - 10)
        return 7

    return work


@pytest.mark.parametrize(
    ("name", "seconds"), [("lookup", 60), ("read", 60), ("fsync", 60), ("rename", 1800), ("release", 1800)]
)
def test_what_takes_longer_than_its_deadline_is_timed_out(name: str, seconds: float) -> None:
    assert answer(sleeping(seconds - 1), name) == 7
    assert answer(sleeping(seconds + 1), name) == -errno.ETIMEDOUT
    assert answer(raising(trio.TooSlowError()), name) == -errno.ETIMEDOUT


@pytest.mark.parametrize(("name", "seconds"), [("lookup", 60), ("read", 1800), ("fsync", 1800), ("rename", 1800)])
def test_what_waits_for_a_transfer_has_more_time(name: str, seconds: float) -> None:
    assert answer(waiting_for_a_transfer(seconds - 1), name) == 7
    assert answer(waiting_for_a_transfer(seconds + 1), name) == -errno.ETIMEDOUT


@pytest.mark.parametrize("name", ["rename", "release"])
def test_what_takes_long_without_a_transfer_is_in_the_log(name: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        assert answer(sleeping(59), name) == 7
        assert answer(waiting_for_a_transfer(600), name) == 7
        assert not caplog.text
        assert answer(sleeping(61), name) == 7
    assert f"{name} took 61 s, and waited for no transfer and no job" in caplog.text


def test_whose_caller_is_dying_is_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("f7tfs.fuse.watchdog.is_dying", lambda pid: pid == 42)

    async def main() -> tuple[int, float]:
        operations = Operations(sleeping(50))
        monkeypatch.setattr(operations, "opener", lambda _fh: 42)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(operations.watchdog.run)
            began = trio.current_time()
            with pytest.raises(pyfuse3.FUSEError) as interrupted:
                await operations.lookup(1)
            nursery.cancel_scope.cancel()
        return int(interrupted.value.errno_), trio.current_time() - began

    number, seconds = trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    assert number == errno.EINTR
    assert seconds <= 2 * PATIENCE
