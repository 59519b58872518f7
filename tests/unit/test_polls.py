"""Who polls an open file is told once it can be read, and nothing goes on after it was closed."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field

import pytest
import trio
import trio.testing

from f7tfs.vfs.handles import Handle, HandleTable
from f7tfs.vfs.polls import Polls
from f7tfs.vfs.virtual import VirtualFile, VirtualHandle


@dataclass(eq=False, slots=True, kw_only=True)
class Slow(VirtualFile):
    """Can be read once `event` is set; raises `error` then, if there is one."""

    event: trio.Event = field(default_factory=trio.Event)
    error: Exception | None = None
    given_up: bool = False

    def readable(self) -> bool:
        return self.event.is_set() and self.error is None

    async def until_readable(self) -> None:
        try:
            await self.event.wait()
        except trio.Cancelled:
            self.given_up = True
            raise
        if self.error is not None:
            raise self.error


def polls_of(file: Slow, nursery: trio.Nursery) -> tuple[Polls, int]:
    handles: HandleTable[Handle] = HandleTable()
    return Polls(handles, nursery), handles.add(VirtualHandle(inode=file))


def test_the_last_who_asked_is_woken_and_once() -> None:
    async def run() -> list[str]:
        woken: list[str] = []
        file = Slow(number=1)
        async with trio.open_nursery() as nursery:
            polls, number = polls_of(file, nursery)
            assert not polls.ask(number, lambda: woken.append("first"))
            assert not polls.ask(number, lambda: woken.append("last"))
            assert not polls.ask(number, None)
            file.event.set()
        assert polls.ask(number, lambda: woken.append("late"))
        return woken

    assert trio.run(run) == ["last"]


def test_what_is_closed_is_not_looked_after_any_more() -> None:
    async def run() -> bool:
        file = Slow(number=1)
        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                polls, number = polls_of(file, nursery)
                assert not polls.ask(number, lambda: pytest.fail("nobody waits for it"))
                await trio.testing.wait_all_tasks_blocked()
                polls.forget(number)
        return file.given_up

    assert trio.run(run)


def test_a_wait_that_fails_is_for_the_read_to_tell(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> bool:
        file = Slow(number=1, error=ValueError("a defect"))
        async with trio.open_nursery() as nursery:
            polls, number = polls_of(file, nursery)
            assert not polls.ask(number, None)
            file.event.set()
        return polls.ask(number, None)

    with caplog.at_level(logging.ERROR):
        assert trio.run(run)
    assert "a defect" in caplog.text
