"""A suspended machine: what was seen before it slept is not believed when it wakes, though its clock stood still."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from f7tfs.cluster.model import Kind
from f7tfs.vfs import sleep
from f7tfs.vfs.filesystem import Filesystem
from f7tfs.vfs.options import WriteMode
from tests.unit.simulated.kernel import Kernel
from tests.unit.simulated.world import TOP, World, run

HOURS = 8 * 3600.0
REPLACE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC


async def drained(fs: Filesystem) -> None:
    assert await fs.upkeep.drain() == 0


def another_writes(world: World, data: bytes) -> None:
    there = world.site.find(f"{TOP}/f")
    world.site.put(f"{TOP}/f", world.site.new(Kind.FILE, 0o644, data))
    world.site.find(f"{TOP}/f").mtime = there.mtime + int(HOURS)


@pytest.mark.parametrize("mode", ["auto", "async", "sync"])
@pytest.mark.parametrize("version", ["v1", "v2"])
def test_what_another_wrote_meanwhile_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, mode: WriteMode
) -> None:
    world = World(tmp_path / "state", version, mode, 1, slow=0.01)

    async def use(kernel: Kernel) -> None:
        file = await kernel.open(1, "f", REPLACE)
        await file.write(0, b"ours")
        await file.close()
        await drained(kernel.fs)
        file = await kernel.open(1, "f", REPLACE)
        await file.write(0, b"ours again")
        # No time passes for a machine that sleeps.
        before = sleep.seconds_asleep()
        monkeypatch.setattr(sleep, "seconds_asleep", lambda: before + HOURS)
        another_writes(world, b"what another wrote")
        await file.close()

    async def main() -> None:
        await world._mounted(use, drained)

    run(monkeypatch, 1, main)
    found = {name: bytes(thing.data) for name, thing in world.site.find(TOP).children.items()}
    assert b"what another wrote" in found.values(), found
    assert b"ours again" in found.values(), found


def test_the_clock_of_a_machine_that_is_awake_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    asleep = 5.0
    monkeypatch.setattr(sleep, "seconds_asleep", lambda: asleep)
    seen = sleep.Sleep()

    async def main() -> None:
        nonlocal asleep
        assert seen.woke() == float("-inf")
        asleep += 0.001
        assert seen.woke() == float("-inf")
        asleep += HOURS
        woke = seen.woke()
        assert woke > float("-inf")
        assert seen.woke() == woke

    run(monkeypatch, 1, main)
