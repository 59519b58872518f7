"""Which changes concern which places: a tree of names, so that a long journal need not be looked through."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from f7tfs.vfs.change import Change
from f7tfs.vfs.nodes import Node


@dataclass(eq=False, slots=True)
class _Place:
    """One path: the changes that concern it, by row, and the places below it."""

    changes: dict[int, Change] = field(default_factory=dict)
    below: dict[str, _Place] = field(default_factory=dict)

    def all(self) -> Iterator[Change]:
        """Of this place and of all below it."""
        waiting = [self]
        while waiting:
            place = waiting.pop()
            yield from place.changes.values()
            waiting += place.below.values()


class Places:
    """The changes of a log by their places and by their nodes. Looking costs what is found, and the path's length."""

    def __init__(self) -> None:
        self._top = _Place()
        self._nodes: dict[Node, dict[int, Change]] = {}

    def add(self, change: Change) -> None:
        """Its row and its paths must stay as they are until it is removed."""
        for path in change.paths:
            place = self._top
            for name in _names(path):
                place = place.below.setdefault(name, _Place())
            place.changes[change.row] = change
        self._nodes.setdefault(change.node, {})[change.row] = change

    def remove(self, change: Change) -> None:
        """With the same row and paths as it was added."""
        for path in set(change.paths):
            self._remove_at(path, change.row)
        mine = self._nodes[change.node]
        del mine[change.row]
        if not mine:
            del self._nodes[change.node]

    def _remove_at(self, path: str, row: int) -> None:
        names, way = _names(path), [self._top]
        for name in names:
            way.append(way[-1].below[name])
        del way[-1].changes[row]
        for above, name, place in zip(reversed(way[:-1]), reversed(names), reversed(way), strict=False):
            if place.changes or place.below:
                break
            del above.below[name]

    def of(self, node: Node) -> list[Change]:
        """The changes of one node, in order."""
        return _in_order(self._nodes.get(node, {}))

    def meeting(self, paths: Iterable[str]) -> list[Change]:
        """Every change that concerns a place at, above or below one of these, in order."""
        found: dict[int, Change] = {}
        for path in paths:
            place: _Place | None = self._top
            for name in _names(path):
                if place is None:
                    break
                found |= place.changes
                place = place.below.get(name)
            if place is not None:
                found |= {change.row: change for change in place.all()}
        return _in_order(found)


def _names(path: str) -> list[str]:
    return [name for name in path.split("/") if name]


def _in_order(changes: dict[int, Change]) -> list[Change]:
    return [changes[row] for row in sorted(changes)]
