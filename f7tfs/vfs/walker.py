"""Lists directories for those who read them, whole subtrees at once where somebody walks."""

from __future__ import annotations

import logging

import trio

from f7tfs.cluster.errors import ClusterError, Refused, TimedOut
from f7tfs.cluster.port import Cluster
from f7tfs.vfs.counts import Cache
from f7tfs.vfs.metadata import Metadata
from f7tfs.vfs.nodes import Directory
from f7tfs.vfs.paces import asking
from f7tfs.vfs.walks import MOST_SECONDS, Plan, Walks

logger = logging.getLogger(__name__)

PATIENCE_SECONDS = 10.0
"""The server gives up after some five seconds."""
GUESS_SECONDS = 2.0
"""Of who may not need the rest."""

RECENT_SECONDS = 10.0
"""Who has gone through directories may be reading what he found there."""


class Walker:
    """What `opendir` asks. One call at a time for what lies in one subtree; the others there wait for it."""

    def __init__(self, cluster: Cluster, metadata: Metadata, *, enabled: bool = True) -> None:
        self._cluster = cluster
        self._metadata = metadata
        self._enabled = enabled
        self._walks = Walks()
        self._coming: dict[Directory, trio.Event] = {}

    def has_read(self, directory: Directory) -> bool:
        """Whether who asks now has listed a directory a moment ago."""
        return trio.current_time() - self._walks.read_by(directory, asking()) < RECENT_SECONDS

    async def ensure_listed(self, directory: Directory) -> None:
        """Make sure that the children of a directory are known and fresh."""
        known = directory.unlinked or self._metadata.fresh(directory)
        self._metadata.counts.count(Cache.METADATA, hit=known)
        await self._ensure(directory, looking=False)

    async def look(self, directory: Directory) -> None:
        """The same, for who looks for a name in it only."""
        await self._ensure(directory, looking=True)

    def doubt(self, directory: Directory) -> None:
        """The cluster says that it is none. Look for it again, though it was made here a moment ago."""
        if directory.parent is not None:
            self._metadata.expire(directory.parent)
        directory.touched = directory.seen

    async def _ensure(self, directory: Directory, *, looking: bool) -> None:
        while (event := self._covering(directory)) is not None:
            await event.wait()
        if not directory.unlinked and not self._metadata.fresh(directory):
            await self._list(directory, looking=looking)
        self._walks.visited(directory, trio.current_time(), looking=looking, process=asking())

    def _covering(self, directory: Directory) -> trio.Event | None:
        """The end of a call that lists `directory` with others; None where there is none, or it is not needed."""
        node: Directory | None = directory
        while node is not None and not self._metadata.fresh(directory):
            if (event := self._coming.get(node)) is not None:
                return event
            node = node.parent
        return None

    async def _list(self, directory: Directory, *, looking: bool) -> None:
        # Where the cluster is away, what is known of the directory is shown, and nobody waits for more.
        plan = self._plan(directory, looking=looking) if self._enabled and self._metadata.reachable else Plan()
        began = trio.current_time()
        for subtree in plan.subtrees:
            if trio.current_time() - began >= MOST_SECONDS:
                # The wider one took that long, in vain.
                break
            listed = self._metadata.listable(subtree) and await self._list_tree(subtree, plan, looking=looking)
            if listed and self._metadata.fresh(directory):
                return
        await self._metadata.refresh(directory)
        self._metadata.counts.count(Cache.WALKS, hit=False)
        self._walks.listed(directory, trio.current_time(), looking=looking)

    def _plan(self, directory: Directory, *, looking: bool) -> Plan:
        parent = directory.parent
        # Of what lies side by side in a whole file system, one tells nothing of the next.
        process = asking() if parent is not None and self._metadata.listable(parent) else 0
        return self._walks.plan(directory, trio.current_time(), looking=looking, process=process)

    async def _list_tree(self, subtree: Directory, plan: Plan, *, looking: bool) -> bool:
        event = self._coming[subtree] = trio.Event()
        try:
            return await self._tree(subtree, plan, looking=looking)
        finally:
            del self._coming[subtree]
            event.set()

    async def _tree(self, subtree: Directory, plan: Plan, *, looking: bool) -> bool:
        asked = trio.current_time()
        patience = GUESS_SECONDS if plan.guessed else PATIENCE_SECONDS
        try:
            with trio.fail_after(min(patience, self._metadata.patience)):
                entries = await self._cluster.list_tree(subtree.remote_path)
        except (Refused, TimedOut, trio.TooSlowError) as error:
            logger.info("%s is not listed as a whole: %s", subtree.path, error)
            now = trio.current_time()
            if now - asked >= MOST_SECONDS:
                self._walks.slow(subtree, now)
            if not (plan.guessed and isinstance(error, trio.TooSlowError)):
                self._walks.refused(subtree, now)
            return False
        except ClusterError as error:
            # The cluster is away: whoever lists the one directory decides what that means.
            logger.info("%s is not listed as a whole now: %s", subtree.path, error)
            return False
        now = trio.current_time()
        self._walks.listed(subtree, now, entries=len(entries) + 1, seconds=now - asked, looking=looking)
        await self._metadata.merge_tree(subtree, entries, asked)
        return True
