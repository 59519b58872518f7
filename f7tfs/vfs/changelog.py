"""The changes of this mount in their order, in memory and in the journal, and who may make which one when."""

from __future__ import annotations

import contextlib
import logging
import random
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Sequence

import trio

from f7tfs.cluster.errors import ClusterError, Refused, Unauthorized, Unavailable
from f7tfs.vfs.change import Change, ChangeKind, Order, State, is_at_or_below, meet
from f7tfs.vfs.change_places import Places
from f7tfs.vfs.journal import Journal, SetTime
from f7tfs.vfs.nodes import Directory, File, Node, Standing
from f7tfs.vfs.reachability import Reachability
from f7tfs.vfs.standing import either, standing_of

logger = logging.getLogger(__name__)

LONGEST_PAUSE = 60.0


class ChangeLog:
    """By journal row, in order. What is done at once, without the journal, claims its places here meanwhile."""

    def __init__(self, journal: Journal, reachability: Reachability, first_row: int) -> None:
        self.journal = journal
        self._reachability = reachability
        self._last_row = first_row
        self._claims: list[tuple[str, ...]] = []
        self.changes: dict[int, Change] = {}
        self._places = Places()
        self._news = trio.Event()
        self.on_refused: Callable[[Change, ClusterError], None] = lambda _change, _error: None
        """Told of what the cluster refused for good."""

    # -- news ------------------------------------------------------------------------------------

    def news(self) -> trio.Event:
        """Set at the next change of anything in here."""
        return self._news

    def tell(self) -> None:
        """Wake everybody who waits for news."""
        self._news.set()
        self._news = trio.Event()

    @property
    def claims(self) -> list[tuple[str, ...]]:
        """Places at which something is being done past the journal."""
        return self._claims

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

    def put(self, change: Change) -> None:
        """Take in a change that has its row, the highest so far."""
        self.changes[change.row] = change
        self._places.add(change)

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
        for directory, name in change.dentries:
            _release(directory, name, trio.current_time())
        self.tell()

    async def finish(self, change: Change, set_time: SetTime | None = None) -> None:
        """The cluster has it, or it is given up."""
        self.take_out(change)
        await self.journal.finish(change, set_time)

    async def finish_all(self, changes: Sequence[Change]) -> None:
        """The same of changes that were made together."""
        for change in changes:
            self.take_out(change)
        await self.journal.finish_all(changes)

    def of(self, node: Node) -> list[Change]:
        """The changes of one node."""
        return self._places.of(node)

    def meeting(self, paths: Iterable[str]) -> list[Change]:
        """Every change that concerns a place at, above or below one of these."""
        return self._places.meeting(paths)

    def below(self, directory: str) -> list[Change]:
        """Every change that concerns a place below a directory, by its path there."""
        return [
            change
            for change in self._places.meeting([directory])
            if any(path != directory and is_at_or_below(path, directory) for path in change.paths)
        ]

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
        told = [c for c in self._places.meeting([path]) if c is not doing and path in c.paths]
        for change in told:
            change.may_find(path, standing)
        alike = [c for c in self.of(node) if c is not doing and c.content is not None and c not in told]
        written = [*([doing] if doing is not None else []), *told, *alike]
        if written:
            await self.journal.update(*written)

    def put_last(self, changes: Iterable[Change], old: str, new: str) -> list[tuple[int, Change]]:
        """Move changes behind all others, below `new` instead of `old`. Returns each with the row it had."""
        moved = []
        for change in changes:
            before = change.row
            del self.changes[before]
            self._places.remove(change)
            change.row = self._next_row()
            change.path = _replaced(change.path, old, new)
            change.new_path = _replaced(change.new_path, old, new)
            self.put(change)
            moved.append((before, change))
        return moved

    def move_mark(self, change: Change, dentry: tuple[Directory, str]) -> None:
        """What makes or changes a node concerns its new name from now on."""
        if not change.dentries:
            return
        for directory, name in change.dentries:
            _release(directory, name, trio.current_time())
        change.dentries = (dentry,)
        dentry[0].flux[dentry[1]] += 1

    # -- order -----------------------------------------------------------------------------------

    def in_the_way(self, change: Change) -> Change | None:
        """The first earlier change that has to be made before this one."""
        earlier = (other for other in self._places.meeting(change.paths) if other.row < change.row)
        return next((other for other in earlier if other.blocks), None)

    def may_go(self, change: Change) -> bool:
        """Whether nothing has to be made, and nothing is being done, before it."""
        return not self.claimed(change.paths) and self.in_the_way(change) is None

    def claimed(self, paths: tuple[str, ...]) -> bool:
        """Whether something is being done at, above or below these places, past the journal."""
        return any(meet(claimed, paths) for claimed in self._claims)

    async def turn(self, change: Change) -> None:
        """Wait until it may be made. Raises the error of the failed change that it waits for, if there is one."""
        while not self.may_go(change):
            blocker = self.in_the_way(change)
            if blocker is not None and (failure := self._failure(blocker)) is not None:
                raise failure
            if blocker is not None:
                self.hurry([blocker])
            await self._news.wait()

    def _failure(self, change: Change) -> ClusterError | None:
        """Why a change cannot be made for now: itself, or something that has to be made before it, failed."""
        waiting, seen = [change], set[int]()
        if not any(other.state is State.FAILED for other in self.changes.values()):
            return None
        while waiting:
            other = waiting.pop()
            if other.state is State.FAILED and other.error is not None:
                return other.error
            if other.row not in seen:
                seen.add(other.row)
                waiting += [each for each in self.meeting(other.paths) if each.row < other.row and each.blocks]
        return None

    @contextlib.contextmanager
    def claim(self, paths: tuple[str, ...], dentries: Sequence[tuple[Directory, str]] = ()) -> Iterator[None]:
        """Nothing else is made at, above or below these places for the time of the block.

        `dentries`: the names that change with it. A listing that comes meanwhile may show them before or after.
        """
        self._claims.append(paths)
        for directory, name in dentries:
            directory.flux[name] += 1
        try:
            yield
        finally:
            self._claims.remove(paths)
            for directory, name in dentries:
                _release(directory, name, trio.current_time())
            self.tell()

    def ready(self, limit: int, held: Container[int] = ()) -> list[Change]:
        """The changes that may be made now, at most `limit`; not those of the rows that are `held` back."""
        found: list[Change] = []
        order, now = Order(), trio.current_time()
        if not any(_is_due(change, now) for change in self.changes.values()):
            return found
        for claimed in self._claims:
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

    def held_up(self, locked: Collection[Node]) -> set[int]:
        """The rows of changes that cannot be made now, since they failed, are being written, wait for another try or
        for the lock of one of these nodes, and of those that wait for them."""

        def waits(change: Change) -> bool:
            return change.state is not State.READY or change.attempts > 0 or change.node in locked

        return self._behind(waits)

    def stuck(self, *, even_open: bool = False) -> set[int]:
        """The rows of changes that failed, and of those that wait for them. So are those that are being written.

        Not so with `even_open`: what is being written will be closed some time.
        """
        return self._behind(lambda change: change.state is State.FAILED or (change.being_written and not even_open))

    def _behind(self, ends: Callable[[Change], bool]) -> set[int]:
        """The rows of these changes, and of all that come after one of them at the same place."""
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

    def hurry(self, changes: Iterable[Change]) -> None:
        """Do not wait for a temporary's rename any longer, nor for more; the pause after a failure stays."""
        now = trio.current_time()
        hurried = [change for change in changes if change.attempts == 0 and not change.urgent]
        for change in hurried:
            change.urgent, change.not_before = True, min(change.not_before, now)
        if hurried:
            self.tell()

    def resume(self) -> None:
        """The cluster is back: what waits out a pause need not."""
        for change in self.changes.values():
            if change.attempts and change.state is State.READY:
                change.not_before = trio.current_time()
        self.tell()

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
        logger.error("%s could not be sent, and is kept here: %s", describe(change), error)
        self.on_refused(change, error)
        await self.journal.update(change)
        self.tell()

    def tried(self, change: Change, error: ClusterError) -> None:
        """It failed, and who waits for it tries again soon. It may have been made."""
        if isinstance(error, Unavailable):
            self._reachability.lost(error)
        change.attempts, change.error, change.tried = max(change.attempts, 1), error, trio.current_time()
        logger.info("%s is not on the cluster yet, and somebody waits for it: %s", describe(change), error)
        self.tell()

    def put_off(self, change: Change, error: ClusterError, *others: Change) -> None:
        """It may work later: try again after a pause, together with `others` that were tried with it."""
        if isinstance(error, Unavailable):
            self._reachability.lost(error)
        attempts, now = change.attempts + 1, trio.current_time()
        pause = min(LONGEST_PAUSE, 2.0**attempts) * random.uniform(0.5, 1.0)  # noqa: S311 -- jitter
        for each in (change, *others):
            each.attempts, each.error, each.tried, each.not_before = attempts, error, now, now + pause
        logger.warning("%s is not on the cluster yet, next try in %.0f s: %s", describe(change), pause, error)
        self.tell()


def _is_due(change: Change, now: float) -> bool:
    return change.state is State.READY and not change.sending and change.not_before <= now


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


def _release(directory: Directory, name: str, now: float) -> None:
    """A change that concerned this name waits no longer."""
    directory.flux[name] -= 1
    if directory.flux[name] <= 0:
        del directory.flux[name]
    child = directory.children.get(name)
    if child is not None:
        child.touched = now
    else:
        directory.removed[name] = now
    directory.version = None
