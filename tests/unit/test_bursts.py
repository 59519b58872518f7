"""When one change after the other counts as a burst."""

from __future__ import annotations

import pytest

from f7tfs.cluster.model import Kind
from f7tfs.vfs.bursts import FEWEST, Bursts
from f7tfs.vfs.inodes import InodeTable
from f7tfs.vfs.nodes import Attributes, Directory
from f7tfs.vfs.tree import Tree, make_root

ATTRIBUTES = Attributes(Kind.DIRECTORY, 0o755, "user", "users", 4096, 0)


class Home:
    """Directories by their paths."""

    def __init__(self) -> None:
        self.root = make_root("/home/user", ATTRIBUTES)
        self._tree = Tree(InodeTable(), self.root, lambda _text: 0)

    def at(self, path: str) -> Directory:
        directory = self.root
        for name in filter(None, path.split("/")):
            if name not in directory.children:
                self._tree.attach(self._tree.make(directory, name, ATTRIBUTES, None, 0), directory, name)
            child = directory.children[name]
            assert isinstance(child, Directory)
            directory = child
        return directory


@pytest.fixture
def home() -> Home:
    return Home()


def noticed(home: Home, paths: list[str], bursts: Bursts, every: float = 0.1) -> list[bool]:
    return [bursts.note(home.at(path), every * index) for index, path in enumerate(paths)]


def test_the_first_few_changes_are_no_burst(home: Home) -> None:
    assert noticed(home, ["a"] * 6, Bursts()) == [False] * FEWEST + [True] * (6 - FEWEST)


def test_what_comes_slowly_is_none(home: Home) -> None:
    assert not any(noticed(home, ["a"] * 20, Bursts(), every=3.0))
    assert any(noticed(home, ["a"] * 20, Bursts(pause=4.0), every=3.0))


def test_a_burst_goes_on_from_directory_to_directory(home: Home) -> None:
    # As rm -r goes: what is in x/1, x/1 itself, what is in x/2, x itself, what is in y/1.
    told = noticed(home, ["x/1"] * 4 + ["x"] + ["x/2"] * 2 + ["x", "", "y/1", "y/1", "y"], Bursts())
    assert told == [False] * FEWEST + [True] * 9


def test_two_programs_far_from_each_other_are_told_apart(home: Home) -> None:
    assert not any(noticed(home, ["a/1/x", "b/1/x"] * FEWEST, Bursts()))
