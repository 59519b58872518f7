"""A mount as a whole: how it is, what it waits for, and what a user can do about that."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

from f7tfs.cluster.errors import Unavailable
from f7tfs.cluster.port import Cluster
from f7tfs.vfs.cache import ContentCache
from f7tfs.vfs.change import State, is_at_or_below
from f7tfs.vfs.errands import Errands
from f7tfs.vfs.inodes import InodeTable
from f7tfs.vfs.keeper import JournalKeeper, entry
from f7tfs.vfs.metadata import Metadata
from f7tfs.vfs.nodes import Directory, Node
from f7tfs.vfs.reachability import Reachability
from f7tfs.vfs.reintegration import DrainProgress, Reintegration
from f7tfs.vfs.transfers import Transfers


async def _nothing() -> None:
    """Nothing else is waited for."""


class Upkeep:
    """What the daemon asks of a file system besides serving it."""

    def __init__(
        self,
        cluster: Cluster,
        metadata: Metadata,
        inodes: InodeTable,
        cache: ContentCache,
        reintegration: Reintegration,
        reachability: Reachability,
        transfers: Transfers,
    ) -> None:
        self._transfers = transfers
        self._cluster = cluster
        self._metadata = metadata
        self._inodes = inodes
        self._cache = cache
        self._reintegration = reintegration
        self._reachability = reachability
        self._keeper = JournalKeeper(reintegration, metadata, cache)
        self.errands: Errands
        self.after_drain: Callable[[], Awaitable[None]] = _nothing
        self.more_status: Callable[[], dict[str, object]] = dict
        """What others add to the status."""
        self.on_stale_entry: Callable[[Directory, str], None] = lambda _parent, _name: None
        """Told of names that the kernel should ask for again. Not of a directory that may still be there: a name that
        is taken from the kernel is taken from the processes too whose working directory it is."""
        self.on_stale_attributes: Callable[[Directory], None] = lambda _directory: None
        """Told of directories whose attributes the kernel should ask for again."""

    async def settle_below(self, path: str) -> None:
        """Wait until what was written here is on the cluster; a job must find it there."""
        await self._reintegration.drain()
        failed = [place for change in self._reintegration.failed() for place in change.paths]
        below = [lost for lost in failed if is_at_or_below(lost, path)]
        if below:
            raise Unavailable(f"not submitted, since {below[0]} could not be sent to the cluster: see f7tfs status")

    async def drain(self, progress: DrainProgress | None = None) -> int:
        """Wait until all that is closed is on the cluster or has failed; returns how many changes are left."""
        left = await self._reintegration.drain(progress)
        await self.after_drain()
        return left

    async def refresh(self, path: str | None) -> None:
        """Believe nothing that is known of a directory (or of a file's directory) any longer; None: of any."""
        directories: list[Directory] = [self._metadata.tree.root]
        while directories:
            directory = directories.pop()
            if path is None or directory.path in (path, path.rpartition("/")[0] or "/"):
                self._expire(directory)
            directories += [child for child in directory.children.values() if isinstance(child, Directory)]

    def changed_there(self, path: str) -> None:
        """Something on the cluster has most probably changed what a directory holds."""
        directory = self._metadata.tree.find(path)
        if isinstance(directory, Directory):
            self._expire(directory)

    def _expire(self, directory: Directory) -> None:
        self._metadata.expire(directory)
        for name, child in directory.children.items():
            if not child.lookups:
                continue
            if isinstance(child, Directory):
                self.on_stale_attributes(child)
            else:
                self.on_stale_entry(directory, name)

    def gone(self, node: Node) -> None:
        """A node is not any longer where it was; it has its parent and name still."""
        if isinstance(node, Directory) and node.parent is not None and node.lookups:
            # The kernel would believe in it until its time-out. What is no directory it looks up by itself.
            self.on_stale_entry(node.parent, node.name)

    # -- the journal -----------------------------------------------------------------------------

    def journal_entries(self) -> list[dict[str, object]]:
        """Every change that the cluster does not have, in order; JSON-able."""
        return self._keeper.entries()

    async def journal_retry(self) -> int:
        """Try what failed, and what waits out a pause, now. Returns how many had failed."""
        return await self._keeper.retry()

    async def journal_export(self, row: int, target: str) -> None:
        """Copy a content to a local file, which must not exist. Raises NotFound or OSError."""
        await self._keeper.export(row, Path(target))

    async def journal_drop(self, row: int) -> None:
        """Give a change up. Raises NotFound, or Refused where others wait for it."""
        await self._keeper.drop(row)
        await self.refresh(None)

    # -- how it is -------------------------------------------------------------------------------

    def status(self) -> dict[str, object]:
        """What a user asks a mount; JSON-able."""
        changes, size = self._reintegration.left()
        return {
            "host": socket.gethostname(),
            "system": self._cluster.system,
            "root": self._metadata.tree.root.path,
            "user": self._metadata.identity.user,
            "reachable": self._reachability.since is None,
            "unreachable_since": self._reachability.since,
            "credentials_refused": self._reachability.refused,
            "changes_left": changes,
            "bytes_left": size,
            "failed": [entry(change) for change in self._reintegration.failed()],
            "waiting": [
                entry(change)
                for change in self._reintegration.log.changes.values()
                if change.state is State.READY and change.error is not None
            ],
            "too_large": self._metadata.too_large(),
            **self.more_status(),
            "inodes": len(self._inodes),
            "cache_bytes": self._cache.store.used,
            "calls": dict(self._cluster.calls),
            "caches": self._metadata.counts.report(),
            "transfers": self._transfers.report(),
        }
