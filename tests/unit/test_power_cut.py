"""What `fsync` promises where the cluster is away: what was written survives a power cut in the journal."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.unit.simulated.kernel import Kernel
from tests.unit.simulated.world import World, run

Use = Callable[[Kernel], Awaitable[None]]


@pytest.fixture
def on_disk(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What an fsync was asked for, in order."""
    told: list[str] = []
    fsync = os.fsync

    def telling(fd: int) -> None:
        told.append(Path(f"/proc/self/fd/{fd}").readlink().name)
        fsync(fd)

    monkeypatch.setattr(os, "fsync", telling)
    return told


def with_the_cluster_away(monkeypatch: pytest.MonkeyPatch, state: Path, use: Use) -> None:
    state.mkdir()
    world = World(state, "v2", "async", 1)

    async def away(kernel: Kernel) -> None:
        world.cluster.alive = False
        await use(kernel)
        world.cluster.alive = True

    async def main() -> None:
        await world.mounted(away)

    run(monkeypatch, 1, main)


def log_size(state: Path) -> int:
    return (state / "journal.sqlite-wal").stat().st_size


def test_a_file_and_its_change_are_on_the_disk_when_its_fsync_has_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on_disk: list[str]
) -> None:
    async def use(kernel: Kernel) -> None:
        held = await kernel.open(1, "note", os.O_WRONLY | os.O_CREAT)
        await held.write(0, b"a few bytes")
        assert on_disk == []
        assert log_size(tmp_path / "state") > 0
        with pytest.raises(OSError):  # noqa: PT011 -- which errno is another test's
            await held.fsync()
        (content,) = (path.name for path in (tmp_path / "state" / "content").iterdir())
        assert on_disk == [content, "content"]
        # All of it was brought into the database, by SQLite's own fsyncs.
        assert log_size(tmp_path / "state") == 0
        await held.close()

    with_the_cluster_away(monkeypatch, tmp_path / "state", use)


def test_the_names_in_a_directory_are_on_the_disk_when_its_fsync_has_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def use(kernel: Kernel) -> None:
        await kernel.mkdir(1, "project")
        assert log_size(tmp_path / "state") > 0
        handle = await kernel.fs.opendir(kernel.fs.inode(1))
        with pytest.raises(OSError):  # noqa: PT011
            await kernel.ask("fsyncdir", 1, kernel.fs.fsyncdir(handle), deadline=600)
        assert log_size(tmp_path / "state") == 0
        kernel.fs.releasedir(handle)

    with_the_cluster_away(monkeypatch, tmp_path / "state", use)
