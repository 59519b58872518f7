"""The changes of this mount in their order, in memory and in the journal: how they come and go, and what failed."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterable, Sequence

import trio

from f7tfs.cluster.errors import ClusterError, Refused, Unauthorized
from f7tfs.vfs.change import Change, ChangeKind, State, is_at_or_below
from f7tfs.vfs.journal import Journal, SetTime
from f7tfs.vfs.nodes import Directory, File, Node, Standing
from f7tfs.vfs.reachability import Reachability
from f7tfs.vfs.standing import either, standing_of
from f7tfs.vfs.turns import Turns

logger = logging.getLogger(__name__)

LONGEST_PAUSE = 60.0

Moved = list[tuple[int, Change]]
"""Changes that were given other places, each with the row that it had."""


class ChangeLog(Turns):
    """Adds what comes and goes, and what is noted of it in the journal."""

    def __init__(self, journal: Journal, reachability: Reachability, first_row: int) -> None:
        super().__init__()
        self.journal = journal
        self._reachability = reachability
        self._last_row = first_row
        self.on_refused: Callable[[Change, ClusterError], None] = lambda _change, _error: None
        """Told of what the cluster refused for good."""

    # -- coming and going ------------------------------------------------------------------------

    def register(
        self,
        kind: ChangeKind,
        node: Node,
        path: str,
        *,
        new_path: str = "",
        standing: Standing | None = None,
        new_standing: Standing | None = None,
        state: State = State.READY,
        dentries: tuple[tuple[Directory, str], ...] = (),
    ) -> Change:
        """A new change, the last in order. It is not in the journal yet: `keep` it."""
        change = Change(
            row=self._next_row(),
            kind=kind,
            node=node,
            path=path,
            new_path=new_path,
            standing=standing or Standing(known=False),
            new_standing=new_standing or Standing(known=False),
            state=state,
            dentries=dentries,
            made=trio.current_time(),
        )
        for directory, name in dentries:
            directory.flux[name] += 1
        self.put(change)
        return change

    def _next_row(self) -> int:
        self._last_row += 1
        return self._last_row

    async def keep(self, change: Change) -> None:
        """Put a registered change into the journal."""
        await self.journal.add(change)
        self.tell()

    def take_out(self, change: Change) -> None:
        """It waits no longer; the journal is told by `finish`. A listing asked for before is not believed."""
        if self.changes.pop(change.row, None) is None:
            return
        self._places.remove(change)
        self._touched.pop(change, None)
        for directory, name in change.dentries:
            directory.settled(name, trio.current_time())
        self.tell()

    async def finish(self, *changes: Change, set_times: Sequence[SetTime] = ()) -> None:
        """The cluster has them, or they are given up."""
        for change in changes:
            self.take_out(change)
        await self.journal.finish(changes, set_times)

    def standing_of(self, node: Node) -> Standing:
        """What may stand at a place, whether the renames of it that wait will be made or not.

        Of a symlink or directory: which file its renames were to replace; nobody can say where there is none.
        """
        renames = [change for change in self.of(node) if change.kind is ChangeKind.RENAME]
        if not isinstance(node, File) and not renames:
            return Standing(known=False)
        standing = standing_of(node) if isinstance(node, File) else Standing()
        for change in renames:
            standing = either(standing, change.new_standing)
        return standing

    def may_be_there(self, node: Node) -> bool:
        """Whether the cluster has something at a node's place, or may have by the time that all of it is made."""
        waiting = self.of(node)
        if node.on_cluster or any(change.uncertain or change.kind is ChangeKind.RENAME for change in waiting):
            return True
        # What it replaced here may still stand there.
        return isinstance(node, File) and bool(waiting) and node.standing not in (Standing(), Standing(known=False))

    async def arrives(self, path: str, standing: Standing, doing: Change | None, node: Node) -> None:
        """What is about to be brought to a place. Put down before: whoever finds it there, perhaps in the next run,
        is not to take it for another's. `doing`: the change that does it; its node may find it under another name.
        """
        await self.journal.update(*self.arriving(path, standing, doing, node))

    def arriving(self, path: str, standing: Standing, doing: Change | None, node: Node) -> list[Change]:
        """The same, but to be put down: the changes that know more by it."""
        told = [c for c in self._places.meeting([path]) if c is not doing and path in c.paths]
        for change in told:
            change.may_find(path, standing)
        alike = [c for c in self.of(node) if c is not doing and c.content is not None and c not in told]
        return [*([doing] if doing is not None else []), *told, *alike]

    def put_last(self, changes: Iterable[Change], old: str, new: str) -> Moved:
        """Move changes behind all others, below `new` instead of `old`."""
        moved = []
        for change in changes:
            before = change.row
            del self.changes[before]
            self._places.remove(change)
            change.row = self._next_row()
            _put_below(change, old, new)
            self.put(change)
            moved.append((before, change))
        return moved

    def renamed(self, old: str, new: str) -> Moved:
        """The cluster has made a rename before all that waits: what is about places at and below `old` follows.

        The order stays. A directory above may have been renamed here meanwhile; what comes after that names it so.
        """
        moved: Moved = []
        since = 0
        while True:
            above: Change | None = None
            for change in (each for each in self.meeting([old, new]) if each.row > since):
                if change.kind is ChangeKind.RENAME and _is_above(change.path, (old, new)):
                    above = change
                    break
                if any(is_at_or_below(place, old) for place in change.paths):
                    self._places.remove(change)
                    _put_below(change, old, new)
                    self._places.add(change)
                    moved.append((change.row, change))
                    self.reordered += 1
            if above is None:
                return moved
            old, new = (_replaced(place, above.path, above.new_path) for place in (old, new))
            since = above.row

    def move_mark(self, change: Change, dentry: tuple[Directory, str]) -> None:
        """What makes or changes a node concerns its new name from now on."""
        if not change.dentries:
            return
        for directory, name in change.dentries:
            directory.settled(name, trio.current_time())
        change.dentries = (dentry,)
        dentry[0].flux[dentry[1]] += 1

    # -- what comes of an attempt ----------------------------------------------------------------

    async def note(self, change: Change, error: ClusterError) -> None:
        """It could not be made, now or for good."""
        if is_final(error):
            await self._fail(change, error)
        else:
            self.put_off(change, error)

    async def _fail(self, change: Change, error: ClusterError) -> None:
        if change.row not in self.changes:
            return
        change.state, change.error, change.tried = State.FAILED, error, trio.current_time()
        self.touch(change)
        logger.error("%s could not be sent, and is kept here: %s", describe(change), error)
        self.on_refused(change, error)
        try:
            await self.journal.update(change)
        except OSError as full:
            # Nothing is lost: the next mount sends it once more, and is refused again.
            logger.warning("the journal could not take down that %s was refused: %s", describe(change), full)
        self.tell()

    def tried(self, change: Change, error: ClusterError) -> None:
        """It failed, and who waits for it tries again soon. It may have been made."""
        self._reachability.failed(error)
        change.attempts, change.error, change.tried = max(change.attempts, 1), error, trio.current_time()
        self.touch(change)
        logger.info("%s is not on the cluster yet, and somebody waits for it: %s", describe(change), error)
        self.tell()

    def put_off(self, change: Change, error: ClusterError, *others: Change) -> None:
        """It may work later: try again after a pause, together with `others` that were tried with it."""
        self._reachability.failed(error)
        attempts, now = change.attempts + 1, trio.current_time()
        pause = min(LONGEST_PAUSE, 2.0**attempts) * random.uniform(0.5, 1.0)  # noqa: S311 -- jitter
        for each in (change, *others):
            each.attempts, each.error, each.tried, each.not_before = attempts, error, now, now + pause
        self.touch(change, *others)
        logger.warning("%s is not on the cluster yet, next try in %.0f s: %s", describe(change), pause, error)
        self.tell()


def _put_below(change: Change, old: str, new: str) -> None:
    change.path = _replaced(change.path, old, new)
    change.new_path = _replaced(change.new_path, old, new)
    change.urgent = False


def _is_above(directory: str, places: Iterable[str]) -> bool:
    return any(place != directory and is_at_or_below(place, directory) for place in places)


def _replaced(path: str, old: str, new: str) -> str:
    return new + path[len(old) :] if path and is_at_or_below(path, old) else path


def describe(change: Change) -> str:
    """For a person: `rename /a to /b`; of a content its place alone."""
    if change.kind is ChangeKind.CONTENT:
        return change.path
    return f"{change.kind.value} {change.path}" + (f" to {change.new_path}" if change.new_path else "")


def is_final(error: ClusterError) -> bool:
    """Whether sending the same again would be refused again. Credentials are renewed while a mount lives."""
    return isinstance(error, Refused) and not isinstance(error, Unauthorized)
