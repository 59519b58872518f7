"""The journal on the disk."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio

from f7tfs.cluster.model import Kind
from f7tfs.vfs import standing
from f7tfs.vfs.ahead import Ahead
from f7tfs.vfs.change import Change, ChangeKind, State
from f7tfs.vfs.changelog import ChangeLog
from f7tfs.vfs.content import Content
from f7tfs.vfs.content_store import ContentStore
from f7tfs.vfs.inodes import InodeTable
from f7tfs.vfs.journal import Journal, SetTime
from f7tfs.vfs.journal_schema import JournalError
from f7tfs.vfs.nodes import Attributes, Directory, File, Sent, Standing, Version
from f7tfs.vfs.reachability import Reachability
from f7tfs.vfs.tree import Tree, make_root


def in_journal(path: Path, work: Callable[[Journal], Awaitable[None]]) -> None:
    """Open, work, close: as one run of the daemon."""

    async def run() -> None:
        journal = Journal(path)
        try:
            await work(journal)
        finally:
            journal.close()

    trio.run(run)


def a_file(path: Path) -> tuple[File, Content]:
    root = make_root("/home/user", Attributes(Kind.DIRECTORY, 0o755, "user", "users", 0, 0))
    tree = Tree(InodeTable(), root, lambda _: 0)
    directory = tree.make(root, "d", Attributes(Kind.DIRECTORY, 0o755, "user", "users", 0, 0), None, 0)
    tree.attach(directory, root, "d")
    assert isinstance(directory, Directory)
    node = tree.make(directory, "f", Attributes(Kind.FILE, 0o600, "user", "users", 0, 55), None, 0)
    tree.attach(node, directory, "f")
    assert isinstance(node, File)
    return node, ContentStore(path / "content", 10**9, 0).create(0, None)


def a_change(path: Path, row: int = 1, kind: ChangeKind = ChangeKind.CONTENT) -> Change:
    node, content = a_file(path)
    content_or_none = content if kind is ChangeKind.CONTENT else None
    return Change(row=row, kind=kind, node=node, path=node.path, content=content_or_none, state=State.OPEN)


def test_no_cursor_leaves_the_thread_that_runs_statements(tmp_path: Path) -> None:
    async def work(journal: Journal) -> None:
        cursor = await journal._database.run(lambda db: db.execute("SELECT 1"))
        with pytest.raises(sqlite3.ProgrammingError, match="closed"):
            cursor.fetchone()

    in_journal(tmp_path / "journal.sqlite", work)


def test_a_change_is_there_after_the_daemon_died(tmp_path: Path) -> None:
    async def first(journal: Journal) -> None:
        change = a_change(tmp_path)
        await journal.add(change)
        assert isinstance(change.node, File)
        change.state = State.READY
        change.node.standing = Standing(Version("raw", 7), (Sent(3, "digest"),))
        await journal.update(change)

    async def second(journal: Journal) -> None:
        (row,) = journal.load()
        assert (row.kind, row.path, row.state) == ("content", "/home/user/d/f", "ready")
        assert (row.node["mode"], row.node["mtime_ns"]) == (0o600, 55)
        assert standing.load(row.standing) == Standing(Version("raw", 7), (Sent(3, "digest"),))

    in_journal(tmp_path / "j", first)
    in_journal(tmp_path / "j", second)


def test_a_finished_change_is_gone_and_its_time_kept(tmp_path: Path) -> None:
    async def work(journal: Journal) -> None:
        change = a_change(tmp_path)
        path = change.path
        await journal.add(change)
        await journal.finish([change], [SetTime(path, 3, None, 77)])
        assert journal.load() == []
        assert (await journal.kept_in("/home/user/d")).times == {"f": SetTime("/home/user/d/f", 3, None, 77)}
        assert (await journal.kept_in("/home/user")).times == {}
        await journal.adopt_times([SetTime(path, 3, "raw", 77)])
        assert (await journal.kept_in("/home/user/d")).times["f"].modified == "raw"
        await journal.forget_times([path])
        assert (await journal.kept_in("/home/user/d")).times == {}

    in_journal(tmp_path / "j", work)


def test_times_and_changes_follow_the_rename_of_a_directory_in_one_transaction(tmp_path: Path) -> None:
    async def work(journal: Journal) -> None:
        change = a_change(tmp_path)
        await journal.add(change)
        for name in ("d/f", "d/g", "dd/h", "e/x"):
            await journal.set_time(SetTime(f"/home/user/{name}", 1, None, 1))
        rename = a_change(tmp_path, 2, ChangeKind.RENAME)
        change.row, change.path = 3, "/home/user/e/f"
        await journal.renamed("/home/user/d", "/home/user/e", [(1, change)], rename)
        assert [(row.row, row.kind) for row in journal.load()] == [(2, "rename"), (3, "content")]
        assert journal.load()[1].path == "/home/user/e/f"
        assert set((await journal.kept_in("/home/user/e")).times) == {"f", "g"}
        assert set((await journal.kept_in("/home/user/dd")).times) == {"h"}

    in_journal(tmp_path / "j", work)


FIRST_FORM = """
CREATE TABLE changes (id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, path TEXT NOT NULL,
 content TEXT NOT NULL, mode INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, state TEXT NOT NULL, error TEXT,
 created REAL NOT NULL);
CREATE TABLE times (path TEXT PRIMARY KEY, size INTEGER, modified TEXT, mtime_ns INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
INSERT INTO changes VALUES (4, 'store', '/home/user/f', 'abc', 384, 55, 'failed', 'no quota', 1.0);
INSERT INTO facts VALUES ('zone', 'UTC');
PRAGMA user_version=1;
"""


def test_a_journal_of_the_first_form_is_brought_to_the_present_one(tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "j")) as old:
        old.executescript(FIRST_FORM)

    async def work(journal: Journal) -> None:
        (row,) = journal.load()
        assert (row.row, row.kind, row.path, row.content, row.state) == (
            4,
            "content",
            "/home/user/f",
            "abc",
            "failed",
        )
        assert row.node == {"kind": "-", "mode": 0o600, "mtime_ns": 55}
        assert not standing.load(row.standing).known, "what it was to replace was not kept then"
        assert journal.fact("zone") == "UTC"

    in_journal(tmp_path / "j", work)
    in_journal(tmp_path / "j", work)


SECOND_FORM = """
CREATE TABLE times (path TEXT PRIMARY KEY, size INTEGER, modified TEXT, mtime_ns INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO times VALUES ('/home/user/f', 3, 'raw', 55);
PRAGMA user_version=2;
"""


def test_times_of_a_journal_of_the_second_form_are_kept(tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "j")) as old:
        old.executescript(SECOND_FORM)

    async def work(journal: Journal) -> None:
        assert (await journal.kept_in("/home/user")).times == {"f": SetTime("/home/user/f", 3, "raw", 55)}
        await journal.set_time(SetTime("/home/user/g", 3, "raw", 55, 66, 77))

    async def later(journal: Journal) -> None:
        assert (await journal.kept_in("/home/user")).times["g"] == SetTime("/home/user/g", 3, "raw", 55, 66, 77)

    in_journal(tmp_path / "j", work)
    in_journal(tmp_path / "j", later)


def test_numbers_follow_renames_and_go_with_what_is_gone(tmp_path: Path) -> None:
    async def work(journal: Journal) -> None:
        await journal.keep_numbers([("/home/d", 5), ("/home/d/f", 6), ("/home/e/old", 7), ("/home/dd", 8)])
        await journal.renamed("/home/d", "/home/e", [], None, number=5)
        assert journal.numbers() == {"/home/e": 5, "/home/e/f": 6, "/home/dd": 8}
        assert (await journal.kept_in("/home")).numbers == {"e": 5, "dd": 8}
        await journal.renamed("/home/e", "/home/d", [], None)
        assert journal.numbers() == {"/home/d/f": 6, "/home/dd": 8}, "it follows from the name again"
        await journal.forget_places(["/home/d"])
        assert journal.numbers() == {"/home/dd": 8}

    in_journal(tmp_path / "j", work)


def test_a_journal_of_a_later_form_is_refused_and_left_alone(tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "j")) as later:
        later.executescript("CREATE TABLE changes (x); PRAGMA user_version=99;")
    with pytest.raises(JournalError, match="newer f7tfs"):
        Journal(tmp_path / "j")
    with contextlib.closing(sqlite3.connect(tmp_path / "j")) as later:
        assert later.execute("SELECT name FROM sqlite_master").fetchall() == [("changes",)]


def test_what_is_no_journal_is_refused(tmp_path: Path) -> None:
    (tmp_path / "j").write_bytes(b"no database at all, but long enough to be taken for one" * 100)
    with pytest.raises(JournalError, match="cannot be read"):
        Journal(tmp_path / "j")


def test_facts_are_kept(tmp_path: Path) -> None:
    async def first(journal: Journal) -> None:
        assert journal.fact("zone") is None
        await journal.set_fact("zone", "Europe/Zurich")

    async def second(journal: Journal) -> None:
        assert journal.fact("zone") == "Europe/Zurich"

    in_journal(tmp_path / "j", first)
    in_journal(tmp_path / "j", second)


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    async def work(_journal: Journal) -> None:
        assert (tmp_path / "j").stat().st_mode & 0o777 == 0o600

    in_journal(tmp_path / "j", work)


def test_whoever_finds_a_content_at_its_place_knows_in_the_next_run_that_it_was_sent(tmp_path: Path) -> None:
    sent = Sent(3, "digest")

    async def first(journal: Journal) -> None:
        log = ChangeLog(journal, Reachability(60), 0)
        node, content = a_file(tmp_path)
        other, _ = a_file(tmp_path)
        other.name = "other"
        change = log.register(ChangeKind.CONTENT, node, node.path)
        change.content = content
        log.register(ChangeKind.UNLINK, node, node.path, standing=Standing(Version("raw", 7)))
        log.register(ChangeKind.RENAME, other, other.path, new_path=node.path, new_standing=Standing())
        log.register(ChangeKind.UNLINK, other, other.path, standing=Standing())
        for each in log.changes.values():
            await log.keep(each)
        await log.arrives(node.path, Standing(sent=(sent,)), None, other)

    async def second(journal: Journal) -> None:
        content, unlink, rename, unconcerned = journal.load()
        assert standing.load(content.standing).sent == (sent,)
        assert standing.load(unlink.standing) == Standing(Version("raw", 7), (sent,))
        assert standing.load(rename.new_standing) == Standing(sent=(sent,))
        assert standing.load(rename.standing).sent == ()
        assert standing.load(unconcerned.standing) == Standing()

    in_journal(tmp_path / "j", first)
    in_journal(tmp_path / "j", second)


def test_what_waits_behind_a_locked_file_cannot_be_waited_for_by_who_holds_it(tmp_path: Path) -> None:
    async def work(journal: Journal) -> None:
        log = ChangeLog(journal, Reachability(60), 0)
        node, _ = a_file(tmp_path)
        other, _ = a_file(tmp_path)
        content = log.register(ChangeKind.UNLINK, node, "/home/user/d/f")
        behind = log.register(ChangeKind.RENAME, other, "/home/user/d", new_path="/home/user/e")
        beside = log.register(ChangeKind.UNLINK, other, "/home/user/g")
        for paths, held_up in ((behind.paths, True), (beside.paths, False)):
            ahead = Ahead(log, lambda _: True, lambda _: False)
            ahead.look(paths)
            assert ahead.meets([content]) is held_up

    in_journal(tmp_path / "j", work)
