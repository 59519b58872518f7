"""Lists directories for those who read them, whole subtrees at once where somebody walks."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import trio

from f7tfs.cluster.errors import ClusterError, Refused, TimedOut
from f7tfs.cluster.model import Entry
from f7tfs.cluster.port import Cluster
from f7tfs.vfs.metadata import Metadata
from f7tfs.vfs.nodes import Directory
from f7tfs.vfs.subtrees import by_directory
from f7tfs.vfs.walks import Walks

logger = logging.getLogger(__name__)

PATIENCE_SECONDS = 10.0
"""The server gives up after some five seconds."""


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
        while (event := self._covering(directory)) is not None:
            await event.wait()
        if not directory.unlinked and not self._metadata.fresh(directory):
            await self._list(directory)
        self._walks.visited(directory, trio.current_time())

    def _covering(self, directory: Directory) -> trio.Event | None:
        """The end of a call that lists `directory` with others; None where there is none, or it is not needed."""
        node: Directory | None = directory
        while node is not None and not self._metadata.fresh(directory):
            if (event := self._coming.get(node)) is not None:
                return event
            node = node.parent
        return None

    async def _list(self, directory: Directory) -> None:
        # Where the cluster is away, what is known of the directory is shown, and nobody waits for more.
        enabled = self._enabled and self._metadata.reachable
        for subtree in self._walks.plan(directory, trio.current_time()) if enabled else []:
            if self._may_be_listed(subtree) and await self._list_tree(subtree) and self._metadata.fresh(directory):
                return
        await self._metadata.refresh(directory)
        self._walks.listed(directory, trio.current_time())

    def _may_be_listed(self, subtree: Directory) -> bool:
        if subtree.unlinked or not subtree.on_cluster or subtree.remote_path != subtree.path:
            # A rename of it, or of what holds it, waits.
            return False
        return not (self._metadata.is_file_system(subtree) or self._metadata.made_up(subtree))

    async def _list_tree(self, subtree: Directory) -> bool:
        event = self._coming[subtree] = trio.Event()
        try:
            return await self._tree(subtree)
        finally:
            del self._coming[subtree]
            event.set()

    async def _tree(self, subtree: Directory) -> bool:
        asked = trio.current_time()
        try:
            with trio.fail_after(min(PATIENCE_SECONDS, self._metadata.patience)):
                entries = await self._cluster.list_tree(subtree.remote_path)
        except (Refused, TimedOut, trio.TooSlowError) as error:
            logger.info("%s is not listed as a whole: %s", subtree.path, error)
            self._walks.refused(subtree, trio.current_time())
            return False
        except ClusterError as error:
            # The cluster is away: whoever lists the one directory decides what that means.
            logger.info("%s is not listed as a whole now: %s", subtree.path, error)
            return False
        now = trio.current_time()
        self._walks.listed(subtree, now, entries=len(entries) + 1, seconds=now - asked)
        await self._take(subtree, entries, asked)
        return True

    async def _take(self, subtree: Directory, entries: Sequence[Entry], asked: float) -> None:
        """Fill the caches of all directories of a subtree, parents first."""
        below = by_directory(entries)
        waiting = [(subtree, "")]
        while waiting:
            directory, name = waiting.pop()
            await self._metadata.merge(directory, below.get(name, []), asked)
            waiting += [
                (child, f"{name}/{child.name}".lstrip("/"))
                for child in directory.children.values()
                if isinstance(child, Directory) and child.seen >= asked and self._may_be_listed(child)
            ]
            await trio.lowlevel.checkpoint()
