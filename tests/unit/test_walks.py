"""When a walk is noticed, and what is listed whole then."""

from __future__ import annotations

from dataclasses import replace

from f7tfs.cluster.model import Entry, Kind
from f7tfs.vfs.inodes import InodeTable
from f7tfs.vfs.nodes import Attributes, Directory
from f7tfs.vfs.subtrees import by_directory
from f7tfs.vfs.tree import Tree, make_root
from f7tfs.vfs.walks import BARRED_SECONDS, MOST_ENTRIES, MOST_SECONDS, PACE_SECONDS, STRIDE_SECONDS, Plan, Walks


def attributes() -> Attributes:
    return Attributes(Kind.DIRECTORY, 0o755, "user", "users", 4096, 0)


def grown(depth: int, width: int) -> Directory:
    """A tree of directories, `width` in each, `depth` levels of them."""
    root = make_root("/home/user", attributes())
    tree = Tree(InodeTable(), root, lambda _text: 0)
    level = [root]
    for _ in range(depth):
        below = []
        for parent in level:
            for index in range(width):
                node = tree.make(parent, f"d{index}", attributes(), None, 0)
                tree.attach(node, parent, node.name)
                assert isinstance(node, Directory)
                below.append(node)
        level = below
    return root


def test_who_only_looks_for_names_goes_on_from_the_fourth_directory() -> None:
    root, walks = grown(1, 6), Walks()
    first, second, third, fourth, fifth, _ = (
        child for child in root.children.values() if isinstance(child, Directory)
    )
    for directory in (first, second, third):
        assert walks.plan(directory, 10.0, looking=True).subtrees == []
        walks.listed(directory, 10.0, looking=True)
    assert walks.plan(fourth, 10.1).subtrees == [], "nobody has read one of them"
    assert walks.plan(fourth, 10.1, looking=True).subtrees == [root, fourth], "the others hold no directories"
    assert walks.plan(fourth, 10.1, looking=True).guessed, "it may be the last one"
    walks.listed(fourth, 10.2, entries=10, looking=True)
    assert walks.plan(fifth, 10.3, looking=True).subtrees == [root, fifth]


def test_what_was_noticed_of_who_only_looks_is_noticed_one_level_up() -> None:
    root, walks = grown(2, 5), Walks()
    first, second = (child for child in list(root.children.values())[:2] if isinstance(child, Directory))
    walks.listed(first, 10.0, looking=True)
    assert walks.plan(second, 10.1, looking=True).subtrees == []
    walks.listed(first, 10.2, entries=50, looking=True)
    assert walks.plan(second, 10.3, looking=True).subtrees == [root, second]


def package() -> tuple[Directory, Directory]:
    """A directory, and the `__pycache__` in it."""
    root = make_root("/home/user", attributes())
    tree = Tree(InodeTable(), root, lambda _text: 0)
    top = tree.make(root, "package", attributes(), None, 0)
    assert isinstance(top, Directory)
    tree.attach(top, root, top.name)
    bytecode = tree.make(top, "__pycache__", attributes(), None, 0)
    assert isinstance(bytecode, Directory)
    tree.attach(bytecode, top, bytecode.name)
    return top, bytecode


def test_a_python_package_is_listed_whole_for_who_imports_it() -> None:
    top, bytecode = package()
    assert Walks().plan(bytecode, 10.0, looking=True).subtrees == [], "site-packages are none"
    init = Tree(InodeTable(), top, lambda _text: 0)
    init.attach(init.make(top, "__init__.py", replace(attributes(), kind=Kind.FILE), None, 0), top, "__init__.py")
    assert Walks().plan(bytecode, 10.0, looking=True) == Plan([top], guessed=True)
    assert Walks().plan(bytecode, 10.0).subtrees == []
    for failing in (Walks.refused, Walks.slow):
        walks = Walks()
        failing(walks, top, 10.0)
        assert walks.plan(bytecode, 10.1, looking=True).subtrees == []


def test_git_is_noticed_by_its_first_look_into_the_work_tree() -> None:
    root = grown(2, 3)
    repository, other, _ = (child for child in root.children.values() if isinstance(child, Directory))
    git, first, second = (child for child in repository.children.values() if isinstance(child, Directory))
    tree = Tree(InodeTable(), root, lambda _text: 0)
    tree.move(git, repository, ".git", 0)
    refs = tree.make(git, "refs", attributes(), None, 0)
    tree.attach(refs, git, "refs")
    assert isinstance(refs, Directory)
    walks = Walks()
    assert walks.plan(first, 10.0, looking=True).subtrees == [], "it has not looked at its own"
    walks.listed(refs, 10.0, looking=True)
    assert walks.plan(first, 10.1, looking=True) == Plan([first], guessed=True)
    assert walks.plan(git, 10.1, looking=True).subtrees == []
    assert walks.plan(other, 10.1, looking=True).subtrees == []
    assert walks.plan(first, 10.1 + PACE_SECONDS, looking=True).subtrees == []
    walks.listed(first, 10.2, entries=20, looking=True)
    assert walks.plan(second, 10.3, looking=True).subtrees == [repository, second]


def test_who_only_looks_for_names_waits_for_a_slow_subtree_once() -> None:
    root, walks = grown(1, 6), Walks()
    first, second, third, fourth, fifth, _ = (
        child for child in root.children.values() if isinstance(child, Directory)
    )
    for directory in (first, second, third):
        walks.listed(directory, 10.0, looking=True)
    walks.slow(fourth, 12.0)
    assert walks.plan(fifth, 12.1, looking=True).subtrees == []


def directories(directory: Directory) -> list[Directory]:
    found = [child for child in directory.children.values() if isinstance(child, Directory)]
    return [directory, *(below for child in found for below in directories(child))]


def walk(walks: Walks, root: Directory, *, step: float = 0.1, process: int = 0) -> list[str]:
    """Depth first, as find does; returns the calls that are made."""
    known: set[int] = set()
    calls = []
    now = 0.0
    for directory in directories(root):
        now += step
        if directory.number not in known:
            wanted = walks.plan(directory, now, process=process).subtrees
            subtree = wanted[0] if wanted else directory
            calls.append(("tree " if wanted else "list ") + subtree.path.removeprefix("/home/user"))
            found = directories(subtree) if wanted else [directory]
            known |= {below.number for below in found}
            walks.listed(subtree, now, entries=len(found) if wanted else 0)
        walks.visited(directory, now, process=process)
    return calls


def test_a_walk_grows_from_the_leaves_until_all_is_known() -> None:
    calls = walk(Walks(), grown(depth=2, width=10))
    assert calls == ["list ", "list /d0", "list /d0/d0", "tree /d0", "tree "]


def test_a_program_that_steps_down_at_once_is_noticed_by_its_first_step() -> None:
    assert walk(Walks(), grown(depth=3, width=10), process=7) == ["list ", "tree /d0", "tree "]


def test_a_step_down_is_none_by_another_or_later_or_into_another_directory() -> None:
    root = grown(depth=1, width=9)
    first = directories(root)[1]
    another = next(each for each in directories(root)[1:] if not _steps(root, each))
    late = 1.0 + STRIDE_SECONDS
    for directory, process, now in ((first, 8, 1.0), (first, 0, 1.0), (first, 7, late), (another, 7, 1.0)):
        walks = Walks()
        walks.visited(root, 1.0, process=7)
        assert walks.plan(directory, now, process=process).subtrees == []
        assert walks.plan(first, 1.0, process=7).subtrees == [first]


def test_the_first_directory_is_so_in_any_order_in_which_programs_go() -> None:
    root = grown(depth=1, width=9)
    places = [each for each in directories(root)[1:] if _steps(root, each)]
    by_number = min(directories(root)[1:], key=lambda each: each.number)
    assert set(places) == {root.children["d0"], by_number}


def _steps(root: Directory, directory: Directory) -> bool:
    walks = Walks()
    walks.visited(root, 1.0, process=7)
    return bool(walks.plan(directory, 1.1, process=7).subtrees)


def test_below_what_could_not_be_listed_whole_nobody_steps_down() -> None:
    for failing in (Walks.refused, Walks.slow):
        root, walks = grown(depth=3, width=3), Walks()
        first = directories(root)[1]
        failing(walks, first, 1.0)
        below = first
        for _ in range(2):
            walks.visited(below, 1.1, process=7)
            below = directories(below)[1]
            assert walks.plan(below, 1.2, process=7).subtrees == []


def test_a_flat_directory_of_directories_costs_three_calls() -> None:
    assert walk(Walks(), grown(depth=1, width=100)) == ["list ", "list /d0", "tree "]


def test_who_reads_two_directories_and_not_what_holds_them_does_not_list_it_whole() -> None:
    walks, root = Walks(), grown(depth=1, width=3)
    first, second, third = root.children.values()
    assert isinstance(first, Directory)
    assert isinstance(second, Directory)
    assert isinstance(third, Directory)
    walks.visited(root, 0, looking=True)
    walks.listed(first, 1)
    assert walks.plan(second, 1).subtrees == [second]
    walks.visited(root, 1)
    assert walks.plan(second, 1).subtrees == [root, second]
    assert walks.plan(second, 1 + PACE_SECONDS).subtrees == []


def test_someone_who_looks_around_slowly_lists_alone() -> None:
    calls = walk(Walks(), grown(depth=1, width=5), step=PACE_SECONDS + 1)
    assert calls == ["list ", *(f"list /d{index}" for index in range(5))]


def test_what_was_refused_is_listed_alone_for_an_hour() -> None:
    walks, root = Walks(), grown(depth=1, width=3)
    first, second, _ = root.children.values()
    assert isinstance(first, Directory)
    assert isinstance(second, Directory)
    walks.listed(first, 0)
    assert walks.plan(second, 1).subtrees == [second]
    walks.refused(second, 1)
    assert walks.plan(second, 2).subtrees == []
    walks.listed(first, BARRED_SECONDS + 2)
    assert walks.plan(second, BARRED_SECONDS + 2).subtrees == [second]


def test_nothing_wider_follows_a_slow_or_a_huge_subtree() -> None:
    for entries, seconds in ((10, MOST_SECONDS + 1), (MOST_ENTRIES, 0.0)):
        walks, root = Walks(), grown(depth=1, width=3)
        first, second, third = root.children.values()
        assert isinstance(first, Directory)
        assert isinstance(second, Directory)
        assert isinstance(third, Directory)
        walks.listed(first, 0)
        walks.listed(second, 1, entries=entries, seconds=seconds)
        assert walks.plan(third, 2).subtrees == [third]


def test_a_recursive_listing_is_told_apart_by_directory() -> None:
    def entry(name: str) -> Entry:
        return Entry(name, Kind.FILE, 0o644, "user", "users", 1, "2020-01-01T00:00:00")

    found = by_directory([entry("a"), entry("d"), entry("d/b"), entry("d/e/c")])
    names = {directory: [one.name for one in entries] for directory, entries in found.items()}
    assert names == {"": ["a", "d"], "d": ["b"], "d/e": ["c"]}
