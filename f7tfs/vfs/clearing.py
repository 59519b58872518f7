"""Removes subtrees in one call each, once everything in them was removed here, and nothing else is found in them."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import trio

from f7tfs.cluster.errors import ClusterError, NotADirectory, NotFound, Refused, TimedOut, Unauthorized, Uncertain
from f7tfs.cluster.model import Entry
from f7tfs.cluster.port import Cluster
from f7tfs.vfs.asides import Asides
from f7tfs.vfs.change import Change
from f7tfs.vfs.changelog import ChangeLog, is_final
from f7tfs.vfs.going_on import unharmed
from f7tfs.vfs.looks import Looks
from f7tfs.vfs.options import VfsOptions
from f7tfs.vfs.subtree_removals import RemovedTree, is_held, removed_trees

logger = logging.getLogger(__name__)

LONGEST = 60
"""So many pauses after the first of them, removals wait for no more."""
FRESH_SECONDS = 1.0
"""A subtree is removed within so long after its listing was asked for, or listed again."""
RETRY_SECONDS = 5.0

Seen = tuple[str, str, int]
"""Name, time and size of an entry that was found to be what was removed."""


class Clearing:
    """Holds removals back for a moment, and makes those of whole subtrees at once."""

    def __init__(self, log: ChangeLog, cluster: Cluster, looks: Looks, asides: Asides, options: VfsOptions) -> None:
        self._log = log
        self._cluster = cluster
        self._looks = looks
        self._asides = asides
        self.enabled = options.gathers
        self.pause = options.gather_seconds if self.enabled else 0.0

    # -- gathering -------------------------------------------------------------------------------

    def hold(self, change: Change) -> None:
        """A removal that is journaled waits for more."""
        change.not_before = trio.current_time() + self.pause * LONGEST

    def gathering(self) -> float:
        """Until when (monotonic) removals wait for more; those that have waited long enough are let go."""
        now = trio.current_time()
        held = [change for change in self._log.changes.values() if is_held(change, now)]
        if not held:
            return float("inf")
        until = max(change.made for change in held) + self.pause
        if until > now:
            return min(until, *(change.not_before for change in held))
        for change in held:
            change.not_before = now
        return float("inf")

    def trees(self) -> list[RemovedTree]:
        """What may go now."""
        if not self.enabled:
            return []
        return removed_trees(list(self._log.changes.values()), self._log.claims, trio.current_time())

    def take(self, tree: RemovedTree) -> None:
        """It goes now: nobody else makes these changes, and nothing at their places is renamed."""
        for change in tree.changes:
            change.sending = change.in_flight = True
        self._log.touch(*tree.changes)

    # -- removing --------------------------------------------------------------------------------

    async def clear(self, tree: RemovedTree) -> None:
        """Remove a subtree that was taken. Its changes are finished after this, or wait for another attempt."""
        try:
            await self._clear(tree)
        except ClusterError as error:
            await self._not_now(tree, error)
        finally:
            for change in tree.changes:
                change.sending = change.in_flight = False
            self._log.tell()

    async def _not_now(self, tree: RemovedTree, error: ClusterError) -> None:
        if tree.top in self._asides.left:
            await self._restore(tree.top)
        left = [change for change in tree.changes if change.row in self._log.changes]
        if is_final(error):
            # Which of them cannot be removed, and why, is found out one by one.
            logger.info("%s is not removed as a whole: %s", tree.top, error)
            tree.spare(tree.removals_of())
        elif left:
            self._log.put_off(left[-1], error, *left[:-1])

    async def _clear(self, tree: RemovedTree) -> None:
        try:
            strangers = await self._remove(tree, await self._asides.away(tree.top))
        except NotFound:
            strangers = []
        except NotADirectory:
            strangers = [""]
        if strangers:
            logger.info("%s is not removed as a whole: %s", tree.top, strangers[0] or "it cannot be listed")
            await self._asides.back(tree.top)
            tree.spare(strangers)
            return
        await self._log.finish(*tree.changes)
        await self._asides.gone(tree.top)

    async def _remove(self, tree: RemovedTree, place: str) -> list[str]:
        """Remove what is at `place`, as often as the server stops in the middle of it.

        Returns what else than what was removed here is there, by names relative to the top; then nothing was removed.
        Raises NotFound or NotADirectory where no such directory is there any more.
        """
        known: set[Seen] = set()
        before = len(tree.changes) + 1
        while True:
            if (entries := await self._listed(place)) is None:
                return [""]
            listed = trio.current_time()
            if strangers := await self._strangers(tree, place, entries, known):
                return strangers
            if place == tree.top and trio.current_time() - listed > FRESH_SECONDS:
                # It took checksums to find out.
                continue
            try:
                await self._cluster.remove(place)
            except (TimedOut, Uncertain, NotFound) as error:
                # Some of it may be gone, and all of it: the next listing tells.
                if len(entries) >= before:
                    raise Uncertain(str(error)) from error
                before = len(entries)
            else:
                return []
            finally:
                self._looks.outdate(tree.top)

    async def _listed(self, place: str) -> list[Entry] | None:
        """All that is there; None where it cannot be listed as a whole. Raises NotFound and NotADirectory."""
        asked = trio.current_time()
        try:
            entries = await self._cluster.list_tree(place)
            self._looks.take_tree(place, entries, asked)
            return entries
        except NotADirectory:
            raise
        except (Refused, TimedOut) as error:
            # It is there, and the cluster not away, if this raises nothing.
            await self._cluster.stat(place)
            if isinstance(error, NotFound):
                raise Uncertain(f"{place} changes while it is listed") from error
            if isinstance(error, Unauthorized):
                raise
            return None

    async def _strangers(
        self, tree: RemovedTree, place: str, entries: Sequence[Entry], known: set[Seen]
    ) -> list[str]:
        """The names of what is not what was removed here. `known`: what was found to be that, before and now."""
        removals = tree.removals_of()
        strangers = [entry.name for entry in entries if entry.name not in removals]
        if strangers:
            return strangers
        for entry in entries:
            if _seen(entry) in known:
                continue
            if not await self._is_one_of(removals[entry.name], f"{place}/{entry.name}", entry):
                strangers.append(entry.name)
            known.add(_seen(entry))
        return strangers

    async def _is_one_of(self, removals: Sequence[Change], path: str, entry: Entry) -> bool:
        try:
            for change in removals:
                if await self._looks.is_what_was_removed(change, path, entry):
                    return True
        except NotFound:
            # Somebody is at work there.
            return False
        return False

    # -- what was left aside ---------------------------------------------------------------------

    async def restore(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Put back what an earlier run has left aside. Once started, nothing is done at those places meanwhile."""
        with self._log.claim(tuple(self._asides.left)):
            task_status.started()
            for top in self._asides.left:
                await unharmed(self._restore, top)

    async def _restore(self, top: str) -> None:
        while True:
            try:
                await self._asides.back(top)
            except ClusterError as error:
                logger.warning("what was set aside of %s is not back in its place yet: %s", top, error)
                if is_final(error):
                    # The next mount tries again.
                    return
                await trio.sleep(RETRY_SECONDS)
            else:
                return


def _seen(entry: Entry) -> Seen:
    return entry.name, entry.modified, entry.size
