"""What somebody waits for: the changes at some places, and all that has to be made before them.

It is looked through once. After that only what is new is looked at: changes that came since, and those that were
touched, which is said of whatever is begun, fails, or is written again. So a look costs the same however much waits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from f7tfs.vfs.change import Change, meet
from f7tfs.vfs.precedence import Precedence

Test = Callable[[Change], bool]


class Ahead:
    """The wait of one caller."""

    def __init__(self, log: Precedence, concerns: Test, ends: Test) -> None:
        """`concerns`: whether a change at the places is waited for. `ends`: whether one cannot be, there or before.

        Where either says something else of a change than it did, the change was touched.
        """
        self._log = log
        self._concerns = concerns
        self._ends = ends
        self._paths: tuple[str, ...] = ()
        self._before = math.inf
        self._looked = -1
        self._seen = (0, 0)
        self._there: list[Change] = []
        """At the places, in order; those that wait no longer are taken out only at the end."""
        self._all: dict[Change, int] = {}
        """With the row that it had. Some may have left."""
        self.fresh: list[Change] = []
        """What no look before the last one has found."""

    def look(self, paths: Sequence[str], before: float = math.inf) -> list[Change]:
        """What is waited for at, above and below these places, of a row below `before`. Returns what cannot be."""
        where, told = (tuple(paths), before, self._log.reordered), self._log.news_since(*self._seen)
        if where != (self._paths, self._before, self._looked) or any(map(self._is_other, told)):
            self._paths, self._before, self._looked = where
            self._look_through()
        else:
            self._seen, self.fresh = self._log.latest, []
            self._take(told)
        return [change for change in self.fresh if self._ends(change)]

    @property
    def anything(self) -> bool:
        """Whether anything is waited for at the places."""
        while self._there and not self._is_there(self._there[-1]):
            self._there.pop()
        return bool(self._there)

    def meets(self, changes: Iterable[Change]) -> bool:
        """Whether one of these is waited for, there or before."""
        concerned = [change for change in changes if change in self._all]
        if concerned:
            # Who had to wait for it may have left.
            self._look_through()
        return any(change in self._all for change in concerned)

    def _look_through(self) -> None:
        self._seen = self._log.latest
        self._there, self._all, self.fresh = [], {}, []
        self._take(self._log.meeting(self._paths))

    def _take(self, changes: Iterable[Change]) -> None:
        there = [change for change in changes if self._is_there(change)]
        self._there += there
        for change in self._log.with_all_before(there, self._all.__contains__):
            self._all[change] = change.row
            self.fresh.append(change)

    def _is_there(self, change: Change) -> bool:
        waits = self._log.changes.get(change.row) is change and change.row < self._before
        return waits and meet(change.paths, self._paths) and self._concerns(change)

    def _is_other(self, change: Change) -> bool:
        """Whether what was found is to be looked through again: one of it has another place in the order, or ends."""
        return change in self._all and (self._all[change] != change.row or self._ends(change))
