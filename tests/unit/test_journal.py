"""The journal on the disk."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import trio

from f7tfs.cluster.model import Kind
from f7tfs.vfs.content import Content, ContentStore
from f7tfs.vfs.inodes import InodeTable
from f7tfs.vfs.journal import Journal, SetTime
from f7tfs.vfs.nodes import Attributes, Directory, File
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


def test_a_change_is_there_after_the_daemon_died(tmp_path: Path) -> None:
    async def first(journal: Journal) -> None:
        node, content = a_file(tmp_path)
        change = await journal.begin(node, content)
        change.state = "ready"
        await journal.update(change)

    async def second(journal: Journal) -> None:
        (row,) = journal.load()
        assert (row.path, row.mode, row.mtime_ns, row.state) == ("/home/user/d/f", 0o600, 55, "ready")

    in_journal(tmp_path / "j", first)
    in_journal(tmp_path / "j", second)


def test_a_finished_change_is_gone_and_its_time_kept(tmp_path: Path) -> None:
    async def work(journal: Journal) -> None:
        node, content = a_file(tmp_path)
        change = await journal.begin(node, content)
        await journal.finish(change, SetTime(node.path, 3, None, 77))
        assert journal.load() == []
        assert await journal.times_in("/home/user/d") == {"f": SetTime("/home/user/d/f", 3, None, 77)}
        assert await journal.times_in("/home/user") == {}
        await journal.adopt_times([SetTime(node.path, 3, "raw", 77)])
        assert (await journal.times_in("/home/user/d"))["f"].modified == "raw"
        await journal.forget_times([node.path])
        assert await journal.times_in("/home/user/d") == {}

    in_journal(tmp_path / "j", work)


def test_paths_follow_the_rename_of_a_directory(tmp_path: Path) -> None:
    async def work(journal: Journal) -> None:
        node, content = a_file(tmp_path)
        await journal.begin(node, content)
        for name in ("d/f", "d/g", "dd/h", "e/x"):
            await journal.set_time(SetTime(f"/home/user/{name}", 1, None, 1))
        await journal.move("/home/user/d", "/home/user/e")
        assert [row.path for row in journal.load()] == ["/home/user/e/f"]
        assert set(await journal.times_in("/home/user/e")) == {"f", "g"}
        assert set(await journal.times_in("/home/user/dd")) == {"h"}

    in_journal(tmp_path / "j", work)


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
