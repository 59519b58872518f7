"""What each of many small files costs here: transactions of the journal, and threads. Counted, in virtual time."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio

from f7tfs.vfs.database import Database
from tests.unit.simulated.kernel import Kernel
from tests.unit.simulated.world import World, run

FILES = 40
WAITS_FOR_DISK = Database._waits_for_disk
"""As it is without the simulation."""
Use = Callable[[Kernel], Awaitable[None]]


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Of all that is done in the test."""
    counted: Counter[str] = Counter()
    transaction = Database.transaction

    def counting(database: Database, work: Callable[..., object]) -> object:
        counted["transactions"] += 1
        return transaction(database, work)

    monkeypatch.setattr(Database, "transaction", counting)
    return counted


def in_a_mount(monkeypatch: pytest.MonkeyPatch, state: Path, counts: Counter[str], use: Use) -> None:
    state.mkdir()

    async def main() -> None:
        # The simulation has its own way to have threads, set before.
        threads = trio.to_thread.run_sync

        async def counting(*arguments: object, **settings: object) -> object:
            counts["threads"] += 1
            return await threads(*arguments, **settings)  # type: ignore[arg-type]

        monkeypatch.setattr(trio.to_thread, "run_sync", counting)
        monkeypatch.setattr(Database, "_waits_for_disk", WAITS_FOR_DISK)
        await World(state, "v2", "async", 1).mounted(use)

    run(monkeypatch, 1, main)


@pytest.mark.parametrize(
    ("steps", "transactions"), [(("write",), 2), (("write", "chmod", "touch"), 4)], ids=["as cp", "as tar"]
)
def test_a_new_file_costs_a_transaction_for_each_promise_and_no_thread(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    counts: Counter[str],
    steps: tuple[str, ...],
    transactions: int,
) -> None:
    """One before its first byte, one for each change of its attributes, and one when it is whole."""

    async def use(kernel: Kernel) -> None:
        counts.clear()
        for number in range(FILES):
            held = await kernel.open(1, f"note{number}", os.O_WRONLY | os.O_CREAT)
            for step in steps:
                match step:
                    case "write":
                        await held.write(0, b"a few bytes")
                    case "chmod":
                        await kernel.chmod(1, f"note{number}", 0o640)
                    case "touch":
                        await kernel.fs.set_times(held.inode, None, 10**18)
            await held.close()
        assert counts == {"transactions": transactions * FILES}

    in_a_mount(monkeypatch, tmp_path / "state", counts, use)


def test_what_an_archive_carries_is_put_down_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, counts: Counter[str]
) -> None:
    async def use(kernel: Kernel) -> None:
        await kernel.mkdir(1, "project")
        for number in range(FILES):
            held = await kernel.open(1, f"project/note{number}", os.O_WRONLY | os.O_CREAT)
            await held.write(0, b"a few bytes")
            await held.close()
        counts.clear()
        assert await kernel.fs.reintegration.drain() == 0
        assert counts["transactions"] < FILES / 3, counts
        assert counts["threads"] < FILES / 3, counts

    in_a_mount(monkeypatch, tmp_path / "state", counts, use)
