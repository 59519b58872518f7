"""The journal: every change of content that the cluster does not have yet, in SQLite, so that it survives kill -9.

A row is written before the first dirty byte, and removed only when the cluster has the content. Besides, the journal
keeps the modification times that were set here (the API cannot set any) and a few facts of the mount.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar

import trio

from f7tfs.vfs.content import Content
from f7tfs.vfs.nodes import File

State = Literal["open", "ready", "failed"]
Result = TypeVar("Result")

SCHEMA = """
CREATE TABLE IF NOT EXISTS changes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,           -- 'store': send this content
    path TEXT NOT NULL,           -- on the cluster, kept true by renames here
    content TEXT NOT NULL,        -- file name in the content cache
    mode INTEGER NOT NULL,        -- permission bits
    mtime_ns INTEGER NOT NULL,
    state TEXT NOT NULL,          -- open: still being written; ready; failed: for good
    error TEXT,
    created REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS times (
    path TEXT PRIMARY KEY,
    size INTEGER,                 -- of the version that the time belongs to
    modified TEXT,                -- raw time of that version; NULL: not seen in a listing yet
    mtime_ns INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""
VERSION = 1


@dataclass(eq=False, slots=True)
class Change:
    """A content that waits to be sent, or could not be."""

    row: int
    node: File
    content: Content
    state: State = "open"
    not_before: float = 0.0
    """Monotonic time before which it is not sent in the background."""
    attempts: int = 0
    error: Exception | None = None
    created: float = field(default_factory=time.time)
    sending: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """A change as an earlier run left it."""

    row: int
    path: str
    content: str
    mode: int
    mtime_ns: int
    state: State
    error: str | None
    created: float


@dataclass(frozen=True, slots=True)
class SetTime:
    """A modification time that was set here. `modified` None: of the next version of that size."""

    path: str
    size: int | None
    modified: str | None
    mtime_ns: int


class Journal:
    """One SQLite database of one mount. Statements run in a thread, one at a time."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        path.chmod(0o600)
        self._connection.execute("PRAGMA journal_mode=WAL")
        # `close` survives the daemon's end; `fsync` adds the power cut (see `harden`).
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.executescript(SCHEMA)
        self._connection.execute(f"PRAGMA user_version={VERSION}")
        self._lock = trio.Lock()

    def close(self) -> None:
        self._connection.close()

    async def _run(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        async with self._lock:
            return await trio.to_thread.run_sync(self._transaction, work)

    def _transaction(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            result = work(self._connection)
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")
        return result

    # -- changes ---------------------------------------------------------------------------------

    async def begin(self, node: File, content: Content) -> Change:
        """Mark a file dirty, before its first dirty byte."""
        mode, mtime_ns = node.attributes.mode, node.attributes.mtime_ns
        values = ("store", node.path, content.path.name, mode, mtime_ns, "open", time.time())
        row = await self._run(
            lambda db: (
                db.execute(
                    "INSERT INTO changes (kind, path, content, mode, mtime_ns, state, created) "
                    "VALUES (?,?,?,?,?,?,?)",
                    values,
                ).lastrowid
            )
        )
        return Change(row=row or 0, node=node, content=content)

    async def update(self, change: Change) -> None:
        """Write down the state, place, mode and time of a change."""
        node = change.node
        values = (
            node.path,
            node.attributes.mode,
            node.attributes.mtime_ns,
            change.state,
            str(change.error) if change.error else None,
            change.row,
        )
        await self._run(
            lambda db: db.execute(
                "UPDATE changes SET path=?, mode=?, mtime_ns=?, state=?, error=? WHERE id=?", values
            )
        )

    async def finish(self, change: Change, set_time: SetTime | None) -> None:
        """The cluster has it: forget the change, and keep the time that was set here."""

        def work(db: sqlite3.Connection) -> None:
            db.execute("DELETE FROM changes WHERE id=?", (change.row,))
            if set_time is not None:
                _write_time(db, set_time)

        await self._run(work)

    async def drop(self, change: Change) -> None:
        """The file was removed, or the user gave the change up."""
        await self.finish(change, None)

    def load(self) -> list[Row]:
        """What an earlier run left, oldest first."""
        rows = self._connection.execute(
            "SELECT id, path, content, mode, mtime_ns, state, error, created FROM changes ORDER BY id"
        )
        return [Row(*row) for row in rows]

    async def harden(self) -> None:
        """Make all that was written down survive a power cut."""
        await self._run_plain("PRAGMA wal_checkpoint(TRUNCATE)")

    async def _run_plain(self, statement: str) -> None:
        async with self._lock:
            await trio.to_thread.run_sync(self._connection.execute, statement)

    # -- times -----------------------------------------------------------------------------------

    async def set_time(self, set_time: SetTime) -> None:
        await self._run(lambda db: _write_time(db, set_time))

    async def adopt_times(self, times: Iterable[SetTime]) -> None:
        """Bind times to the versions that were now seen."""
        rows = [(t.size, t.modified, t.path) for t in times]
        await self._run(lambda db: db.executemany("UPDATE times SET size=?, modified=? WHERE path=?", rows))

    async def forget_times(self, paths: Iterable[str]) -> None:
        """Of files that are gone, or whose content changed on the cluster."""
        rows = [(path,) for path in paths]
        await self._run(lambda db: db.executemany("DELETE FROM times WHERE path=?", rows))

    async def times_in(self, directory: str) -> dict[str, SetTime]:
        """By name, of the entries of one directory."""
        low, high = f"{directory.rstrip('/')}/", f"{directory.rstrip('/')}0"  # '0' follows '/'

        def work(db: sqlite3.Connection) -> dict[str, SetTime]:
            rows = db.execute(
                "SELECT path, size, modified, mtime_ns FROM times WHERE path > ? AND path < ?", (low, high)
            )
            times = (SetTime(*row) for row in rows)
            return {t.path[len(low) :]: t for t in times if "/" not in t.path[len(low) :]}

        return await self._run(work)

    async def move(self, old: str, new: str) -> None:
        """Paths follow a rename, those below a directory too."""

        def work(db: sqlite3.Connection) -> None:
            db.execute("DELETE FROM times WHERE path=?1 OR (path > ?1||'/' AND path < ?1||'0')", (new,))
            for table in ("times", "changes"):
                db.execute(
                    f"UPDATE {table} SET path=?2||substr(path, length(?1)+1) "  # noqa: S608 -- the two names above
                    "WHERE path=?1 OR (path > ?1||'/' AND path < ?1||'0')",
                    (old, new),
                )

        await self._run(work)

    # -- facts -----------------------------------------------------------------------------------

    def fact(self, name: str) -> str | None:
        row = self._connection.execute("SELECT value FROM facts WHERE name=?", (name,)).fetchone()
        return None if row is None else str(row[0])

    async def set_fact(self, name: str, value: str) -> None:
        await self._run(lambda db: db.execute("INSERT OR REPLACE INTO facts VALUES (?,?)", (name, value)))


def _write_time(db: sqlite3.Connection, set_time: SetTime) -> None:
    values = (set_time.path, set_time.size, set_time.modified, set_time.mtime_ns)
    db.execute("INSERT OR REPLACE INTO times (path, size, modified, mtime_ns) VALUES (?,?,?,?)", values)
