"""When a directory of small files is fetched whole."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from f7tfs.cluster.model import Kind, Limits
from f7tfs.vfs.bundles import read_members
from f7tfs.vfs.content import Content
from f7tfs.vfs.inodes import InodeTable
from f7tfs.vfs.neighbours import BARRED_SECONDS, PACE_SECONDS, Neighbours
from f7tfs.vfs.nodes import Attributes, Directory, File
from f7tfs.vfs.tree import Tree, make_root

LIMITS = Limits(direct_read=1000, direct_write=1000)


class Home:
    """A tree of nodes of which nothing is here yet."""

    def __init__(self) -> None:
        self.root = make_root("/home/user", Attributes(Kind.DIRECTORY, 0o755, "user", "users", 4096, 0))
        self.root.listed = 0
        self.tree = Tree(InodeTable(), self.root, lambda _text: 0)

    def directory(self, name: str, parent: Directory | None = None) -> Directory:
        node = self._add(parent or self.root, name, Kind.DIRECTORY, 4096)
        assert isinstance(node, Directory)
        node.listed = 0
        return node

    def files(self, parent: Directory, count: int, size: int = 10) -> list[File]:
        made = [self._add(parent, f"f{index}", Kind.FILE, size) for index in range(count)]
        return [file for file in made if isinstance(file, File)]

    def _add(self, parent: Directory, name: str, kind: Kind, size: int) -> File | Directory:
        node = self.tree.make(parent, name, Attributes(kind, 0o644, "user", "users", size, 0), None, 0)
        self.tree.attach(node, parent, name)
        assert isinstance(node, (File, Directory))
        return node


@pytest.fixture
def home() -> Home:
    return Home()


def fetch(file: File) -> None:
    file.content = Content(Path("/nowhere"), file.attributes.size, None)
    file.content.present.add(0, file.attributes.size)


def read(
    neighbours: Neighbours, files: list[File], *, step: float = 0.1, walked: tuple[Directory, ...] = ()
) -> list[Directory | None]:
    """One after the other, each by itself, by one that has read the directories of `walked`."""
    plans = []
    for index, file in enumerate(files):
        plans.append(neighbours.plan(file, LIMITS, index * step, lambda directory: directory in walked))
        fetch(file)
    return plans


def test_the_third_file_in_order_brings_its_directory(home: Home) -> None:
    files = home.files(home.directory("d"), 10)
    assert read(Neighbours(), files[:3]) == [None, None, home.root.children["d"]]


def test_the_order_of_inode_numbers_is_one_too(home: Home) -> None:
    directory = home.directory("d")
    files = sorted(home.files(directory, 10), key=lambda file: file.number)
    assert read(Neighbours(), files[:3]) == [None, None, directory]


def test_one_file_brings_nothing(home: Home) -> None:
    assert read(Neighbours(), home.files(home.directory("d"), 10)[:1]) == [None]


def test_files_read_at_random_bring_their_directory_only_when_half_of_it_was_read(home: Home) -> None:
    directory = home.directory("d")
    files = home.files(directory, 20)
    order = [files[index] for index in range(0, 20, 2)][::-1]
    assert read(Neighbours(), order) == [None] * 9 + [directory]


def test_bytecode_comes_with_the_third_file_in_any_order(home: Home) -> None:
    directory = home.directory("__pycache__")
    files = home.files(directory, 20)
    order = [files[index] for index in range(0, 20, 2)][::-1]
    assert read(Neighbours(), order[:3]) == [None, None, directory]


def test_files_read_slowly_bring_nothing(home: Home) -> None:
    files = home.files(home.directory("d"), 10)
    assert read(Neighbours(), files[:5], step=PACE_SECONDS + 1) == [None] * 5


def test_after_a_directory_that_came_whole_the_next_one_brings_the_one_above(home: Home) -> None:
    above = home.directory("above")
    made = sorted((home.directory(name, above) for name in "abc"), key=lambda node: node.number)
    first, other, second = made[0], made[2], made[1]
    # In neither order does `other` follow `first`.
    above.children = {node.name: node for node in (other, first, second)}
    neighbours = Neighbours()
    for file in home.files(first, 5):
        fetch(file)
    neighbours.came(first, 0)
    assert neighbours.plan(home.files(other, 5)[0], LIMITS, 1) is None
    assert neighbours.plan(home.files(second, 5)[0], LIMITS, 1) is above


def test_the_first_directory_of_the_next_tree_brings_the_tree(home: Home) -> None:
    trees = [home.directory(name) for name in ("t1", "t2")]
    first, second = sorted(trees, key=lambda node: node.number)
    home.root.children = {first.name: first, second.name: second}
    neighbours = Neighbours()
    read(neighbours, home.files(home.directory("d", first), 5))
    files = sorted(home.files(home.directory("d", second), 6), key=lambda file: file.number)
    assert read(neighbours, files[:2]) == [None, home.root]


def test_who_has_gone_through_the_directories_above_gets_all_of_them(home: Home) -> None:
    top = home.directory("top")
    middle = home.directory("middle", top)
    leaf = home.directory("leaf", middle)
    files = home.files(leaf, 20)
    assert read(Neighbours(), files[:3], walked=(leaf, middle, top)) == [None, None, top]
    assert read(Neighbours(), files[3:6], walked=(leaf, top)) == [None, None, leaf], "another read what is between"
    assert read(Neighbours(), files[6:9]) == [None, None, leaf]


def test_of_what_was_gone_through_no_more_comes_than_one_download_brings(home: Home) -> None:
    top = home.directory("top")
    leaf = home.directory("leaf", top)
    files = home.files(leaf, 10)
    home.files(home.directory("other", top), 10, size=95)
    assert read(Neighbours(), files[:3], walked=(leaf, top)) == [None, None, leaf]


def test_what_is_not_known_whole_or_too_large_does_not_come_whole(home: Home) -> None:
    known = home.directory("known")
    unknown = home.directory("unknown", known)
    unknown.listed = float("-inf")
    assert read(Neighbours(), home.files(known, 10)[:3]) == [None] * 3
    assert read(Neighbours(), home.files(home.directory("large"), 10, size=500)[:3]) == [None] * 3


def test_what_was_refused_is_left_alone_for_an_hour(home: Home) -> None:
    directory = home.directory("d")
    files = home.files(directory, 10)
    neighbours = Neighbours()
    neighbours.refused(directory, 0)
    assert read(neighbours, files[:3]) == [None] * 3
    assert read(neighbours, files[3:6], step=0)[-1] is None
    later = [neighbours.plan(file, LIMITS, BARRED_SECONDS + 1) for file in files[6:9]]
    assert later == [None, None, directory]


def test_only_members_of_the_known_version_are_taken(tmp_path: Path) -> None:
    archive = tmp_path / "a.tar.gz"
    with tarfile.open(archive, "w:gz") as bundle:
        for name, mtime in (("d/same", 1.9), ("d/newer", 5), ("d/longer", 1), ("d/unasked", 1), ("../d/same", 1)):
            info = tarfile.TarInfo(name)
            info.mtime, info.size = mtime, 4
            bundle.addfile(info, io.BytesIO(b"data"))
        link = tarfile.TarInfo("d/link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        bundle.addfile(link)
    expected = {"d/same": (4, 1), "d/newer": (4, 1), "d/longer": (3, 1), "d/link": (0, 0)}
    assert read_members(archive, expected) == {"d/same": b"data"}


def test_half_an_archive_is_an_error(tmp_path: Path) -> None:
    archive = tmp_path / "a.tar.gz"
    with tarfile.open(archive, "w:gz") as bundle:
        info = tarfile.TarInfo("d/f")
        info.size = 4000
        bundle.addfile(info, io.BytesIO(bytes(range(250)) * 16))
    archive.write_bytes(archive.read_bytes()[:-40])
    with pytest.raises((tarfile.TarError, EOFError, OSError)):
        read_members(archive, {"d/f": (4000, 0)})
