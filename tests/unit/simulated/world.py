"""A whole mount without FUSE and HTTP, in virtual time: the same seed does the same, a thousand times as fast."""

from __future__ import annotations

import logging
import random
import shutil
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from f7tfs.cluster.model import Kind
from f7tfs.vfs import paces
from f7tfs.vfs.database import Database
from f7tfs.vfs.filesystem import Filesystem, open_filesystem
from f7tfs.vfs.options import VfsOptions, WriteMode
from tests.unit.simulated.cluster import SimulatedCluster
from tests.unit.simulated.kernel import Kernel, Local
from tests.unit.simulated.site import EPOCH, Site, Thing, now

LONGEST = 40.0
TOP = "/home/user"
THREADS = (0, 0.001, 0.005)
"""Seconds that a thread's work takes before and after it is done."""
Picture = dict[str, object]


class World:
    """A site and a state directory, which outlive the daemons."""

    def __init__(self, state: Path, version: str, mode: WriteMode, seed: int, **settings: Any) -> None:
        self.rng = random.Random(seed)
        self.site = Site()
        self.site.put("/home", self.site.new(Kind.DIRECTORY, 0o755))
        self.site.put(TOP, self.site.new(Kind.DIRECTORY, 0o755))
        self.version = version
        self.settings = settings
        self.options = VfsOptions(state_directory=state, write_mode=mode, zone="UTC", reserved_bytes=0)
        self.top = Local(Kind.DIRECTORY, 0o755)
        self.calls: list[str] = []
        self._life = trio.CancelScope()
        self.cluster: SimulatedCluster
        self.kernel: Kernel

    async def mounted(self, *uses: Callable[[Kernel], Awaitable[None]]) -> None:
        """Mount and use; after each use but the last the daemon is killed. In the end the cluster has all."""
        *killed, last = uses
        for use in killed:
            await self._mounted(use, self._killed)
        await self._mounted(last, self.settled)

    async def _mounted(
        self, use: Callable[[Kernel], Awaitable[None]], end: Callable[[Filesystem], Awaitable[None]]
    ) -> None:
        self.cluster = SimulatedCluster(self.site, self.version, self.rng, **self.settings)
        self.cluster.log = self.calls
        with trio.CancelScope() as self._life:
            async with open_filesystem(self.cluster, TOP, self.options) as fs:
                before = getattr(self, "kernel", None)
                self.kernel = Kernel(fs, self.top, longest=LONGEST, anew=before is not None)
                if before is not None:
                    self.kernel.complaints, self.kernel.history = before.complaints, before.history
                await use(self.kernel)
                await end(fs)

    async def _killed(self, fs: Filesystem) -> None:
        """What is on the disk now is what the next run finds; what is under way there is done, or not."""
        del fs
        state = self.options.state_directory
        self.options = replace(self.options, state_directory=state.with_name(f"{state.name}-"))
        shutil.copytree(state, self.options.state_directory)
        self.cluster.alive = False
        self.calls.append(f"{trio.current_time():.3f} killed")
        self._life.cancel()
        await trio.sleep_forever()

    async def settled(self, fs: Filesystem) -> None:
        complain = self.kernel.complain
        with trio.move_on_after(600) as scope:
            left = await fs.reintegration.drain_at(None)
            for change in left:
                complain(f"left: {change.kind} {change.path} {change.new_path} {change.state} {change.error!r}")
        if scope.cancelled_caught:
            complain(f"not drained: {[(c.kind, c.paths) for c in fs.reintegration.log.changes.values()]}")
        wanted = picture(self.top)
        there = picture(self.site.find(TOP))
        for path in sorted({*wanted, *there}):
            if wanted.get(path) != there.get(path):
                complain(f"{path} is {_short(there.get(path))} there, and {_short(wanted.get(path))} it should be")
        await fs.upkeep.refresh("/")
        for path, local in places(self.top):
            if local.kind is Kind.DIRECTORY:
                await self.kernel.list(1, path) if path else None
            if path:
                await self.kernel.stat(1, path)


def picture(top: Local | Thing) -> Picture:
    """What is there, by path."""
    return {
        path: (thing.kind.name, thing.target)
        if thing.kind is Kind.SYMLINK
        else (thing.kind.name, oct(thing.mode), bytes(thing.data))
        for path, thing in places(top)
        if path
    }


def places(top: Local | Thing, path: str = "") -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = [(path, top)]
    for name, child in top.children.items():
        if not name.startswith(".f7t"):
            found += places(child, f"{path}/{name}".lstrip("/"))
    return found


def _short(what: object) -> str:
    if isinstance(what, tuple) and isinstance(what[-1], bytes):
        return f"{what[:-1]} of {len(what[-1])} bytes"
    return str(what)


def run(monkeypatch: pytest.MonkeyPatch, seed: int, main: Callable[[], Awaitable[None]]) -> None:
    """In virtual time, with all that is left to chance decided by the seed."""

    async def inline(function: Callable[..., Any], *arguments: Any, **_: Any) -> Any:
        await trio.sleep(random.choice(THREADS))
        result = function(*arguments)
        await trio.sleep(random.choice(THREADS))
        return result

    def clock() -> float:
        try:
            return now()
        except RuntimeError:
            return float(EPOCH)

    monkeypatch.setattr(trio.to_thread, "run_sync", inline)
    # Time passes at each transaction of the journal, as it does where the clock is real: no two moments are the same.
    monkeypatch.setattr(Database, "_waits_for_disk", lambda _database: True)
    monkeypatch.setattr(time, "time", clock)
    monkeypatch.setattr(time, "time_ns", lambda: int(clock() * 1e9))
    monkeypatch.setattr(paces, "process_group", lambda _process: 1)
    monkeypatch.setattr(trio._core._run, "_ALLOW_DETERMINISTIC_SCHEDULING", True)
    trio._core._run._r.seed(seed)
    state = random.getstate()
    random.seed(seed)
    try:
        trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    finally:
        random.setstate(state)


class Complaints(logging.Handler):
    """What the daemon's log complains of."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.told: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.told.append(self.format(record))
