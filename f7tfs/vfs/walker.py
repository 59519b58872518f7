"""Lists directories for those who read them, whole subtrees at once where somebody walks."""

from __future__ import annotations

import logging

import trio

from f7tfs.cluster.errors import ClusterError, Refused, TimedOut
from f7tfs.cluster.port import Cluster
from f7tfs.vfs.counts import Cache
from f7tfs.vfs.metadata import Metadata
from f7tfs.vfs.nodes import Directory
from f7tfs.vfs.walks import MOST_SECONDS, Walks

logger = logging.getLogger(__name__)

PATIENCE_SECONDS = 10.0
"""The server gives up after some five seconds."""
LOOKING_SECONDS = 2.0
"""Of who only looks for a name, and may not need the rest."""


class Walker:
    """What `opendir` asks. One call at a time for what lies in one subtree; the others there wait for it."""

    def __init__(self, cluster: Cluster, metadata: Metadata, *, enabled: bool = True) -> None:
        self._cluster = cluster
        self._metadata = metadata
        self._enabled = enabled
        self._walks = Walks()
        self._coming: dict[Directory, trio.Event] = {}

    async def ensure_listed(self, directory: Directory) -> None:
        """Make sure that the children of a directory are known and fresh."""
        known = directory.unlinked or self._metadata.fresh(directory)
        self._metadata.counts.count(Cache.METADATA, hit=known)
        await self._ensure(directory, looking=False)

    async def look(self, directory: Directory) -> None:
        """The same, for who looks for a name in it only."""
        await self._ensure(directory, looking=True)

    async def _ensure(self, directory: Directory, *, looking: bool) -> None:
        while (event := self._covering(directory)) is not None:
            await event.wait()
        if not directory.unlinked and not self._metadata.fresh(directory):
            await self._list(directory, looking=looking)
        self._walks.visited(directory, trio.current_time(), looking=looking)

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
        enabled = self._enabled and self._metadata.reachable
        for subtree in self._walks.plan(directory, trio.current_time(), looking=looking) if enabled else []:
            listed = self._metadata.listable(subtree) and await self._list_tree(subtree, looking=looking)
            if listed and self._metadata.fresh(directory):
                return
        await self._metadata.refresh(directory)
        self._metadata.counts.count(Cache.WALKS, hit=False)
        self._walks.listed(directory, trio.current_time(), looking=looking)

    async def _list_tree(self, subtree: Directory, *, looking: bool) -> bool:
        event = self._coming[subtree] = trio.Event()
        try:
            return await self._tree(subtree, looking=looking)
        finally:
            del self._coming[subtree]
            event.set()

    async def _tree(self, subtree: Directory, *, looking: bool) -> bool:
        asked = trio.current_time()
        try:
            with trio.fail_after(min(LOOKING_SECONDS if looking else PATIENCE_SECONDS, self._metadata.patience)):
                entries = await self._cluster.list_tree(subtree.remote_path)
        except (Refused, TimedOut, trio.TooSlowError) as error:
            logger.info("%s is not listed as a whole: %s", subtree.path, error)
            now = trio.current_time()
            if now - asked >= MOST_SECONDS:
                self._walks.slow(subtree, now)
            if not (looking and isinstance(error, trio.TooSlowError)):
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
