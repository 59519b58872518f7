"""The jobs that were submitted here, in SQLite: they outlive the daemon, and so does a submission under way."""

from __future__ import annotations

import json
import logging
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import trio

from f7tfs.vfs.jobs.record import Phase, Record, from_json, to_json

logger = logging.getLogger(__name__)

JOBS = "jobs.sqlite"
"""In a state directory."""
KEPT_SECONDS = 14 * 86400.0
MOST = 2000


def waiting_in(path: Path) -> int:
    """How many jobs of a file of a `JobStore` are to be submitted yet; without changing it, whoever has it.

    Raises sqlite3.Error.
    """
    if not path.exists():
        return 0
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as jobs:
        rows = jobs.execute("SELECT record FROM jobs").fetchall()
    return sum(json.loads(text).get("phase") == Phase.WAITING.value for (text,) in rows)


class JobStore:
    """One row for each job, by its mark. Statements run in a thread, one at a time."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        path.chmod(0o600)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS jobs (mark TEXT PRIMARY KEY, created REAL NOT NULL, record TEXT NOT NULL)"
        )
        self._lock = trio.Lock()

    def close(self) -> None:
        self._connection.close()

    def load(self) -> list[Record]:
        """Those of the last two weeks, oldest first; older ones go."""
        self._connection.execute("DELETE FROM jobs WHERE created < ?", (time.time() - KEPT_SECONDS,))
        self._connection.execute(
            "DELETE FROM jobs WHERE mark NOT IN (SELECT mark FROM jobs ORDER BY created DESC LIMIT ?)", (MOST,)
        )
        records = []
        for mark, text in self._connection.execute("SELECT mark, record FROM jobs ORDER BY created").fetchall():
            try:
                records.append(from_json(json.loads(text)))
            except (KeyError, TypeError, ValueError):
                logger.exception("the job of mark %s cannot be read, and is left out", mark)
        return records

    async def save(self, *records: Record) -> None:
        """Write down how they are now."""
        rows = [(record.mark, record.created, json.dumps(to_json(record))) for record in records if record.mark]
        if rows:
            async with self._lock:
                await trio.to_thread.run_sync(self._write, rows)

    def _write(self, rows: list[tuple[str, float, str]]) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany("INSERT OR REPLACE INTO jobs VALUES (?,?,?)", rows)
        self._connection.execute("COMMIT")

    async def drop(self, record: Record) -> None:
        """Forget one."""
        async with self._lock:
            await trio.to_thread.run_sync(self._connection.execute, "DELETE FROM jobs WHERE mark=?", (record.mark,))
