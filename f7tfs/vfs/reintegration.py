"""Reintegration: brings what the journal holds to the cluster, in the background and at a drain."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence

import trio

from f7tfs.cluster.errors import ClusterError, NotFound, Uncertain
from f7tfs.cluster.lane import background
from f7tfs.vfs.batches import Batch
from f7tfs.vfs.change import Change, ChangeKind, State
from f7tfs.vfs.changelog import ChangeLog, describe
from f7tfs.vfs.clearing import Clearing
from f7tfs.vfs.deadlines import may_take_long
from f7tfs.vfs.delivery import Delivery
from f7tfs.vfs.going_on import go_on, unharmed
from f7tfs.vfs.nodes import File
from f7tfs.vfs.precedence import BREATH_SECONDS, MANY
from f7tfs.vfs.reachability import Reachability
from f7tfs.vfs.replay import Replay
from f7tfs.vfs.shipping import Shipping
from f7tfs.vfs.subtree_removals import RemovedTree
from f7tfs.vfs.uploads import Uploads

logger = logging.getLogger(__name__)

CONCURRENT = 4
# Who waits for some changes looks whether its time is over.
LOOK_SECONDS = 1.0
# After a defect in looking for what is to be sent, so long until the next look.
DEFECT_SECONDS = 5.0

DrainProgress = Callable[[int, int], None]
"""Told (changes left, bytes left)."""


class Reintegration:
    """The way of the changes of this mount to the cluster, whatever they are."""

    def __init__(
        self,
        log: ChangeLog,
        uploads: Uploads,
        delivery: Delivery,
        replay: Replay,
        shipping: Shipping,
        clearing: Clearing,
        reachability: Reachability,
    ) -> None:
        self._clearing = clearing
        self.log = log
        self._uploads = uploads
        self._delivery = delivery
        self._replay = replay
        self._shipping = shipping
        self._reachability = reachability
        self._under_way = 0
        reachability.on_return = log.resume

    # -- the background --------------------------------------------------------------------------

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Send what is due, for ever."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self._clearing.restore)
            task_status.started()
            while True:
                if not await unharmed(self._send_what_is_due, nursery):
                    await trio.sleep(DEFECT_SECONDS)

    async def _send_what_is_due(self, nursery: trio.Nursery) -> None:
        """One look; returns when it is time for the next."""
        news = self.log.news()
        until = self._clearing.gathering()
        held, shipping = self._ship_what_gathered(nursery)
        held, until = held | self._clear_what_gathered(nursery), min(until, shipping)
        for change in self.log.ready(self._room(), held):
            change.sending = True
            self._under_way += 1
            go_on(nursery, self._attempt, change)
        with trio.move_on_at(min(until, self._next_look())):
            await news.wait()
        if len(self.log.changes) > MANY:
            # Each look goes through all of them, and each of them is news.
            await trio.sleep(BREATH_SECONDS)

    def _ship_what_gathered(self, nursery: trio.Nursery) -> tuple[set[int], float]:
        """Send off the next archive. Returns the rows of what is held back, and until when (monotonic)."""
        if self._reachability.since is not None or not (gathered := self._shipping.gathers()):
            return set(), float("inf")
        until = self._shipping.gathering(gathered)
        waits = until > trio.current_time()
        if not waits and not self._shipping.travelling and (batch := self._shipping.plan(gathered)) is not None:
            self._shipping.take(batch)
            go_on(nursery, self._ship, batch)
        held = waits or self._shipping.travelling
        return {change.row for change in gathered} if held else set(), until if waits else float("inf")

    def _clear_what_gathered(self, nursery: trio.Nursery) -> set[int]:
        """Send off the removals of whole subtrees. Returns the rows of those that there is no room for yet."""
        held: set[int] = set()
        if self._reachability.since is not None:
            return held
        for tree in self._clearing.trees():
            if self._room():
                self._clearing.take(tree)
                self._under_way += 1
                go_on(nursery, self._clear, tree)
            else:
                held |= {change.row for change in tree.changes}
        return held

    async def _clear(self, tree: RemovedTree) -> None:
        with background():
            try:
                await self._clearing.clear(tree)
            except Exception as error:
                # A defect, or the local disk: nothing in the background may end the mount, or give data up.
                logger.exception("%s could not be removed", tree.top)
                self.log.put_off(tree.changes[-1], Uncertain(str(error)), *tree.changes[:-1])
            finally:
                self._under_way -= 1
                self.log.tell()

    async def _ship(self, batch: Batch) -> None:
        with background():
            try:
                await self._shipping.ship(batch)
            except Exception as error:
                # A defect, or the local disk: nothing in the background may end the mount, or give data up.
                logger.exception("%d changes failed together", len(batch.changes))
                for change in batch.changes:
                    self.log.put_off(change, Uncertain(str(error)))

    def _room(self) -> int:
        """How many more changes may be under way: one now and then finds out whether the cluster is back."""
        if self._reachability.paused:
            return 0
        return max(0, (CONCURRENT if self._reachability.since is None else 1) - self._under_way)

    def _next_look(self) -> float:
        """Monotonic time; not looked at while there is no room, since the changes may be many."""
        if self._reachability.paused:
            return self._reachability.pause_ends
        return self.log.next_due() if self._room() else float("inf")

    async def _attempt(self, change: Change) -> None:
        # Whoever waits for an answer goes first.
        with background():
            try:
                await self._make_or_note(change)
            except Exception as error:
                # A defect, or the local disk: nothing in the background may end the mount, or give data up.
                logger.exception("%s failed", describe(change))
                self.log.put_off(change, Uncertain(str(error)))
            finally:
                change.sending = False
                self._under_way -= 1
                self.log.tell()

    async def _make_or_note(self, change: Change) -> None:
        try:
            await self._make(change)
        except ClusterError as error:
            await self.log.note(change, error)

    async def _make(self, change: Change) -> None:
        if change.kind is ChangeKind.CONTENT:
            await self._delivery.send(change)
        else:
            await self._replay.make(change)

    # -- drain -----------------------------------------------------------------------------------

    def left(self) -> tuple[int, int]:
        """(changes, bytes) that the cluster does not have."""
        changes = self.log.changes.values()
        return len(changes), sum(change.size for change in changes)

    def failed(self) -> list[Change]:
        """Those that the cluster refused for good."""
        return [change for change in self.log.changes.values() if change.state is State.FAILED]

    async def drain(self, progress: DrainProgress | None = None) -> int:
        """Wait until all that is closed is on the cluster or has failed; returns how many changes are left."""
        return len(await self.drain_at(None, progress))

    async def drain_at(
        self, paths: Iterable[str] | None, progress: DrainProgress | None = None, *, even_open: bool = False
    ) -> list[Change]:
        """Wait until the cluster has what was changed at, above and below these places; None: everywhere.

        Returns what is left there: what failed or is still being written, and what waits for that. With `even_open`
        what is being written is waited for.
        """
        paths = None if paths is None else tuple(paths)
        while True:
            news = self.log.news()
            changes = list(self.log.changes.values()) if paths is None else self.log.meeting(paths)
            for change in changes:
                if change.state is State.OPEN and isinstance(change.node, File) and not change.being_written:
                    await self._uploads.make_ready(change)
            stuck = self.log.stuck(even_open=even_open)
            waiting = [c for c in changes if c.state is not State.FAILED and c.row not in stuck]
            if progress is not None:
                progress(len(changes), sum(change.size for change in changes))
            if not waiting:
                return changes
            self.log.hurry(waiting)
            await news.wait()
            if len(waiting) > MANY:
                await trio.sleep(BREATH_SECONDS)

    async def settle(self, changes: Sequence[Change], seconds: float) -> None:
        """Wait until the cluster has these. Raises ClusterError where one failed, or cannot be made for `seconds`."""
        until = min(trio.current_time(), self._reachability.lost_at) + seconds
        if not all(self._uploads.is_quick(change) for change in changes):
            may_take_long()
        while True:
            news = self.log.news()
            left = [change for change in changes if change.row in self.log.changes]
            if not left:
                return
            for change in left:
                self._raise_what_stops(change, late=trio.current_time() >= until)
            self.log.hurry(self.log.meeting(path for change in left for path in change.paths))
            with trio.move_on_after(LOOK_SECONDS):
                await news.wait()

    def _raise_what_stops(self, change: Change, *, late: bool) -> None:
        blocker = self.log.in_the_way(change)
        for stopped in (change, *([blocker] if blocker else [])):
            if stopped.error is not None and (late or stopped.state is State.FAILED):
                raise stopped.error

    # -- what a user does about it ---------------------------------------------------------------

    def change(self, row: int) -> Change:
        """Raises NotFound."""
        try:
            return self.log.changes[row]
        except KeyError:
            raise NotFound(f"no change {row} waits") from None

    async def retry(self) -> int:
        """Try again what failed for good; returns how many changes."""
        failed = self.failed()
        for change in failed:
            change.state, change.not_before = State.READY, trio.current_time()
        # A mode that failed kept nobody waiting.
        self.log.reordered += 1
        await self.log.journal.update(*failed)
        self.log.resume()
        return len(failed)
