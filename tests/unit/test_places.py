"""Where something is asked for while a rename of it is being made on the cluster."""

from __future__ import annotations

import pytest
import trio

from f7tfs.cluster.errors import NotADirectory, NotFound
from f7tfs.cluster.model import Kind
from f7tfs.vfs.inodes import InodeTable
from f7tfs.vfs.names import at_its_place
from f7tfs.vfs.nodes import Attributes, Directory, Node
from f7tfs.vfs.tree import Tree, make_root


@pytest.fixture
def node() -> Node:
    """`new`, which the cluster had as `old` when its rename began."""
    attributes = Attributes(Kind.DIRECTORY, 0o755, "user", "users", 4096, 0)
    root = make_root("/home/user", attributes)
    tree = Tree(InodeTable(), root, lambda _text: 0)
    node = tree.make(root, "new", attributes, None, 0)
    tree.attach(node, root, "new")
    node.moved, node.arriving = (root, "old"), (root, "new")
    return node


@pytest.mark.parametrize("there", ["/home/user/old", "/home/user/new"])
def test_it_is_found_at_either_place(node: Node, there: str) -> None:
    async def ask(path: str) -> str:
        if path != there:
            raise NotFound(path)
        return path

    assert trio.run(at_its_place, node, ask) == there


def test_it_is_found_at_the_next_place_where_another_thing_is_in_the_way_to_the_first(node: Node) -> None:
    async def ask(path: str) -> str:
        if path == "/home/user/old":
            raise NotADirectory(path)
        return path

    assert trio.run(at_its_place, node, ask) == "/home/user/new"


def test_what_is_at_neither_place_is_gone(node: Node) -> None:
    asked = []

    async def ask(path: str) -> str:
        asked.append(path)
        raise NotFound(path)

    with pytest.raises(NotFound):
        trio.run(at_its_place, node, ask)
    assert asked == ["/home/user/old", "/home/user/new"]


def test_without_a_rename_it_is_asked_for_once(node: Node) -> None:
    node.moved = node.arriving = None
    asked = []

    async def ask(path: str) -> str:
        asked.append(path)
        raise NotFound(path)

    with pytest.raises(NotFound):
        trio.run(at_its_place, node, ask)
    assert asked == ["/home/user/new"]


def test_what_took_its_place_is_not_taken_for_it(node: Node) -> None:
    node.moved, node.unlinked = None, True
    parent = node.parent
    assert parent is not None

    async def ask(path: str) -> str:
        return path

    del parent.children["new"]
    assert trio.run(at_its_place, node, ask) == "/home/user/new"
    parent.children["new"] = Node(number=9, name="new", parent=parent, attributes=node.attributes)
    with pytest.raises(NotFound):
        trio.run(at_its_place, node, ask)


def test_what_is_made_at_its_old_place_meanwhile_is_another_thing(node: Node) -> None:
    async def ask(path: str) -> str:
        # The rename ends before this is answered.
        node.moved = node.arriving = None
        return path

    assert trio.run(at_its_place, node, ask) == "/home/user/new"


def test_it_is_not_looked_for_where_a_later_rename_will_bring_it(node: Node) -> None:
    """`new` is where it is shown; the rename that is being made brings it to another name first."""
    root = node.parent
    assert root is not None
    node.arriving = (root, "between")

    async def ask(path: str) -> str:
        if path.endswith("old"):
            raise NotFound(path)
        return path

    assert trio.run(at_its_place, node, ask) == "/home/user/between"


def test_of_renames_of_it_and_of_what_it_lies_in_one_is_made_at_a_time(node: Node) -> None:
    assert isinstance(node, Directory)
    root = node.parent
    assert root is not None
    inner = Directory(number=3, name="shown", parent=node, attributes=node.attributes)
    inner.moved, inner.arriving = (node, "inner"), (root, "out")
    assert inner.remote_places == [f"/home/user/{place}" for place in ("old/inner", "new/inner", "out")]
