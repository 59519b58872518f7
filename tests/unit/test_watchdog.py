"""Which processes the watchdog takes for dying, and which requests it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
import trio
import trio.testing

from f7tfs.fuse.watchdog import LONGEST, PATIENCE, Watchdog, has_fatal_signal, is_dying


def status(**masks: int) -> str:
    names = ("SigPnd", "ShdPnd", "SigBlk", "SigIgn", "SigCgt")
    return "Name:\tx\n" + "".join(f"{name}:\t{masks.get(name, 0):016x}\n" for name in names)


def bit(number: signal.Signals) -> int:
    return 1 << (number - 1)


@pytest.mark.parametrize("name", ["SigPnd", "ShdPnd"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGALRM])
def test_a_pending_signal_that_nobody_handles_is_fatal(name: str, number: signal.Signals) -> None:
    assert has_fatal_signal(status(**{name: bit(number)}))


@pytest.mark.parametrize("mask", ["SigBlk", "SigIgn", "SigCgt"])
def test_one_that_is_caught_ignored_or_blocked_is_not(mask: str) -> None:
    assert not has_fatal_signal(status(ShdPnd=bit(signal.SIGALRM), **{mask: bit(signal.SIGALRM)}))


@pytest.mark.parametrize("number", [signal.SIGTSTP, signal.SIGSTOP, signal.SIGCHLD, signal.SIGWINCH, signal.SIGCONT])
def test_one_that_ends_nothing_is_not(number: signal.Signals) -> None:
    assert not has_fatal_signal(status(ShdPnd=bit(number)))


def test_kill_cannot_be_handled() -> None:
    assert has_fatal_signal(status(SigPnd=bit(signal.SIGKILL), SigBlk=bit(signal.SIGKILL)))


def test_a_living_process_is_not_dying_nor_is_one_that_there_is_not() -> None:
    assert not is_dying(os.getpid())
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
        assert not is_dying(ended.pid)


async def cancelled(*, kept: bool, gone: bool, since: float) -> bool:
    """Whether a request that waits since `since` is cancelled by a look."""
    watchdog = Watchdog()
    reading, writing = os.pipe()
    try:
        watchdog.connection = writing
        if gone:
            os.close(reading)
        scope = trio.CancelScope()
        with watchdog.watching(scope, 0, kept=kept) as request:
            request.since = since
            watchdog.look(trio.current_time())
            return scope.cancel_called
    finally:
        os.close(writing)
        if not gone:
            os.close(reading)


def test_what_waits_when_the_connection_is_gone_is_ended_but_for_releases() -> None:
    assert trio.run(lambda: cancelled(kept=False, gone=True, since=-PATIENCE))
    assert not trio.run(lambda: cancelled(kept=True, gone=True, since=-PATIENCE))
    assert not trio.run(lambda: cancelled(kept=False, gone=False, since=-PATIENCE))


def test_the_loop_sleeps_while_nothing_waits_and_wakes_for_a_request(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[float] = []

    async def main() -> None:
        watchdog = Watchdog()
        monkeypatch.setattr(watchdog, "look", looks.append)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watchdog.run)
            await trio.sleep(10 * PATIENCE)
            assert looks == []
            with trio.CancelScope() as scope, watchdog.watching(scope, 0):
                await trio.sleep(2.5 * PATIENCE)
            assert len(looks) == 2
            await trio.sleep(10 * PATIENCE)
            assert len(looks) == 3
            nursery.cancel_scope.cancel()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def test_however_long_a_look_takes_the_next_comes_within_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[float] = []

    async def main() -> None:
        watchdog = Watchdog()
        monkeypatch.setattr(watchdog, "look", looks.append)
        # Each look seems to take a minute.
        monkeypatch.setattr("f7tfs.fuse.watchdog.time.thread_time", iter(range(0, 60_000, 60)).__next__)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watchdog.run)
            with trio.CancelScope() as scope, watchdog.watching(scope, 0):
                await trio.sleep(PATIENCE + 10 * LONGEST + 0.1)
            nursery.cancel_scope.cancel()

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    assert len(looks) == 11
