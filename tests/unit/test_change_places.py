"""The index of waiting changes finds what comparing with each of them finds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from f7tfs.cluster.model import Kind
from f7tfs.vfs.change import Change, ChangeKind, meet
from f7tfs.vfs.change_places import Places
from f7tfs.vfs.nodes import Attributes, File

ATTRIBUTES = Attributes(Kind.FILE, 0o644, "user", "users", 0, 0)
paths = st.lists(st.sampled_from("abc"), max_size=3).map(lambda parts: "/" + "/".join(parts))
some_paths = st.lists(paths, min_size=1, max_size=2)


def a_change(row: int, at: list[str], node: File) -> Change:
    new_path = at[1] if len(at) > 1 else ""
    return Change(row=row, kind=ChangeKind.RENAME, node=node, path=at[0], new_path=new_path)


@given(st.lists(st.tuples(some_paths, st.integers(0, 2), st.booleans())), some_paths)
def test_the_index_says_what_comparing_with_each_says(
    history: list[tuple[list[str], int, bool]], asked: list[str]
) -> None:
    nodes = [File(number=n, name="", parent=None, attributes=ATTRIBUTES) for n in range(3)]
    places, left = Places(), []
    for row, (at, owner, goes) in enumerate(history):
        change = a_change(row, at, nodes[owner])
        places.add(change)
        left.append((change, goes))
    for change, goes in left:
        if goes:
            places.remove(change)
    kept = [change for change, goes in left if not goes]
    assert places.meeting(asked) == [change for change in kept if meet(change.paths, asked)]
    for node in nodes:
        assert places.of(node) == [change for change in kept if change.node is node]


def test_nothing_is_left_of_what_was_removed() -> None:
    places = Places()
    change = a_change(1, ["/a/b", "/a/b"], File(number=1, name="", parent=None, attributes=ATTRIBUTES))
    places.add(change)
    assert places.meeting(["/"]) == [change]
    places.remove(change)
    assert places.meeting(["/"]) == []
    assert places.of(change.node) == []
