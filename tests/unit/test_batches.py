"""Which changes travel together in one archive."""

from __future__ import annotations

from pathlib import Path

import pytest

from f7tfs.cluster.model import Kind
from f7tfs.vfs.batches import FEWEST, MOST_KNOWN, candidates, plan
from f7tfs.vfs.change import Change, ChangeKind, State
from f7tfs.vfs.content import Content
from f7tfs.vfs.inodes import InodeTable
from f7tfs.vfs.nodes import Attributes, Directory, File, Sent, Standing, Version
from f7tfs.vfs.tree import Tree, make_root

LIMIT = 100_000


class Home:
    """A tree whose `project` is on the cluster and listed, and the changes made in it."""

    def __init__(self) -> None:
        self.root = make_root("/home/user", Attributes(Kind.DIRECTORY, 0o755, "user", "users", 4096, 0))
        self.tree = Tree(InodeTable(), self.root, lambda _text: 0)
        self.changes: list[Change] = []
        self.project = self._directory(self.root, "project")
        self.project.listed = 0

    def _directory(self, parent: Directory, name: str) -> Directory:
        attributes = Attributes(Kind.DIRECTORY, 0o755, "user", "users", 4096, 0)
        node = self.tree.make(parent, name, attributes, None, 0)
        self.tree.attach(node, parent, name)
        assert isinstance(node, Directory)
        return node

    def mkdir(self, parent: Directory, name: str) -> Directory:
        node = self._directory(parent, name)
        node.on_cluster = False
        self._note(ChangeKind.MKDIR, node, None)
        return node

    def files(self, parent: Directory, count: int, size: int = 100) -> list[Change]:
        return [self.file(parent, f"f{index}", size) for index in range(count)]

    def file(self, parent: Directory, name: str, size: int = 100) -> Change:
        node = self.tree.make(parent, name, Attributes(Kind.FILE, 0o644, "user", "users", size, 0), None, 0)
        self.tree.attach(node, parent, name)
        node.on_cluster = False
        return self._note(ChangeKind.CONTENT, node, Content(Path("/nowhere"), size, None))

    def _note(self, kind: ChangeKind, node: Directory | File | object, content: Content | None) -> Change:
        assert isinstance(node, (Directory, File))
        change = Change(row=len(self.changes) + 1, kind=kind, node=node, path=node.path, content=content)
        self.changes.append(change)
        return change

    def candidates(self, claims: list[tuple[str, ...]] | None = None) -> list[str]:
        return [change.path for change in candidates(self.changes, claims or [], lambda _change: True, 0)]

    def plan(self) -> list[str]:
        found = candidates(self.changes, [], lambda _change: True, 0)
        batch = plan(found, self.root, LIMIT)
        return [] if batch is None else [change.path for change in batch.changes]


@pytest.fixture
def home() -> Home:
    return Home()


def test_a_new_tree_travels_whole_directories_first(home: Home) -> None:
    tree = home.mkdir(home.project, "tree")
    home.files(home.mkdir(tree, "d"), 5)
    assert home.plan() == [change.path for change in home.changes]
    assert home.plan()[0] == "/home/user/project/tree"


def test_few_things_do_not_pay(home: Home) -> None:
    home.files(home.project, FEWEST - 1)
    assert home.plan() == []
    home.file(home.project, "one more")
    assert len(home.plan()) == FEWEST


def test_what_was_there_or_may_have_arrived_goes_by_itself(home: Home) -> None:
    home.files(home.project, 10)
    there, tried, sent, failed, taken, later = home.changes[:6]
    there.node.on_cluster = True
    tried.attempts = 1
    assert isinstance(sent.node, File)
    sent.node.standing = Standing(sent=(Sent(100, "digest"),))
    failed.state, taken.sending, later.not_before = State.FAILED, True, 10
    home.project.remains["f6"] = (Sent(1, "digest"),)
    assert isinstance(home.changes[7].node, File)
    home.changes[7].node.standing = Standing(Version("then", 1))
    assert home.candidates() == ["/home/user/project/f8", "/home/user/project/f9"]


def test_what_waits_for_something_else_waits_on(home: Home) -> None:
    tree = home.mkdir(home.project, "tree")
    home.files(tree, 10)
    home.changes[0].attempts = 1
    assert home.candidates() == []
    home.changes[0].attempts = 0
    assert home.candidates([("/home/user/project/tree/f3",)]) == []


def test_what_was_renamed_or_removed_since_does_not_travel(home: Home) -> None:
    home.files(home.project, 3)
    first, second, _third = home.changes
    first.node.unlinked = True
    second.node.moved = (home.project, "was")
    assert home.candidates() == ["/home/user/project/f2"]


def test_an_archive_has_the_size_of_one_upload(home: Home) -> None:
    home.files(home.project, 20, size=LIMIT // 10)
    assert FEWEST <= len(home.plan()) < 10


def test_where_little_is_known_only_one_directory_and_what_is_new_in_it_travels(home: Home) -> None:
    others = home.tree.make(home.project, "others", home.project.attributes, None, 0)
    home.tree.attach(others, home.project, "others")
    home.files(home.mkdir(home.project, "tree"), 8)
    assert isinstance(others, Directory)
    home.file(others, "elsewhere")
    # `others` was never listed: a recursive listing of the project may be of any size.
    assert home.plan() == [change.path for change in home.changes[:-1]]
    others.listed = 0
    assert home.plan() == [change.path for change in home.changes]


def test_a_large_tree_is_not_listed_whole_for_an_archive(home: Home) -> None:
    home.files(home.project, 6)
    for index in range(MOST_KNOWN):
        attributes = Attributes(Kind.FILE, 0o644, "user", "users", 1, 0)
        home.tree.attach(home.tree.make(home.project, f"n{index}", attributes, None, 0), home.project, f"n{index}")
    found = candidates(home.changes, [], lambda _change: True, 0)
    batch = plan(found, home.root, LIMIT)
    assert batch is not None
    assert not batch.whole
