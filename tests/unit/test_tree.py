"""What a listing makes of the tree."""

from __future__ import annotations

import dataclasses

import pytest

from f7tfs.cluster.model import Entry, Kind, Stat
from f7tfs.vfs import merging
from f7tfs.vfs.inodes import InodeTable
from f7tfs.vfs.journal import Kept, SetTime
from f7tfs.vfs.merging import Merged
from f7tfs.vfs.nodes import Attributes, Directory, Node, Version, told_by_stat
from f7tfs.vfs.tree import Tree, make_root

OLD, NEW, NEWER = "2020-01-01T00:00:00", "2021-01-01T00:00:00", "2022-01-01T00:00:00"
SECONDS = {OLD: 1_577_836_800, NEW: 1_609_459_200, NEWER: 1_640_995_200}


@pytest.fixture
def tree() -> Tree:
    root = make_root("/home/user", Attributes(Kind.DIRECTORY, 0o755, "user", "users", 4096, 0))
    return Tree(InodeTable(), root, lambda text: SECONDS[text])


def entry(name: str, size: int = 3, modified: str = OLD, kind: Kind = Kind.FILE) -> Entry:
    return Entry(name, kind, 0o644, "user", "users", size, modified)


def merge(tree: Tree, *entries: Entry, asked: float = 10.0, times: dict[str, SetTime] | None = None) -> Merged:
    return merging.merge(tree, tree.root, entries, Kept(times or {}, {}), asked, asked)


def child(tree: Tree, name: str) -> Node:
    return tree.root.children[name]


def test_a_listing_makes_nodes_with_paths(tree: Tree) -> None:
    merge(tree, entry("f"), entry("d", kind=Kind.DIRECTORY))
    assert child(tree, "f").path == "/home/user/f"
    assert isinstance(child(tree, "d"), Directory)
    assert child(tree, "f").attributes.mtime_ns == SECONDS[OLD] * 10**9


def test_a_node_stays_itself_while_its_kind_does(tree: Tree) -> None:
    merge(tree, entry("f"))
    first = child(tree, "f")
    merge(tree, entry("f", size=5), asked=20)
    assert child(tree, "f") is first
    merge(tree, entry("f", kind=Kind.DIRECTORY), asked=30)
    assert child(tree, "f") is not first
    assert first.unlinked


def test_a_changed_version_is_told(tree: Tree) -> None:
    merge(tree, entry("f"))
    assert merge(tree, entry("f"), asked=20).changed == []
    assert merge(tree, entry("f", size=5), asked=30).changed == [child(tree, "f")]
    assert merge(tree, entry("f", size=5, modified=NEW), asked=40).changed == [child(tree, "f")]


def test_what_is_gone_is_removed(tree: Tree) -> None:
    merge(tree, entry("f"), entry("g"))
    gone = child(tree, "f")
    assert merge(tree, entry("g"), asked=20).vanished == [gone]
    assert list(tree.root.children) == ["g"]


def test_a_listing_asked_for_before_our_own_change_says_nothing_about_it(tree: Tree) -> None:
    merge(tree, entry("f"), entry("g"))
    tree.detach(child(tree, "g"), when=25)
    child(tree, "f").touched = 25
    child(tree, "f").attributes.size = 100
    merge(tree, entry("g"), entry("f", size=50), asked=20)
    assert "g" not in tree.root.children, "a removed file came back"
    assert child(tree, "f").attributes.size == 100
    merge(tree, entry("g"), entry("f", size=50), asked=30)
    assert child(tree, "f").attributes.size == 50
    assert "g" in tree.root.children, "somebody else made it since"


def test_our_own_upload_is_adopted_with_the_time_set_here(tree: Tree) -> None:
    merge(tree, entry("f"))
    node = child(tree, "f")
    node.version, node.written_here, node.attributes.mtime_ns, node.attributes.size = None, True, 77, 5
    merged = merge(tree, entry("f", size=5, modified=NEW), asked=20)
    assert merged.changed == []
    assert node.attributes.mtime_ns == 77
    assert merged.adopted == [SetTime("/home/user/f", 5, NEW, 77)]


def test_an_upload_of_ours_that_somebody_replaced_is_a_change(tree: Tree) -> None:
    merge(tree, entry("f"))
    node = child(tree, "f")
    node.version, node.written_here, node.attributes.size = None, True, 5
    merged = merge(tree, entry("f", size=6, modified=NEW), asked=20)
    assert merged.changed == [node]
    assert merged.forgotten == ["/home/user/f"]
    assert node.attributes.mtime_ns == SECONDS[NEW] * 10**9


@pytest.mark.parametrize(
    ("kept", "shown"),
    [
        (SetTime("/home/user/f", 3, OLD, 77), 77),
        (SetTime("/home/user/f", 3, None, 77), 77),
        (SetTime("/home/user/f", 3, NEW, 77), SECONDS[OLD] * 10**9),
        (SetTime("/home/user/f", 4, None, 77), SECONDS[OLD] * 10**9),
    ],
)
def test_a_time_set_in_an_earlier_run_is_shown_while_its_version_stands(
    tree: Tree, kept: SetTime, shown: int
) -> None:
    merged = merge(tree, entry("f"), times={"f": kept})
    assert child(tree, "f").attributes.mtime_ns == shown
    assert bool(merged.forgotten) == (shown != 77)


def test_inode_numbers_come_from_paths_and_follow_renames(tree: Tree) -> None:
    merge(tree, entry("f"))
    number = child(tree, "f").number
    tree.move(child(tree, "f"), tree.root, "g", 15)
    assert child(tree, "g").number == number
    merge(tree, entry("f"), entry("g"), asked=20)
    assert child(tree, "f").number != number, "the number is taken"


def test_a_collapsed_directory_forgets_what_nobody_knows(tree: Tree) -> None:
    merge(tree, entry("known"), entry("idle"))
    child(tree, "known").lookups = 1
    tree.collapse(tree.root)
    assert list(tree.root.children) == ["known"]
    assert tree.root.listed == float("-inf")


def test_a_version_seen_within_its_own_second_is_not_settled(tree: Tree) -> None:
    assert tree.version_of(entry("f")).settled
    far = dataclasses.replace(entry("f"), modified="9999-01-01T00:00:00")
    SECONDS[far.modified] = 2**40
    assert not tree.version_of(far).settled


def test_paths_below_the_root_of_all(tree: Tree) -> None:
    root = make_root("/", Attributes(Kind.DIRECTORY, 0o755, "root", "root", 0, 0))
    top = Tree(InodeTable(), root, lambda _: 0)
    merging.merge(top, root, [entry("home", kind=Kind.DIRECTORY)], Kept({}, {}), 1, 1)
    assert root.path == "/"
    assert root.children["home"].path == "/home"


def test_a_number_follows_from_the_directorys_and_the_name_and_survives_renames(tree: Tree) -> None:
    merge(tree, entry("d", kind=Kind.DIRECTORY))
    directory = child(tree, "d")
    assert isinstance(directory, Directory)
    merging.merge(tree, directory, [entry("x")], Kept({}, {}), 10, 10)
    number = directory.children["x"].number
    tree.detach(directory.children["x"], 11)
    tree.move(directory, tree.root, "e", 12)
    merging.merge(tree, directory, [entry("x"), entry("y")], Kept({}, {}), 20, 20)
    assert directory.children["x"].number == number
    assert directory.children["y"].number != number


def test_a_number_that_the_journal_keeps_is_given_to_nothing_else(tree: Tree) -> None:
    free = tree.make(tree.root, "d", Attributes(Kind.DIRECTORY, 0o755, "user", "users", 0, 0), None, 0).number
    inodes = InodeTable()
    inodes.kept.add(free)
    later = Tree(inodes, make_root("/home/user", Attributes(Kind.DIRECTORY, 0o755, "", "", 0, 0)), lambda _: 0)
    merging.merge(later, later.root, [entry("d"), entry("e")], Kept({}, {"e": free}), 10, 10)
    assert later.root.children["e"].number == free
    assert later.root.children["d"].number not in (free, 0)


def test_numbers_are_given_anew_by_the_last_places(tree: Tree) -> None:
    merge(tree, entry("d", kind=Kind.DIRECTORY))
    directory = child(tree, "d")
    assert isinstance(directory, Directory)
    merging.merge(tree, directory, [entry("x")], Kept({}, {}), 10, 10)
    first = (directory.number, directory.children["x"].number)
    tree.renumber({})
    assert (directory.number, directory.children["x"].number) == first
    tree.renumber({"/home/user/d": 77})
    assert directory.number == 77
    assert directory.children["x"].number != first[1]


def test_times_told_before_the_zone_was_known_are_set_right(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    merge(tree, entry("told"), entry("written"), entry("alone"))
    written, alone = child(tree, "written"), child(tree, "alone")
    written.written_here, written.attributes.mtime_ns = True, 5
    alone.version, alone.attributes.mtime_ns = (
        Version(told_by_stat(Stat(Kind.FILE, 0o644, 1, 1, 0, 0, 3, 7, 7, 7)), 3),
        7,
    )
    monkeypatch.setitem(SECONDS, OLD, SECONDS[OLD] - 7200)
    tree.reckon_times()
    assert child(tree, "told").attributes.mtime_ns == SECONDS[OLD] * 10**9
    assert (written.attributes.mtime_ns, alone.attributes.mtime_ns) == (5, 7)


def test_a_directory_keeps_the_time_set_here_while_our_own_changes_in_it_move_the_clusters(tree: Tree) -> None:
    """As `rsync -a` leaves it: the time is set last here, and its files arrive later."""
    merge(tree, entry("d", kind=Kind.DIRECTORY))
    node = child(tree, "d")
    assert isinstance(node, Directory)
    node.written_here, node.attributes.mtime_ns = True, 77
    node.flux["f"] += 1
    merge(tree, entry("d", modified=NEW, kind=Kind.DIRECTORY), asked=20)
    del node.flux["f"]
    node.entries_made(now=40)
    # Asked for before the change in it was made, told after.
    merge(tree, entry("d", modified=NEW, kind=Kind.DIRECTORY), asked=30)
    merged = merge(tree, entry("d", modified=NEWER, kind=Kind.DIRECTORY), asked=50)
    assert node.attributes.mtime_ns == 77
    assert merged.adopted == [SetTime("/home/user/d", None, NEWER, 77)]
    merge(tree, entry("d", modified=OLD, kind=Kind.DIRECTORY), asked=60)
    assert node.attributes.mtime_ns == SECONDS[OLD] * 10**9, "somebody else changed it"
