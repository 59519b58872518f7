"""The tables of the journal, and how one of an older form becomes one of today's."""

from __future__ import annotations

import json
import sqlite3

VERSION = 3

CHANGES = """
CREATE TABLE IF NOT EXISTS changes (
    id INTEGER PRIMARY KEY,       -- the order of the changes
    kind TEXT NOT NULL,           -- content, mkdir, symlink, unlink, rmdir, rename, chmod
    path TEXT NOT NULL,           -- on the cluster, once all earlier changes are made
    new_path TEXT NOT NULL,       -- of a rename
    content TEXT NOT NULL,        -- file name in the content cache
    node TEXT NOT NULL,           -- JSON: kind, mode, mtime_ns, ctime_ns, atime_ns, size, user, group, target
    standing TEXT NOT NULL,       -- JSON: what is expected at path; empty: nobody knows
    new_standing TEXT NOT NULL,   -- the same of new_path
    state TEXT NOT NULL,          -- open: still being written; ready; failed: for good
    error TEXT,
    created REAL NOT NULL
);
"""
REST = """
CREATE TABLE IF NOT EXISTS times (
    path TEXT PRIMARY KEY,
    size INTEGER,                 -- of the version that the time belongs to
    modified TEXT,                -- raw time of that version; NULL: not seen in a listing yet
    mtime_ns INTEGER NOT NULL,
    ctime_ns INTEGER,             -- NULL: the same as mtime_ns
    atime_ns INTEGER              -- NULL: the same as mtime_ns
) WITHOUT ROWID;
-- Inode numbers that do not follow from the name and the number of the directory.
CREATE TABLE IF NOT EXISTS numbers (path TEXT PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""


class JournalError(Exception):
    """The journal cannot be used; the message says why, and what to do."""


def prepare(connection: sqlite3.Connection) -> None:
    """Make the tables, or bring those of an older form to today's. Raises JournalError for a newer form."""
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        # `close` survives the daemon's end; `fsync` adds the power cut (see `Journal.harden`).
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("BEGIN IMMEDIATE")
        try:
            _bring_up(connection)
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
    except sqlite3.DatabaseError as error:
        raise JournalError(f"the journal cannot be read ({error}); it is kept as it is, look at it first") from error


def _bring_up(connection: sqlite3.Connection) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        raise JournalError(
            f"the journal was written by a newer f7tfs (form {version}, this one knows {VERSION}): "
            "mount with that one, so that what was written is sent"
        )
    if version == 1:
        connection.execute("ALTER TABLE changes RENAME TO changes_1")
    for statement in (CHANGES + REST).split(";\n"):
        if statement.strip():
            connection.execute(statement)
    if version == 1:
        _from_first_form(connection)
    if version in (1, 2):
        for column in ("ctime_ns", "atime_ns"):
            connection.execute(f"ALTER TABLE times ADD COLUMN {column} INTEGER")
    connection.execute(f"PRAGMA user_version={VERSION}")


def _from_first_form(connection: sqlite3.Connection) -> None:
    """It held contents only, and did not keep what they were to replace."""
    rows = connection.execute("SELECT id, path, content, mode, mtime_ns, state, error, created FROM changes_1")
    for row_id, path, content, mode, mtime_ns, state, error, created in rows.fetchall():
        node = json.dumps({"kind": "-", "mode": mode, "mtime_ns": mtime_ns})
        connection.execute(
            "INSERT INTO changes VALUES (?,?,?,?,?,?,?,?,?,?,?)",
            (row_id, "content", path, "", content, node, "", "", state, error, created),
        )
    connection.execute("DROP TABLE changes_1")
