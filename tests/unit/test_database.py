"""How the journal's database is written: when a thread, and the disk, are waited for."""

from __future__ import annotations

import shutil
import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import trio

from f7tfs.vfs import database
from f7tfs.vfs.database import FEW, Database


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Transactions, how many of them went through a thread, and how often the log was brought in."""
    counts: Counter[str] = Counter()

    def count(name: str, what: str) -> None:
        original = getattr(Database, name)

        def counting(*arguments: Any) -> Any:
            counts[what] += 1
            return original(*arguments)

        monkeypatch.setattr(Database, name, counting)

    count("transaction", "transactions")
    count("_with_fsync", "in threads")
    count("_bring_in", "brought in")
    return counts


def in_database(path: Path, work: Callable[[Database], Awaitable[None]]) -> None:
    async def main() -> None:
        with closing(Database(path)) as opened:
            await work(opened)

    trio.run(main)


def a_fact(name: str) -> Callable[[sqlite3.Connection], object]:
    return lambda db: db.execute("INSERT INTO facts VALUES (?,?)", (name, "x" * 500))


def names_in(path: Path) -> int:
    with closing(sqlite3.connect(path)) as found:
        return int(found.execute("SELECT count(*) FROM facts").fetchone()[0])


def test_few_rows_need_no_thread_and_many_do(tmp_path: Path, counted: Counter[str]) -> None:
    async def work(opened: Database) -> None:
        for name in range(100):
            await opened.run(a_fact(str(name)))
        assert counted == {"transactions": 100}
        await opened.run(a_fact("one of many"), FEW + 1)
        assert counted == {"transactions": 101, "in threads": 1}
        await opened.harden()
        await opened.run(a_fact("the first of a log"))
        assert counted == {"transactions": 102, "in threads": 2, "brought in": 1}

    in_database(tmp_path / "j", work)


def test_what_was_told_to_be_written_is_in_the_files_at_once(tmp_path: Path) -> None:
    """As a killed daemon leaves them."""
    left = tmp_path / "left"

    async def work(opened: Database) -> None:
        for number in range(20):
            await opened.run(a_fact(str(number)))
        left.mkdir()
        for name in ("j", "j-wal"):
            shutil.copy(tmp_path / name, left)

    in_database(tmp_path / "j", work)
    assert names_in(left / "j") == 20


def test_the_log_is_brought_in_when_it_has_grown_and_begins_anew(
    tmp_path: Path, counted: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "LOG_BYTES", 200_000)

    async def work(opened: Database) -> None:
        for name in range(200):
            await opened.run(a_fact(str(name)))
            assert (tmp_path / "j-wal").stat().st_size < 300_000

    in_database(tmp_path / "j", work)
    assert 2 <= counted["brought in"] <= 20
    assert counted["in threads"] == counted["brought in"]
    assert names_in(tmp_path / "j") == 200


def test_who_reads_an_older_state_keeps_nobody_from_writing(
    tmp_path: Path, counted: Counter[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "LOG_BYTES", 100_000)

    async def work(opened: Database) -> None:
        opened.connection.execute("PRAGMA busy_timeout=0")
        await opened.run(a_fact("there before"))
        with closing(sqlite3.connect(tmp_path / "j", isolation_level=None)) as reader:
            reader.execute("BEGIN")
            assert reader.execute("SELECT count(*) FROM facts").fetchone() == (1,)
            for name in range(400):
                await opened.run(a_fact(str(name)))
            # It is tried again each time that the log has doubled, not at each transaction.
            assert 1 <= counted["brought in"] <= 10
            with pytest.raises(OSError, match="could not be brought to the disk"):
                await opened.harden()
        await opened.harden()
        assert (tmp_path / "j-wal").stat().st_size == 0
        await opened.run(a_fact("after all"))

    in_database(tmp_path / "j", work)
    assert names_in(tmp_path / "j") == 402
