"""The journal: every change that the cluster does not have yet, in SQLite, so that it survives kill -9.

The row of a content is written before its first dirty byte, that of any other change before its call returns; it is
removed only when the cluster has it. Besides, the journal keeps the times that were set here (the API cannot set
any), inode numbers that follow from no name, and a few facts of the mount.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from f7tfs.vfs import standing
from f7tfs.vfs.change import Change
from f7tfs.vfs.database import MANY, Database
from f7tfs.vfs.nodes import File, Node, Symlink

COLUMNS = "id, kind, path, new_path, content, node, standing, new_standing, state, error, created"
FIELDS = COLUMNS.replace("id,", "row,").split(", ")


@dataclass(frozen=True, slots=True)
class Row:
    """A change as an earlier run left it. `node`: what `describe` made of its node."""

    row: int
    kind: str
    path: str
    new_path: str
    content: str
    node: dict[str, Any]
    standing: str
    new_standing: str
    state: str
    error: str | None
    created: float


@dataclass(frozen=True, slots=True)
class SetTime:
    """Times that were set here. `modified` None: of the next version of that size. ctime, atime None: as mtime."""

    path: str
    size: int | None
    modified: str | None
    mtime_ns: int
    ctime_ns: int | None = None
    atime_ns: int | None = None


def times_of(node: Node, path: str | None = None) -> SetTime:
    """As they are shown now, of the version that was seen last."""
    a, version = node.attributes, node.version
    size = a.size if isinstance(node, File) else None
    return SetTime(path or node.path, size, version.modified if version else None, a.mtime_ns, a.ctime_ns, a.atime_ns)


@dataclass(frozen=True, slots=True)
class Kept:
    """What the journal keeps of the entries of one directory, by name."""

    times: dict[str, SetTime]
    numbers: dict[str, int]


class Journal:
    """One SQLite database of one mount."""

    def __init__(self, path: Path) -> None:
        self._database = Database(path)

    def close(self) -> None:
        self._database.close()

    async def settled(self) -> None:
        """Returns when all that it was told so far is written down."""
        await self._database.settled()

    async def harden(self) -> None:
        """Make all that was written down survive a power cut. Raises OSError where that cannot be."""
        await self._database.harden()

    # -- changes ---------------------------------------------------------------------------------

    async def add(self, change: Change) -> None:
        """Put a change down; returns when it survives the daemon's end."""
        values = _values(change)
        marks = ",".join("?" * len(values))
        statement = f"INSERT INTO changes ({COLUMNS}) VALUES ({marks})"  # noqa: S608 -- constants
        await self._database.run(lambda db: db.execute(statement, values))

    async def update(self, *changes: Change, set_time: SetTime | None = None) -> None:
        """Put down what has changed of changes: state, places, attributes, what is expected. And a time with them."""
        rows = [(*_values(change)[2:], change.row) for change in changes]

        def work(db: sqlite3.Connection) -> None:
            db.executemany(UPDATE, rows)
            if set_time is not None:
                _write_time(db, set_time)

        if rows or set_time is not None:
            await self._database.run(work, len(rows))

    async def finish(self, changes: Sequence[Change], set_times: Sequence[SetTime] = ()) -> None:
        """The cluster has them: forget the changes, and keep the times that were set here."""
        rows = [(change.row,) for change in changes]

        def work(db: sqlite3.Connection) -> None:
            db.executemany("DELETE FROM changes WHERE id=?", rows)
            for set_time in set_times:
                _write_time(db, set_time)

        await self._database.run(work, len(rows) + len(set_times))

    async def renamed(
        self,
        old: str,
        new: str,
        moved: Sequence[tuple[int, Change]],
        added: Change | None,
        gone: Sequence[Change] = (),
        *,
        times: SetTime | None = None,
        number: int | None = None,
        alone: bool = False,
    ) -> None:
        """After a rename here: times and numbers follow, and so do changes, each given with the row that it had.

        `gone` need not be made any more. `times`, `number`: of what was renamed, where they are to be kept. `alone`:
        it is no directory, so that nothing lies below.
        """
        # What may stand at the new place is another thing than at the old one.
        put = [(change.row, *_values(change)[2:4], *_values(change)[5:8], before) for before, change in moved]

        def work(db: sqlite3.Connection) -> None:
            for table in ("times", "numbers"):
                _move(db, table, old, new)
            if times is not None:
                _write_time(db, times)
            _write_number(db, new, number)
            db.executemany("DELETE FROM changes WHERE id=?", [(change.row,) for change in gone])
            if added is not None:
                values = _values(added)
                marks = ",".join("?" * len(values))
                db.execute(f"INSERT INTO changes ({COLUMNS}) VALUES ({marks})", values)  # noqa: S608 -- constants
            db.executemany(
                "UPDATE changes SET id=?, path=?, new_path=?, node=?, standing=?, new_standing=? WHERE id=?", put
            )

        await self._database.run(work, len(moved) + len(gone) if alone else MANY)

    def load(self) -> list[Row]:
        """What an earlier run left, in order."""
        rows = self._database.connection.execute(f"SELECT {COLUMNS} FROM changes ORDER BY id")  # noqa: S608 -- constants
        return [Row(**{**dict(zip(FIELDS, row, strict=True)), "node": json.loads(row[5])}) for row in rows]

    async def forget(self, row: int) -> None:
        """Nothing can be made of it any more."""
        await self._database.run(lambda db: db.execute("DELETE FROM changes WHERE id=?", (row,)))

    def drop_row(self, row: int) -> None:
        """Give a change up while nothing is mounted. Blocking."""
        self._database.transaction(lambda db: db.execute("DELETE FROM changes WHERE id=?", (row,)))

    # -- times -----------------------------------------------------------------------------------

    async def set_time(self, set_time: SetTime) -> None:
        await self._database.run(lambda db: _write_time(db, set_time))

    async def adopt_times(self, times: Iterable[SetTime]) -> None:
        """Bind times to the versions that were now seen."""
        rows = [(t.size, t.modified, t.path) for t in times]
        await self._database.run(
            lambda db: db.executemany("UPDATE times SET size=?, modified=? WHERE path=?", rows), len(rows)
        )

    async def forget_times(self, paths: Iterable[str]) -> None:
        """Of what changed on the cluster."""
        rows = [(path,) for path in paths]
        await self._database.run(lambda db: db.executemany("DELETE FROM times WHERE path=?", rows), len(rows))

    async def forget_places(self, paths: Iterable[str], *, alone: bool = False) -> None:
        """Times and numbers of what is gone, and of all below it. `alone`: there are no directories among them."""
        rows = [(path,) for path in paths]

        def work(db: sqlite3.Connection) -> None:
            for table in ("times", "numbers"):
                db.executemany(f"DELETE FROM {table} WHERE {AT_OR_BELOW}", rows)  # noqa: S608 -- constants

        await self._database.run(work, len(rows) if alone else MANY)

    async def kept_in(self, directory: str) -> Kept:
        """Times and numbers of the entries of one directory."""
        low, high = f"{directory.rstrip('/')}/", f"{directory.rstrip('/')}0"  # '0' follows '/'

        def work(db: sqlite3.Connection) -> Kept:
            times = db.execute(f"SELECT {TIMES} FROM times WHERE path > ? AND path < ?", (low, high))  # noqa: S608
            numbers = db.execute("SELECT path, number FROM numbers WHERE path > ? AND path < ?", (low, high))
            return Kept(
                {row[0][len(low) :]: SetTime(*row) for row in times if "/" not in row[0][len(low) :]},
                {path[len(low) :]: number for path, number in numbers if "/" not in path[len(low) :]},
            )

        return await self._database.run(work, MANY)

    # -- inode numbers ---------------------------------------------------------------------------

    def numbers(self) -> dict[str, int]:
        """All that are kept, by path. Blocking."""
        return dict(self._database.connection.execute("SELECT path, number FROM numbers").fetchall())

    async def keep_numbers(self, numbers: Iterable[tuple[str, int]]) -> None:
        """Put down what follows from no name."""
        rows = list(numbers)
        await self._database.run(
            lambda db: db.executemany("INSERT OR REPLACE INTO numbers VALUES (?,?)", rows), len(rows)
        )

    # -- facts -----------------------------------------------------------------------------------

    def fact(self, name: str) -> str | None:
        row = self._database.connection.execute("SELECT value FROM facts WHERE name=?", (name,)).fetchone()
        return None if row is None else str(row[0])

    async def set_fact(self, name: str, value: str) -> None:
        await self._database.run(lambda db: db.execute("INSERT OR REPLACE INTO facts VALUES (?,?)", (name, value)))


def _write_time(db: sqlite3.Connection, set_time: SetTime) -> None:
    values = (s := set_time).path, s.size, s.modified, s.mtime_ns, s.ctime_ns, s.atime_ns
    db.execute(f"INSERT OR REPLACE INTO times ({TIMES}) VALUES (?,?,?,?,?,?)", values)  # noqa: S608 -- constants


def _write_number(db: sqlite3.Connection, path: str, number: int | None) -> None:
    if number is None:
        db.execute("DELETE FROM numbers WHERE path=?", (path,))
    else:
        db.execute("INSERT OR REPLACE INTO numbers VALUES (?,?)", (path, number))


def _move(db: sqlite3.Connection, table: str, old: str, new: str) -> None:
    db.execute(f"DELETE FROM {table} WHERE {AT_OR_BELOW}", (new,))  # noqa: S608 -- constants
    db.execute(
        f"UPDATE {table} SET path=?2||substr(path, length(?1)+1) WHERE {AT_OR_BELOW}",  # noqa: S608 -- constants
        (old, new),
    )


TIMES = "path, size, modified, mtime_ns, ctime_ns, atime_ns"
AT_OR_BELOW = "(path=?1 OR (path > ?1||'/' AND path < ?1||'0'))"


UPDATE = (
    "UPDATE changes SET path=?, new_path=?, content=?, node=?, standing=?, new_standing=?, "
    "state=?, error=?, created=? WHERE id=?"
)


def _values(change: Change) -> tuple[object, ...]:
    return (
        change.row,
        change.kind.value,
        change.path,
        change.new_path,
        change.content.path.name if change.content else "",
        json.dumps(describe(change.node)),
        standing.dump(change.expected),
        standing.dump(change.new_standing),
        change.state.value,
        str(change.error) if change.error else None,
        change.created,
    )


def describe(node: Node) -> dict[str, object]:
    """What a later run must know of a node that it has not seen on the cluster."""
    a = node.attributes
    told: dict[str, object] = {"kind": a.kind.value, "mode": a.mode, "size": a.size, "user": a.user, "group": a.group}
    told |= {"mtime_ns": a.mtime_ns, "ctime_ns": a.ctime_ns, "atime_ns": a.atime_ns, "set": node.written_here}
    return told | ({"target": node.target} if isinstance(node, Symlink) else {})
