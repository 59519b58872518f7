"""Which of the changes that wait may be made when: each after the earlier ones at, above and below its places."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Container, Iterable, Iterator

import trio

from f7tfs.vfs.change import Change, Order, State, is_at_or_below, meet
from f7tfs.vfs.change_places import Places
from f7tfs.vfs.nodes import Node

MANY = 100
"""So many waiting changes are not looked through at each news."""
BREATH_SECONDS = 0.05


class Precedence:
    """By journal row, in order. What is done at once, without the journal, claims its places here meanwhile."""

    def __init__(self) -> None:
        self.claims: list[tuple[str, ...]] = []
        """Places at which something is being done past the journal."""
        self.changes: dict[int, Change] = {}
        self._places = Places()
        self._touched: dict[Change, int] = {}
        self.latest = (0, 0)
        """The highest row so far, and how often a change was touched."""
        self.reordered = 0
        """How often changes came to stand before others that had come before them."""

    def put(self, change: Change) -> None:
        """Take in a change that has its row, the highest so far."""
        self.changes[change.row] = change
        self._places.add(change)
        self.latest = change.row, self.latest[1]

    # -- what is new -----------------------------------------------------------------------------

    def touch(self, *changes: Change) -> None:
        """Something is other with these: they were begun, failed, or are written again."""
        row, touches = self.latest
        for change in changes:
            if self.changes.get(change.row) is change:
                touches += 1
                self._touched.pop(change, None)
                self._touched[change] = touches
        self.latest = row, touches

    def news_since(self, row: int, touches: int) -> list[Change]:
        """What came or was touched since these were the `latest`. It costs what is found."""
        found: list[Change] = []
        if row < self.latest[0]:
            found += itertools.takewhile(lambda change: change.row > row, reversed(self.changes.values()))
        if touches < self.latest[1]:
            told = itertools.takewhile(lambda item: item[1] > touches, reversed(self._touched.items()))
            found += (change for change, _ in told)
        return found

    # -- by place and node -----------------------------------------------------------------------

    def of(self, node: Node) -> list[Change]:
        """The changes of one node."""
        return self._places.of(node)

    def meeting(self, paths: Iterable[str]) -> list[Change]:
        """Every change that concerns a place at, above or below one of these."""
        return self._places.meeting(paths)

    def through(self, directory: str, since: int) -> bool:
        """Whether a change later than the row `since` concerns a place below a directory, by its path then."""
        return any(
            change.row > since and any(path != directory and is_at_or_below(path, directory) for path in change.paths)
            for change in self._places.meeting([directory])
        )

    # -- one change ------------------------------------------------------------------------------

    def ahead_of(self, change: Change) -> list[Change]:
        """The earlier changes that have to be made before this one, but not those that these wait for."""
        earlier = self._places.meeting(change.paths)
        return [other for other in earlier if other.row < change.row and other.blocks]

    def in_the_way(self, change: Change) -> Change | None:
        """The first of them."""
        return next(iter(self.ahead_of(change)), None)

    def may_go(self, change: Change) -> bool:
        """Whether nothing has to be made, and nothing is being done, before it."""
        return not self.claimed(change.paths) and self.in_the_way(change) is None

    def claimed(self, paths: tuple[str, ...]) -> bool:
        """Whether something is being done at, above or below these places, past the journal."""
        return any(meet(claimed, paths) for claimed in self.claims)

    def with_all_before(self, changes: Iterable[Change], known: Callable[[Change], bool]) -> Iterator[Change]:
        """These changes and all that has to be made before them, but not what is `known`, nor what is before that.

        Whoever takes one makes it known before the next. It costs what is ahead of them, whatever waits elsewhere.
        """
        waiting = list(changes)
        while waiting:
            change = waiting.pop()
            if not known(change):
                yield change
                waiting += self.ahead_of(change)

    # -- all of them -----------------------------------------------------------------------------

    def ready(self, limit: int, held: Container[int] = ()) -> list[Change]:
        """The changes that may be made now, at most `limit`; not those of the rows that are `held` back."""
        found: list[Change] = []
        order, now = Order(), trio.current_time()
        if not any(_is_due(change, now) for change in self.changes.values()):
            return found
        for claimed in self.claims:
            order.note(claimed)
        for change in self.changes.values():
            if len(found) >= limit:
                break
            free = order.free(change.paths)
            if change.blocks:
                order.note(change.paths)
            if free and _is_due(change, now) and change.row not in held:
                found.append(change)
        return found

    def stuck(self, *, even_open: bool = False) -> set[int]:
        """The rows of changes that failed, and of those that wait for them. So are those that are being written.

        Not so with `even_open`: what is being written will be closed some time.
        """

        def ends(change: Change) -> bool:
            return change.state is State.FAILED or (change.being_written and not even_open)

        changes = self.changes.values()
        if not any(map(ends, changes)):
            return set()
        order, behind = Order(), set()
        for change in changes:
            if ends(change) or not order.free(change.paths):
                behind.add(change.row)
                if change.blocks:
                    order.note(change.paths)
        return behind

    def next_due(self) -> float:
        """Monotonic time at which the next pause ends."""
        now = trio.current_time()
        waiting = (c.not_before for c in self.changes.values() if c.state is State.READY and not c.sending)
        return min((when for when in waiting if when > now), default=float("inf"))


def _is_due(change: Change, now: float) -> bool:
    return change.state is State.READY and not change.sending and change.not_before <= now
