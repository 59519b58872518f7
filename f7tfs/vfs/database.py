"""The SQLite database of the journal: one transaction at a time, and the disk is waited for in a thread only.

A transaction survives the end of the process when it returns: it is in the write-ahead log, which the kernel has. It
survives a power cut once the log was brought into the database. Both are SQLite's `synchronous=NORMAL`.
"""

from __future__ import annotations

import errno
import logging
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import trio

from f7tfs.vfs.journal_schema import prepare

Result = TypeVar("Result")
Work = Callable[[sqlite3.Connection], Result]

logger = logging.getLogger(__name__)

LOG_BYTES = 8 * 2**20
"""The write-ahead log is brought into the database when it has grown to this: two or three fsyncs each time."""
FEW = 50
MANY = FEW + 1
"""Rows that nobody has counted: there may be any number."""


class Database:
    """One connection. Raises OSError ENOSPC where the local disk is full."""

    def __init__(self, path: Path) -> None:
        self.connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        path.chmod(0o600)
        prepare(self.connection)
        # SQLite's own would come within a commit, and keep the event loop waiting for the disk.
        self.connection.execute("PRAGMA wal_autocheckpoint=0")
        self._log = path.with_name(f"{path.name}-wal")
        self._most = LOG_BYTES
        self._lock = trio.Lock()

    def close(self) -> None:
        self.connection.close()

    async def run(self, work: Work[Result], rows: int = 1) -> Result:
        """A transaction that reads or writes about so many rows.

        A few are a write into the page cache, as that of a content's bytes is. To hand that to a thread would take
        several times as long as to do it.
        """
        # Whoever is cancelled meanwhile leaves a journal that says what the memory says.
        with trio.CancelScope(shield=True):
            async with self._lock:
                if rows > FEW or self._waits_for_disk():
                    result = await trio.to_thread.run_sync(self._with_fsync, work)
                else:
                    result = self.transaction(work)
        return result

    def transaction(self, work: Work[Result]) -> Result:
        """At once. Blocking."""
        try:
            self.connection.execute("BEGIN IMMEDIATE")
            result = work(self.connection)
            if isinstance(result, sqlite3.Cursor):
                # Ended here: in another thread its end would reset a statement that runs here again by then.
                result.close()
            self.connection.execute("COMMIT")
        except BaseException as error:
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            if isinstance(error, sqlite3.OperationalError) and error.sqlite_errorcode == sqlite3.SQLITE_FULL:
                raise OSError(errno.ENOSPC, "the local disk that holds the journal is full") from error
            raise
        return result

    async def settled(self) -> None:
        """Returns when all that it was told so far is written down."""
        async with self._lock:
            pass

    async def harden(self) -> None:
        """Make all that was written down survive a power cut. Raises OSError where that cannot be."""
        with trio.CancelScope(shield=True):
            async with self._lock:
                if not await trio.to_thread.run_sync(self._bring_in):
                    raise OSError(errno.EIO, "the journal could not be brought to the disk")

    def _log_size(self) -> int:
        try:
            return self._log.stat().st_size
        except FileNotFoundError:
            return 0

    def _waits_for_disk(self) -> bool:
        """Whether the next transaction comes with an fsync: SQLite does one where the log begins."""
        size = self._log_size()
        return size == 0 or size >= self._most

    def _with_fsync(self, work: Work[Result]) -> Result:
        if self._log_size() >= self._most:
            # If it cannot be emptied, it grows on: nothing is lost by that.
            self._most = LOG_BYTES if self._bring_in() else 2 * self._log_size()
        return self.transaction(work)

    def _bring_in(self) -> bool:
        """Empty the log into the database. False where another program reads it just now, or the disk is full."""
        try:
            (busy, *_) = self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        except sqlite3.OperationalError as error:
            logger.warning("the log of the journal could not be brought into it: %s", error)
            return False
        return not busy
