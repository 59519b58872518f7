"""unlink and rmdir."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

import trio

from f7tfs.cluster.errors import DirectoryNotEmpty, IsADirectory, NotADirectory, NotFound
from f7tfs.cluster.port import Cluster
from f7tfs.vfs.cache import ContentCache
from f7tfs.vfs.change import Change, ChangeKind
from f7tfs.vfs.changelog import ChangeLog
from f7tfs.vfs.clearing import Clearing
from f7tfs.vfs.metadata import Metadata
from f7tfs.vfs.names import locked
from f7tfs.vfs.nodes import Directory, File, Node
from f7tfs.vfs.presently import Attempt, Presently
from f7tfs.vfs.reader import Reader
from f7tfs.vfs.standing import in_doubt
from f7tfs.vfs.uploads import Uploads


class Removing:
    """Neither reaches what it must not, though the API's removal is recursive. What never travelled is forgotten."""

    def __init__(
        self,
        cluster: Cluster,
        log: ChangeLog,
        metadata: Metadata,
        cache: ContentCache,
        reader: Reader,
        uploads: Uploads,
        presently: Presently,
        clearing: Clearing,
    ) -> None:
        self._clearing = clearing
        self._cluster = cluster
        self._log = log
        self._metadata = metadata
        self._cache = cache
        self._reader = reader
        self._uploads = uploads
        self._presently = presently

    async def unlink(self, parent: Directory, name: str) -> None:
        """Never reaches a directory."""
        node = await self._metadata.lookup(parent, name)
        if isinstance(node, Directory):
            raise IsADirectory(node.path)
        await self.keep_readable(node)
        if await self._unlink_now(node) is not Attempt.MADE:
            await self.journal(node)

    async def keep_readable(self, node: Node) -> None:
        """Bring a file here that is about to lose its name: who has it open goes on reading it."""
        if isinstance(node, File) and node.handles and node.on_cluster and node.change is None:
            await self._reader.complete(node)
            self._reader.forget_copy(node)

    async def _unlink_now(self, node: Node) -> Attempt:
        if not self._presently.expected(node.path) or not self._log.may_be_there(node):
            return Attempt.NONE
        async with locked(node):
            if in_doubt(node):
                return Attempt.NONE
            return await self._remove_now(node)

    async def rmdir(self, parent: Directory, name: str) -> None:
        """Never reaches a directory with entries: where the listing is not fresh, the cluster is asked first."""
        node = await self._metadata.lookup(parent, name)
        if not isinstance(node, Directory):
            raise NotADirectory(node.path)
        await self._metadata.ensure_listed(node)
        if node.children:
            raise DirectoryNotEmpty(node.path)
        if not self._log.may_be_there(node) or await self._remove_now(node) is not Attempt.MADE:
            await self.journal(node)

    async def _remove_now(self, node: Node) -> Attempt:
        """The caller holds the lock of a file."""

        async def call(places: Sequence[str]) -> None:
            # Gone already: the name is free, which is what was asked for.
            with contextlib.suppress(NotFound):
                await self._cluster.remove(places[0])

        async def effect() -> None:
            await self._removed(node)

        held = (node,) if isinstance(node, File) else ()
        return await self._presently.make(
            lambda: [node.path],
            call,
            effect,
            lambda change: self._falls_with(change, node),
            held=held,
            dentries=((node.parent, node.name),) if node.parent else (),
        )

    def _falls_with(self, change: Change, node: Node) -> bool:
        """Whether a change need not be made once its node is removed."""
        if change.node is not node or change.kind not in FALLING or change.in_flight:
            return False
        # What waits may go through a directory: into it and out of it again, as it is empty now.
        return not (change.kind is ChangeKind.MKDIR and self._log.through(change.path, change.row))

    async def _removed(self, node: Node) -> None:
        """Forget it here, with all that need not be made any more. No await before the tree has changed."""
        parent = node.parent
        self._metadata.tree.detach(node, trio.current_time())
        if parent is not None:
            parent.entries_changed()
            if isinstance(node, File) and node.change is not None and node.standing.sent:
                parent.remains[node.name] = node.standing.sent
        for change in self._log.of(node):
            if self._falls_with(change, node) and change.kind is not ChangeKind.CONTENT:
                await self._log.finish(change)
        if isinstance(node, File):
            await self._uploads.abandon(node)
            self._cache.idle(node)
        await self._metadata.kept.forget_places([node])
        if parent is not None:
            await self._metadata.kept.entries_changed(parent)

    async def journal(self, node: Node) -> None:
        """Remove it here; on the cluster it follows, if it may be there at all."""
        parent = node.parent
        if parent is None:  # pragma: no cover -- the root is not removed
            raise IsADirectory(node.path)
        if self._log.may_be_there(node) or any(not self._falls_with(change, node) for change in self._log.of(node)):
            kind = ChangeKind.RMDIR if isinstance(node, Directory) else ChangeKind.UNLINK
            standing, dentries = self._log.standing_of(node), ((parent, node.name),)
            change = self._log.register(kind, node, node.path, standing=standing, dentries=dentries)
            self._clearing.hold(change)
            # Before what need not be made is forgotten: a crash in between must not bring it back.
            await self._log.keep(change)
        await self._removed(node)


FALLING = frozenset({ChangeKind.CONTENT, ChangeKind.CHMOD, ChangeKind.MKDIR, ChangeKind.SYMLINK})
