"""The journal of what is not mounted now: looked at and cleared up without a cluster. Blocking."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from f7tfs.cluster.errors import NotFound, Refused
from f7tfs.vfs.change import meet
from f7tfs.vfs.jobs.store import JOBS, waiting_in
from f7tfs.vfs.journal import Journal, Row
from f7tfs.vfs.journal_schema import JournalError
from f7tfs.vfs.keeper import copy_new

JOURNAL = "journal.sqlite"
CONTENT = "content"


@dataclass(frozen=True, slots=True)
class Left:
    """What a journal holds. `failed`: path and error of each change that the cluster refused.

    `jobs`: how many wait to be submitted.
    """

    changes: int
    size: int
    failed: list[tuple[str, str]]
    jobs: int


def look(state: Path) -> Left:
    """What the journal in a state directory holds, without changing it, whoever has it. Raises JournalError.

    It needs no lock, so that whoever looks keeps no mount from beginning, and only columns that all forms have.
    """
    try:
        with closing(sqlite3.connect(f"{(state / JOURNAL).as_uri()}?mode=ro", uri=True)) as journal:
            rows = journal.execute("SELECT path, content, state, error FROM changes ORDER BY id").fetchall()
        jobs = waiting_in(state / JOBS)
    except sqlite3.Error as error:
        raise JournalError(f"the journal in {state} cannot be read ({error})") from error
    size = 0
    for _, content, _, _ in rows:
        with suppress(FileNotFoundError):
            size += (state / CONTENT / content).stat().st_size if content else 0
    failed = [(path, error or "") for path, _, is_now, error in rows if is_now == "failed"]
    return Left(len(rows), size, failed, jobs)


class OfflineJournal:
    """`state`: the state directory of a mount, whose lock the caller holds. Close it."""

    def __init__(self, state: Path) -> None:
        self._state = state
        self._journal = Journal(state / JOURNAL)

    def close(self) -> None:
        """Afterwards a mount may have it."""
        self._journal.close()

    def entries(self) -> list[dict[str, object]]:
        """The same as `JournalKeeper.entries`."""
        return [
            {
                "id": row.row,
                "kind": row.kind,
                "path": row.path,
                "new_path": row.new_path,
                "bytes": self._size(row),
                "state": row.state,
                "error": row.error,
                "since": row.created,
            }
            for row in self._journal.load()
        ]

    def _size(self, row: Row) -> int:
        if not row.content:
            return 0
        try:
            return self._content(row).stat().st_size
        except FileNotFoundError:
            return 0

    def _content(self, row: Row) -> Path:
        return self._state / CONTENT / row.content

    def _row(self, number: int) -> Row:
        for row in self._journal.load():
            if row.row == number:
                return row
        raise NotFound(f"no change {number} is in the journal")

    def export(self, number: int, target: Path) -> None:
        """Copy a content to a local file, which must not exist. Raises NotFound or OSError."""
        row = self._row(number)
        if not row.content:
            raise NotFound(f"change {number} has no content")
        copy_new(self._content(row), target)

    def drop(self, number: int) -> None:
        """Give a change up. Raises Refused where others wait for it."""
        row = self._row(number)
        for later in self._journal.load():
            if later.row > number and meet(_paths(later), _paths(row)):
                raise Refused(f"change {later.row} ({later.kind} {later.path}) comes after it: drop that one first")
        self._journal.drop_row(number)
        if row.content:
            self._content(row).unlink(missing_ok=True)


def _paths(row: Row) -> tuple[str, ...]:
    return (row.path, row.new_path) if row.new_path else (row.path,)
