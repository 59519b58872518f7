"""The planner of bulk writes: which changes travel together, in one archive. Pure.

Extraction destroys what is in its way. So an archive carries only what is new: names that a fresh listing does not
have, below directories that are known to be directories, or that are new and travel in it too. What was tried before,
and what may have arrived already, goes by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from f7tfs.vfs.change import Change, ChangeKind, Order, State, is_at_or_below
from f7tfs.vfs.nodes import Directory, File

FEWEST = 6
"""An archive costs four or five calls."""
MOST = 1000
"""The server stops an extraction after some five seconds."""
OVERHEAD = 1536
"""Bytes of a member beside its content, before compression."""
MOST_KNOWN = 5000
"""Entries of a subtree that one listing may bring, to see what came of an archive."""
MOST_TOPS = 4

KINDS = frozenset({ChangeKind.CONTENT, ChangeKind.MKDIR, ChangeKind.SYMLINK})
Fits = Callable[[Change], bool]


@dataclass(slots=True)
class Batch:
    """Changes in their order, a directory before what is in it."""

    base: str
    """The directory in which the archive is extracted."""
    whole: bool
    """`base` is small and known, so that one recursive listing of it shows what came of all."""
    changes: list[Change] = field(default_factory=list)
    tops: list[str] = field(default_factory=list)
    """New directories that are not in a new directory."""
    parents: dict[str, Directory] = field(default_factory=dict)
    """The directories that are there already, by path, in which something new goes."""


def place_of(change: Change) -> tuple[Directory, str] | None:
    """The directory and name of what a change makes; None where it is not (only) there any more."""
    node = change.node
    if node.parent is None or node.moved is not None or node.unlinked or node.path != change.path:
        return None
    return node.parent, node.name


def is_new(change: Change) -> bool:
    """Whether nothing that a change makes was there, or can have arrived."""
    if change.kind not in KINDS or change.uncertain or change.node.on_cluster:
        return False
    place = place_of(change)
    if place is None or place[1] in place[0].remains:
        return False
    node = change.node
    return not isinstance(node, File) or (node.standing.version is None and not node.standing.sent)


def may_travel(change: Change, now: float) -> bool:
    """Whether it is new, whole, due, and taken up by nobody."""
    if change.state is not State.READY or change.sending or change.not_before > now or not is_new(change):
        return False
    return not isinstance(change.node, File) or not change.node.lock.locked()


def candidates(changes: list[Change], claims: list[tuple[str, ...]], fits: Fits, now: float) -> list[Change]:
    """What may travel together as far as the journal is concerned, in its order."""
    order = Order()
    for claimed in claims:
        order.note(claimed)
    found = []
    for change in changes:
        if order.free(change.paths) and may_travel(change, now) and fits(change):
            found.append(change)
        elif change.blocks:
            order.note(change.paths)
    return found


def plan(changes: list[Change], root: Directory, most_bytes: int) -> Batch | None:
    """The batch that the first of these candidates begins, or None where too few travel with it."""
    if not changes or (batch := _begin(changes, root)) is None:
        return None
    new: set[str] = set()
    size = 0
    for change in changes:
        size += change.size + OVERHEAD
        if size > most_bytes or len(batch.changes) >= MOST:
            break
        if _join(batch, change, new) and change.kind is ChangeKind.MKDIR:
            new.add(change.path)
    return batch if len(batch.changes) >= FEWEST else None


def _begin(changes: list[Change], root: Directory) -> Batch | None:
    """The highest directory above the first candidate that is small and known, else its own directory."""
    new = {change.path for change in changes if change.kind is ChangeKind.MKDIR}
    place = place_of(changes[0])
    if place is None:
        return None
    directory = place[0]
    while directory.path in new and directory.parent is not None:
        directory = directory.parent
    if not directory.on_cluster or directory.remote_path != directory.path:
        return None
    base, whole = directory, False
    above: Directory | None = directory
    while above is not None and above is not root and known_size(above) <= MOST_KNOWN:
        base, whole, above = above, True, above.parent
    return Batch(base.path, whole)


def _join(batch: Batch, change: Change, new: set[str]) -> bool:
    place = place_of(change)
    if place is None or not is_at_or_below(change.path, batch.base):
        return False
    parent = place[0]
    inside = parent.path in new
    if not inside:
        if not parent.on_cluster or parent.remote_path != parent.path:
            return False
        if not batch.whole and parent.path != batch.base:
            return False
        if change.kind is ChangeKind.MKDIR:
            if not batch.whole and len(batch.tops) >= MOST_TOPS:
                return False
            batch.tops.append(change.path)
        batch.parents[parent.path] = parent
    batch.changes.append(change)
    return True


def known_size(directory: Directory) -> int:
    """How many entries a subtree has, as far as it was listed; more than MOST_KNOWN where a part of it was not."""
    count, waiting = 0, [directory]
    while waiting and count <= MOST_KNOWN:
        found = waiting.pop()
        if found.on_cluster and found.listed == float("-inf"):
            return MOST_KNOWN + 1
        count += len(found.children)
        waiting += [child for child in found.children.values() if isinstance(child, Directory)]
    return count
