"""mkdir and symlink."""

from __future__ import annotations

import time
from collections.abc import Sequence

import trio

from f7tfs.cluster.model import Kind
from f7tfs.cluster.port import Cluster
from f7tfs.vfs.change import Change, ChangeKind
from f7tfs.vfs.changelog import ChangeLog
from f7tfs.vfs.journal import times_of
from f7tfs.vfs.metadata import Metadata
from f7tfs.vfs.names import join
from f7tfs.vfs.nodes import Attributes, Directory, Node
from f7tfs.vfs.presently import Attempt, Call, Presently, nothing_ignored
from f7tfs.vfs.sender import NEW_DIRECTORY_MODE, Sender


class Making:
    """The name is free here; the caller has looked."""

    def __init__(
        self, cluster: Cluster, sender: Sender, log: ChangeLog, metadata: Metadata, presently: Presently
    ) -> None:
        self._cluster = cluster
        self._sender = sender
        self._log = log
        self._metadata = metadata
        self._presently = presently

    async def mkdir(self, parent: Directory, name: str, mode: int) -> Node:
        """Raises AlreadyExists and other refusals where it waits for the cluster."""
        node = self._new(parent, name, Kind.DIRECTORY, mode, 4096)

        async def call(places: Sequence[str]) -> None:
            await self._cluster.make_directory(places[0])
            if mode != NEW_DIRECTORY_MODE:
                await self._cluster.chmod(places[0], mode)

        return await self._make(ChangeKind.MKDIR, node, parent, name, call)

    async def symlink(self, parent: Directory, name: str, target: str) -> Node:
        """The same of a symlink."""
        node = self._new(parent, name, Kind.SYMLINK, 0o777, len(target.encode()), target)
        # git compares the times of links as it does those of files.
        node.written_here = True

        async def call(places: Sequence[str]) -> None:
            await self._sender.symlink(places[0], target)

        return await self._make(ChangeKind.SYMLINK, node, parent, name, call)

    async def _make(self, kind: ChangeKind, node: Node, parent: Directory, name: str, call: Call) -> Node:
        async def effect() -> None:
            await self._attach(node, parent, name)

        attempt = await self._presently.make(
            lambda: [join(parent, name)], call, effect, nothing_ignored, dentries=((parent, name),)
        )
        if attempt is not Attempt.MADE:
            node.on_cluster = False
            # Directories above may have got other names meanwhile.
            change = self._log.register(kind, node, join(parent, name), dentries=((parent, name),))
            change.attempts = int(attempt is Attempt.UNCERTAIN)
            await self._attach(node, parent, name, change)
        return node

    def _new(self, parent: Directory, name: str, kind: Kind, mode: int, size: int, target: str = "") -> Node:
        identity = self._metadata.identity
        group = identity.groups.get(identity.gid, parent.attributes.group)
        attributes = Attributes(kind, mode, identity.user, group, size, time.time_ns())
        return self._metadata.tree.make(parent, name, attributes, None, trio.current_time(), target=target)

    async def _attach(self, node: Node, parent: Directory, name: str, change: Change | None = None) -> None:
        """In the tree, without an await before; then in the journal."""
        now = trio.current_time()
        node.touched = now
        parent.removed.pop(name, None)
        self._metadata.tree.attach(node, parent, name)
        parent.entries_changed()
        if isinstance(node, Directory):
            # It was made just now: it is known to be empty.
            node.listed = now
        if change is not None:
            await self._log.keep(change)
        if node.written_here:
            await self._log.journal.set_time(times_of(node))
        await self._metadata.kept.entries_changed(parent)
        await self._metadata.kept.keep_numbers([node])
