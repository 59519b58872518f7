"""A few orders of operations that went wrong among many programs, in virtual time."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio

from f7tfs.vfs.options import WriteMode
from tests.unit.simulated.kernel import Kernel, OpenFile
from tests.unit.simulated.world import TOP, World, run

Steps = Callable[[World, Kernel], Awaitable[None]]


async def write(kernel: Kernel, path: str, data: bytes) -> None:
    held = await kernel.open(1, path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    await held.write(0, data)
    await held.close()


async def called(world: World, what: str) -> None:
    """Wait until the cluster is asked for it, of virtual time not too long."""
    for _ in range(100_000):
        if what in world.cluster.calls:
            return
        await trio.sleep(0.001)
    raise AssertionError(what)


async def synced(kernel: Kernel) -> None:
    assert await kernel.fs.reintegration.drain() == 0


async def replace_what_is_being_sent(world: World, kernel: Kernel) -> None:
    """What is sent last stands where a mode is set in the midst of the replacement."""
    await write(kernel, "a", b"first")
    await kernel.chmod(1, "a", 0o761)
    await called(world, "upload")
    await write(kernel, "b", b"second")
    await kernel.rename(1, "b", "a")


async def replace_whose_mode_waits(world: World, kernel: Kernel) -> None:
    await write(kernel, "a", b"first")
    await synced(kernel)
    await kernel.chmod(1, "a", 0o761)
    await write(kernel, "b", b"second")
    await kernel.rename(1, "b", "a")


async def fsync_behind_what_is_held_open(world: World, kernel: Kernel) -> None:
    """Who holds it open may wait for who calls fsync."""
    await write(kernel, "a", b"first")
    await synced(kernel)
    held = await kernel.open(1, "a", os.O_RDWR)
    await held.write(0, b"more")
    await kernel.rename(1, "a", "b")
    other = await kernel.open(2, "a", os.O_WRONLY | os.O_CREAT)
    await other.write(0, b"second")
    await other.fsync()
    await other.close()
    await held.write(4, b"and more")
    await held.close()


async def rename_with_a_lost_answer(world: World, kernel: Kernel) -> None:
    """On v2 only the old name is removed where a content waits: nothing at the new one has the mode yet."""
    await write(kernel, "a", b"first")
    await kernel.chmod(1, "a", 0o760)
    await kernel.mkdir(1, "d")
    await synced(kernel)
    await kernel.rename(1, "a", "d/a")
    await write(kernel, "d/a", b"second")
    world.cluster.losing = ["rm", "mv"]


async def go_through_a_directory_that_is_renamed_and_removed(world: World, kernel: Kernel) -> None:
    await write(kernel, "a", b"first")
    await kernel.mkdir(1, "e")
    await synced(kernel)
    await kernel.mkdir(1, "d")
    await kernel.rename(1, "a", "d/a")
    await kernel.rename(1, "d/a", "e/a")
    await kernel.rename(1, "d", "b")
    await kernel.remove(1, "b", directory=True)


async def rename_what_something_has_left(world: World, kernel: Kernel) -> None:
    """What had the name before goes its own way."""
    await kernel.mkdir(1, "d")
    await write(kernel, "d/a", b"first")
    await synced(kernel)
    await kernel.rename(1, "d/a", "d/b")
    await kernel.rename(1, "d", "e")
    await kernel.mkdir(1, "d")
    await write(kernel, "d/a", b"second")
    await kernel.rename(1, "d/a", "d/c")
    await kernel.rename(1, "d", "f")


async def replace_what_is_read_only(world: World, kernel: Kernel) -> None:
    """As git does it with `commit-graph`, and rsync with whatever is read-only."""
    for name in ("a", "b"):
        await write(kernel, name, b"first")
        await kernel.chmod(1, name, 0o444)
    await write(kernel, "c", b"second")
    await synced(kernel)
    await kernel.rename(1, "c", "a")
    await synced(kernel)
    await write(kernel, "d", b"third")
    await kernel.chmod(1, "d", 0o440)
    await kernel.rename(1, "d", "b")
    await synced(kernel)


async def replace_what_is_anothers(world: World, kernel: Kernel) -> None:
    """In a directory that a group shares: what is there is not written, and not made writable."""
    await write(kernel, "a", b"theirs")
    await write(kernel, "b", b"ours")
    await synced(kernel)
    world.cluster.foreign.add(f"{TOP}/a")
    await kernel.rename(1, "b", "a")
    await synced(kernel)


async def open_what_becomes_read_only(kernel: Kernel) -> OpenFile:
    """Open, with a content that was not sent yet; the cluster has an earlier one, which is read-only."""
    await write(kernel, "a", b"first")
    await synced(kernel)
    held = await kernel.open(1, "a", os.O_RDWR)
    await held.write(0, b"second")
    await kernel.chmod(1, "a", 0o444)
    await held.fsync()
    await held.write(0, b"third, and longer")
    return held


async def write_what_has_become_read_only(world: World, kernel: Kernel) -> None:
    """Who has it open may go on."""
    held = await open_what_becomes_read_only(kernel)
    await held.close()
    await synced(kernel)


async def write_what_is_read_only_with_a_lost_answer(world: World, kernel: Kernel) -> None:
    """The attempt that made it writable on the cluster is not the one that brings the content."""
    held = await open_what_becomes_read_only(kernel)
    world.cluster.losing = ["chmod"]
    await held.close()


@pytest.mark.parametrize(
    "steps",
    [
        replace_what_is_being_sent,
        replace_whose_mode_waits,
        fsync_behind_what_is_held_open,
        rename_with_a_lost_answer,
        go_through_a_directory_that_is_renamed_and_removed,
        rename_what_something_has_left,
        replace_what_is_read_only,
        replace_what_is_anothers,
        write_what_has_become_read_only,
        write_what_is_read_only_with_a_lost_answer,
    ],
)
@pytest.mark.parametrize("mode", ["auto", "async"])
@pytest.mark.parametrize("version", ["v1", "v2"])
def test_it_ends_as_on_a_local_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, mode: WriteMode, steps: Steps
) -> None:
    world = World(tmp_path / "state", version, mode, 0, slow=0.2)

    async def main() -> None:
        await world.mounted(lambda kernel: steps(world, kernel))

    run(monkeypatch, 0, main)
    assert not world.kernel.complaints, "\n".join([*world.calls, *world.kernel.history, *world.kernel.complaints])
