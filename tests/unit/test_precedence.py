"""In which order changes are made once something was renamed, and for whom nothing waits any longer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from f7tfs.cluster.model import Kind
from f7tfs.vfs.change import Change, ChangeKind
from f7tfs.vfs.changelog import ChangeLog
from f7tfs.vfs.journal import Journal
from f7tfs.vfs.nodes import Attributes, Node
from f7tfs.vfs.reachability import Reachability
from f7tfs.vfs.tree import make_root


def in_log(path: Path, work: Callable[[ChangeLog, Node], None]) -> None:
    async def run() -> None:
        journal = Journal(path / "j")
        try:
            work(
                ChangeLog(journal, Reachability(60), 0),
                make_root("/home", Attributes(Kind.DIRECTORY, 0o755, "user", "users", 4096, 0)),
            )
        finally:
            journal.close()

    trio.run(run)


def waiting(log: ChangeLog) -> list[tuple[str, ...]]:
    return [change.paths for change in log.changes.values()]


@pytest.mark.parametrize(
    ("made", "before", "after"),
    [
        # Who takes something out of a directory meanwhile comes before who takes it from there.
        (("/d", "/e"), [("/d/x", "/g"), ("/g", "/h")], [("/e/x", "/g"), ("/g", "/h")]),
        (("/d", "/e"), [("/d/x",), ("/da",)], [("/e/x",), ("/da",)]),
        # What is above was renamed here before it was known that the rename is made.
        (("/d/a", "/d/b"), [("/d", "/e"), ("/e/a/x",)], [("/d", "/e"), ("/e/b/x",)]),
        (("/d/a", "/d/b"), [("/d/a/x",), ("/d", "/e"), ("/e/a/x",)], [("/d/b/x",), ("/d", "/e"), ("/e/b/x",)]),
        # Another has its name by then.
        (("/d/a", "/d/b"), [("/d", "/e"), ("/d",), ("/d/a",)], [("/d", "/e"), ("/d",), ("/d/a",)]),
        (("/a", "/d/b"), [("/d", "/e"), ("/a/x",)], [("/d", "/e"), ("/e/b/x",)]),
    ],
)
def test_what_waits_follows_a_rename_that_was_made_before_it_and_keeps_its_order(
    tmp_path: Path,
    made: tuple[str, str],
    before: list[tuple[str, ...]],
    after: list[tuple[str, ...]],
) -> None:
    def work(log: ChangeLog, node: Node) -> None:
        for path, *new in before:
            kind = ChangeKind.RENAME if new else ChangeKind.CHMOD
            log.register(kind, node, path, new_path="".join(new))
        rows = list(log.changes)
        moved = log.renamed(*made)
        assert waiting(log) == after
        assert list(log.changes) == rows
        assert [change for _, change in moved] == [
            change for change, old in zip(log.changes.values(), before, strict=True) if change.paths != old
        ]
        assert all(log.meeting([path]) for paths in after for path in paths)

    in_log(tmp_path, work)


def test_who_waits_for_a_change_waits_for_no_pause_of_those_before_it(tmp_path: Path) -> None:
    def work(log: ChangeLog, node: Node) -> None:
        def held(kind: ChangeKind, path: str, new_path: str = "") -> Change:
            change = log.register(kind, node, path, new_path=new_path)
            change.not_before = trio.current_time() + 30
            return change

        removal = held(ChangeKind.UNLINK, "/a")
        between = held(ChangeKind.RENAME, "/b", "/a")
        other = held(ChangeKind.UNLINK, "/c")
        last = log.register(ChangeKind.RENAME, node, "/d", new_path="/b")
        log.hurry([last])
        now = trio.current_time()
        assert removal.not_before <= now
        assert between.not_before <= now
        assert other.not_before > now

    in_log(tmp_path, work)


def test_a_directory_is_gone_through_by_what_comes_after_it_only(tmp_path: Path) -> None:
    def work(log: ChangeLog, node: Node) -> None:
        earlier = log.register(ChangeKind.UNLINK, node, "/d/old")
        made = log.register(ChangeKind.MKDIR, node, "/d")
        assert log.through("/d", earlier.row - 1)
        assert not log.through("/d", made.row)
        log.register(ChangeKind.RENAME, node, "/f", new_path="/d/f")
        assert log.through("/d", made.row)

    in_log(tmp_path, work)
