"""What is believed of a place on the cluster before something of ours replaces or removes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import pytest
import trio
import trio.testing

from f7tfs.cluster.errors import NotFound
from f7tfs.cluster.model import Entry, Kind, Stat
from f7tfs.cluster.port import Cluster
from f7tfs.vfs.looks import Looks

FILE = Entry("f", Kind.FILE, 0o644, "user", "users", 3, "2026-01-01T00:00:00")


class Directories:
    """A cluster whose listings show what was there when they were asked for, and come when `answer` is set."""

    def __init__(self) -> None:
        self.files: set[str] = set()
        self.answer = trio.Event()
        self.listings = 0

    async def list_directory(self, path: str) -> list[Entry]:
        self.listings += 1
        found = [FILE] if f"{path}/f" in self.files else []
        await self.answer.wait()
        return found

    async def stat(self, path: str) -> Stat:
        if path not in self.files:
            raise NotFound(path)
        return Stat(kind=Kind.FILE, mode=0o644, uid=1, gid=1, size=3, ino=1, nlink=1, atime=0, mtime=0, ctime=0)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda looks: looks.outdate("/d/f"), id="the file"),
        pytest.param(lambda looks: looks.outdate("/d"), id="its directory"),
    ],
)
def test_a_listing_that_was_under_way_during_a_change_does_not_tell_of_it(
    change: Callable[[Looks], None],
) -> None:
    found: list[Entry | None] = []

    async def run() -> None:
        cluster = Directories()
        looks = Looks(cast("Cluster", cluster), 60)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(looks.at, "/d/other")
            await trio.testing.wait_all_tasks_blocked()
            cluster.files.add("/d/f")
            change(looks)
            cluster.answer.set()
        found.append(await looks.at("/d/f"))
        assert await looks.at("/d/other") is None
        assert cluster.listings == 2

    trio.run(run)
    assert found == [FILE]
