"""Which removed subtrees go in one call."""

from __future__ import annotations

import pytest

from f7tfs.cluster.model import Kind
from f7tfs.vfs.change import Change, ChangeKind, State
from f7tfs.vfs.nodes import Attributes
from f7tfs.vfs.subtree_removals import removed_trees
from f7tfs.vfs.tree import make_root

TOP = "/home/user/project"
NODE = make_root("/home/user", Attributes(Kind.DIRECTORY, 0o755, "user", "users", 4096, 0))
NOW = 100.0


class Journal:
    """Changes in their order, by paths relative to `project`."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self.claims: list[tuple[str, ...]] = []

    def add(self, kind: ChangeKind, *names: str) -> list[Change]:
        added = [
            Change(row=len(self.changes) + 1 + index, kind=kind, node=NODE, path=f"{TOP}/{name}")
            for index, name in enumerate(names)
        ]
        self.changes += added
        return added

    def remove(self, *names: str) -> list[Change]:
        """In this order; what ends with a slash is a directory."""
        added = []
        for name in names:
            kind = ChangeKind.RMDIR if name.endswith("/") else ChangeKind.UNLINK
            added += self.add(kind, name.rstrip("/"))
        return added

    def trees(self) -> dict[str, list[str]]:
        """What goes together, by the place of the top."""
        found = removed_trees(self.changes, self.claims, NOW)
        assert all(tree.changes[-1].path == tree.top for tree in found)
        return {tree.top[len(TOP) + 1 :]: [change.path[len(TOP) + 1 :] for change in tree.changes] for tree in found}


@pytest.fixture
def journal() -> Journal:
    return Journal()


def test_a_tree_goes_as_one_with_all_that_was_in_it(journal: Journal) -> None:
    names = ["t/a/1", "t/a/2", "t/a/", "t/b/1", "t/b/", "t/3", "t/"]
    journal.remove(*names)
    assert journal.trees() == {"t": [name.rstrip("/") for name in names]}


def test_what_is_removed_beside_each_other_goes_one_tree_after_the_other(journal: Journal) -> None:
    journal.remove("single", "a/1", "a/", "b/1", "b/2", "b/", "empty/")
    assert journal.trees() == {"a": ["a/1", "a"], "b": ["b/1", "b/2", "b"]}


def test_a_directory_with_something_left_in_it_does_not_go(journal: Journal) -> None:
    journal.remove("t/a/1", "t/a/", "t/b/1")
    assert journal.trees() == {"t/a": ["t/a/1", "t/a"]}


@pytest.mark.parametrize("kind", [ChangeKind.CONTENT, ChangeKind.MKDIR, ChangeKind.RENAME, ChangeKind.SYMLINK])
def test_what_has_to_be_done_before_in_the_tree_keeps_only_its_directories_back(
    journal: Journal, kind: ChangeKind
) -> None:
    journal.add(kind, "t/a/new")
    journal.remove("t/a/new", "t/a/", "t/b/1", "t/b/", "t/")
    assert journal.trees() == {"t/b": ["t/b/1", "t/b"]}


def test_what_has_to_be_done_before_above_the_tree_keeps_it_back(journal: Journal) -> None:
    journal.add(ChangeKind.RENAME, "t")
    journal.remove("t/a/1", "t/a/")
    assert journal.trees() == {}


def test_of_a_tree_that_was_made_anew_only_the_old_one_goes(journal: Journal) -> None:
    journal.remove("t/1", "t/2", "t/")
    journal.add(ChangeKind.MKDIR, "t")
    journal.add(ChangeKind.CONTENT, "t/1", "t/3")
    journal.remove("t/1")
    assert journal.trees() == {"t": ["t/1", "t/2", "t"]}


def test_what_is_under_way_failed_or_claimed_keeps_its_directories_back(journal: Journal) -> None:
    in_flight, _, failed, _, put_off, *_ = journal.remove(
        "t/a/1", "t/a/", "t/b/1", "t/b/", "t/c/1", "t/c/", "t/d/1", "t/d/", "t/e/1", "t/e/", "t/"
    )
    in_flight.sending = in_flight.in_flight = True
    failed.state = State.FAILED
    put_off.attempts, put_off.not_before = 1, NOW + 1
    journal.claims.append((f"{TOP}/t/d/1",))
    assert journal.trees() == {"t/e": ["t/e/1", "t/e"]}


def test_a_tree_waits_for_more_but_nothing_in_it_waits_longer(journal: Journal) -> None:
    changes = journal.remove("t/a/1", "t/a/", "t/")
    for change in changes:
        change.not_before = NOW + 1
    assert journal.trees() == {}
    changes[-1].not_before = NOW
    assert journal.trees() == {"t": ["t/a/1", "t/a", "t"]}


def test_an_earlier_run_may_have_removed_it_already(journal: Journal) -> None:
    for change in journal.remove("t/1", "t/"):
        change.recovered = True
    assert journal.trees() == {"t": ["t/1", "t"]}


def test_no_directory_above_something_unknown_goes_as_a_whole(journal: Journal) -> None:
    journal.remove("t/a/x/1", "t/a/x/", "t/a/2", "t/a/", "t/b/1", "t/b/", "t/")
    (tree,) = removed_trees(journal.changes, [], NOW)
    tree.spare(["a/unknown"])
    assert journal.trees() == {"t/a/x": ["t/a/x/1", "t/a/x"], "t/b": ["t/b/1", "t/b"]}


def test_where_a_tree_cannot_be_listed_its_subtrees_are_tried(journal: Journal) -> None:
    journal.remove("t/a/1", "t/a/", "t/b/1", "t/b/", "t/")
    (tree,) = removed_trees(journal.changes, [], NOW)
    tree.spare([""])
    assert list(journal.trees()) == ["t/a", "t/b"]
    for each in removed_trees(journal.changes, [], NOW):
        each.spare(each.removals_of())
    assert journal.trees() == {}


def test_a_place_that_was_removed_twice_has_two_removals(journal: Journal) -> None:
    journal.remove("t/1", "t/1", "t/")
    (tree,) = removed_trees(journal.changes, [], NOW)
    assert {name: len(changes) for name, changes in tree.removals_of().items()} == {"1": 2, "": 1}
