"""The planner of bulk removals: which subtrees go in one call, and what in them would be lost by that. Pure.

The API's removal takes a directory with all below it. So a subtree goes as a whole only where everything in it was
removed here, and nothing else is there now.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from f7tfs.vfs.change import Change, ChangeKind, Order, State, ancestors

FEWEST = 2
"""An empty directory alone costs a look and a removal anyway."""

KINDS = frozenset({ChangeKind.UNLINK, ChangeKind.RMDIR})


@dataclass(slots=True)
class RemovedTree:
    """A directory that was removed here with all that was in it. `changes`: in their order, the directory's last."""

    top: str
    changes: list[Change] = field(default_factory=list)

    def removals_of(self) -> dict[str, list[Change]]:
        """The removals of each place, by its name relative to the top."""
        found: dict[str, list[Change]] = {}
        for change in self.changes:
            found.setdefault(change.path[len(self.top) + 1 :], []).append(change)
        return found

    def spare(self, names: Iterable[str]) -> None:
        """No directory above these (relative names) goes with all below it."""
        spared = {self.top, *(above for name in names for above in ancestors(f"{self.top}/{name}"))}
        for change in self.changes:
            change.alone = change.alone or change.path in spared


def is_held(change: Change, now: float) -> bool:
    """Whether a removal waits for more of them."""
    return change.kind in KINDS and change.state is State.READY and change.attempts == 0 and change.not_before > now


def removed_trees(changes: Sequence[Change], claims: Iterable[tuple[str, ...]], now: float) -> list[RemovedTree]:
    """The largest subtrees of which nothing is left here; of a place that was made anew, what was there before."""
    if not any(_is_top(change, now) for change in changes):
        return []
    fit = _free_removals(changes, claims, now)
    tops = {change.path: change for change in fit if _is_top(change, now)}
    trees: dict[str, RemovedTree] = {}
    for change in fit:
        above = [path for path in (change.path, *ancestors(change.path)) if path in tops]
        if above and change.row <= tops[above[-1]].row:
            trees.setdefault(above[-1], RemovedTree(above[-1])).changes.append(change)
    return [tree for tree in trees.values() if len(tree.changes) >= FEWEST]


def _is_top(change: Change, now: float) -> bool:
    return change.kind is ChangeKind.RMDIR and not change.alone and _may_go(change, now) and change.not_before <= now


def _may_go(change: Change, now: float) -> bool:
    if change.kind not in KINDS or change.state is not State.READY or change.sending or change.in_flight:
        return False
    return change.not_before <= now or change.attempts == 0


def _free_removals(changes: Sequence[Change], claims: Iterable[tuple[str, ...]], now: float) -> list[Change]:
    """The removals that nothing is in the way of but other removals."""
    order = Order()
    for claimed in claims:
        order.note(claimed)
    fit = []
    for change in changes:
        if _may_go(change, now) and order.free(change.paths):
            fit.append(change)
        elif change.blocks:
            order.note(change.paths)
    return fit
