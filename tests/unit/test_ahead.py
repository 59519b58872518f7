"""Who waits for changes knows after every look what a look through all of them would tell."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio

from f7tfs.cluster.errors import NotFound, Unavailable
from f7tfs.cluster.model import Kind
from f7tfs.vfs.ahead import Ahead
from f7tfs.vfs.change import Change, ChangeKind, State, is_at_or_below
from f7tfs.vfs.changelog import ChangeLog
from f7tfs.vfs.journal import Journal
from f7tfs.vfs.nodes import Attributes, Node
from f7tfs.vfs.reachability import Reachability
from f7tfs.vfs.tree import make_root

PLACES = ["/d", "/d/run", "/d/run/out", "/d/log", "/e", "/e/log"]
KINDS = [ChangeKind.UNLINK, ChangeKind.MKDIR, ChangeKind.CHMOD, ChangeKind.RENAME]


def in_log(path: Path, work: Callable[[ChangeLog, Node], Awaitable[None]]) -> None:
    async def run() -> None:
        journal = Journal(path / "j")
        try:
            await work(
                ChangeLog(journal, Reachability(60), 0),
                make_root("/home", Attributes(Kind.DIRECTORY, 0o755, "user", "users", 4096, 0)),
            )
        finally:
            journal.close()

    trio.run(run)


class Waiter:
    """Compares its looks with what all changes tell."""

    def __init__(
        self, log: ChangeLog, paths: list[str], concerns: Callable[[Change], bool], last: Change | None
    ) -> None:
        self.log, self.paths, self.concerns, self.last = log, paths, concerns, last
        self.ahead = self.begin()

    def begin(self) -> Ahead:
        return Ahead(self.log, self.concerns, self.ends)

    @staticmethod
    def ends(change: Change) -> bool:
        return change.state is not State.READY or change.attempts > 0

    def look(self) -> None:
        before = float("inf") if self.last is None else self.last.row
        there = [c for c in self.log.meeting(self.paths) if c.row < before and self.concerns(c)]
        found: set[Change] = set()
        for change in self.log.with_all_before(there, found.__contains__):
            found.add(change)
        told = self.ahead.look(self.paths, before)
        assert {c for c in told if self.ends(c)} == {c for c in found if self.ends(c)}
        assert self.ahead.anything == bool(there)
        self.log.hasten(self.ahead.fresh)
        assert all(change.urgent for change in found)
        if told:
            # It waits no longer. Another comes.
            self.ahead = self.begin()


async def happens(log: ChangeLog, node: Node, dice: random.Random) -> None:
    """Something that happens to changes in a mount."""
    some = list(log.changes.values())
    change = dice.choice(some) if some else None
    what = dice.randrange(10)
    if change is None or what < 4:
        kind = dice.choice(KINDS)
        new_path = dice.choice(PLACES) if kind is ChangeKind.RENAME else ""
        state = State.OPEN if dice.random() < 0.1 else State.READY
        log.register(kind, node, dice.choice(PLACES), new_path=new_path, state=state)
    elif what < 7:
        log.take_out(next(iter(some)) if dice.random() < 0.7 else change)
    elif what == 7:
        change.in_flight = not change.in_flight
        log.touch(change)
    elif what == 8:
        await log.note(change, dice.choice([NotFound("gone"), Unavailable("away")]))
    elif dice.random() < 0.5:
        log.put_last([c for c in some if all(is_at_or_below(p, "/d") for p in c.paths)][:2], "/d", "/e")
    else:
        log.renamed("/d/run", "/e/run")


@pytest.mark.parametrize("seed", range(20))
def test_looking_at_what_is_new_tells_the_same_as_looking_through_all(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)

    async def work(log: ChangeLog, node: Node) -> None:
        for _ in range(6):
            await happens(log, node, dice)
        last = log.register(ChangeKind.RENAME, node, "/d/run", new_path="/e")
        waiters = [
            Waiter(log, ["/d/run", "/e"], lambda change: change.blocks and change is not last, last),
            Waiter(log, ["/d/log"], lambda _: True, None),
            Waiter(log, ["/d"], lambda c: c.in_flight or any(not is_at_or_below(p, "/d") for p in c.paths), None),
        ]
        for _ in range(80):
            await happens(log, node, dice)
            for waiter in waiters:
                if waiter.last is None or waiter.last.row in log.changes:
                    waiter.look()

    in_log(tmp_path, work)


@pytest.mark.parametrize("many", [100, 4000])
def test_a_look_costs_what_is_new_however_much_waits(tmp_path: Path, many: int) -> None:
    asked: list[Change] = []

    def concerns(change: Change) -> bool:
        asked.append(change)
        return True

    async def work(log: ChangeLog, node: Node) -> None:
        made = [log.register(ChangeKind.UNLINK, node, f"/d/{number}") for number in range(many)]
        ahead = Ahead(log, concerns, lambda change: change.attempts > 0)
        assert not ahead.look(["/d"])
        assert len(ahead.fresh) == many
        asked.clear()
        for change in made[:50]:
            log.take_out(change)
            log.register(ChangeKind.UNLINK, node, f"/e/{change.row}")
            assert not ahead.look(["/d"])
            assert ahead.anything
        assert len(asked) <= 2 * 50
        log.put_off(made[60], Unavailable("away"))
        assert ahead.look(["/d"]) == [made[60]]

    in_log(tmp_path, work)


def test_who_waits_for_what_is_before_a_change_that_was_dropped_waits_no_longer(tmp_path: Path) -> None:
    async def work(log: ChangeLog, node: Node) -> None:
        before = log.register(ChangeKind.UNLINK, node, "/a/f")
        between = log.register(ChangeKind.RENAME, node, "/a", new_path="/b")
        log.register(ChangeKind.UNLINK, node, "/b/g")
        log.register(ChangeKind.UNLINK, node, "/c")
        ahead = Ahead(log, lambda _: True, lambda change: change.attempts > 0)
        ahead.look(["/b/g", "/c"])
        assert ahead.meets([before])
        log.take_out(between)
        assert not ahead.meets([before])
        log.put_off(before, Unavailable("away"))
        assert not ahead.look(["/b/g", "/c"])
        assert ahead.anything

    in_log(tmp_path, work)
