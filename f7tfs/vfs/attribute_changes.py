"""chmod, chown and times."""

from __future__ import annotations

import trio

from f7tfs.cluster.errors import PermissionDenied
from f7tfs.cluster.port import Cluster
from f7tfs.vfs.change import Change, ChangeKind, is_at_or_below
from f7tfs.vfs.changelog import ChangeLog
from f7tfs.vfs.journal import SetTime
from f7tfs.vfs.nodes import File, Node
from f7tfs.vfs.presently import Attempt, Presently

RIDING = frozenset({ChangeKind.CONTENT, ChangeKind.MKDIR, ChangeKind.CHMOD})


class AttributeChanges:
    """What something waiting takes along goes with it; the rest goes by itself."""

    def __init__(self, cluster: Cluster, log: ChangeLog, presently: Presently) -> None:
        self._cluster = cluster
        self._log = log
        self._presently = presently

    async def chmod(self, node: Node, mode: int) -> None:
        """With one call, or with the change that brings the node to the cluster."""
        if mode == node.attributes.mode:
            return

        async def call() -> None:
            await self._cluster.chmod(node.path, mode)

        async def effect() -> None:
            if isinstance(node, File):
                node.remote_mode = mode
            self._set_mode(node, mode)
            await self._log.journal.update(*self._log.of(node))

        attempt = Attempt.NONE
        if node.on_cluster:
            attempt = await self._presently.make(
                [node.path], call, effect, lambda change: _leaves_alone(change, node)
            )
        if attempt is not Attempt.MADE:
            await self._journal_mode(node, mode)

    async def _journal_mode(self, node: Node, mode: int) -> None:
        self._set_mode(node, mode)
        riding = [c for c in self._log.of(node) if c.kind in RIDING and not c.in_flight]
        # Whatever is about it tells the next run its mode.
        await self._log.journal.update(*self._log.of(node))
        if not riding:
            dentries = ((node.parent, node.name),) if node.parent is not None else ()
            await self._log.keep(self._log.register(ChangeKind.CHMOD, node, node.path, dentries=dentries))

    def _set_mode(self, node: Node, mode: int) -> None:
        node.attributes.mode = mode
        node.touched = trio.current_time()

    async def chown(self, node: Node, user: str | None, group: str | None) -> None:
        """Names as the cluster has them; None: as it is. Waits for the cluster in every mode."""
        attributes = node.attributes
        user = None if user == attributes.user else user
        group = None if group == attributes.group else group
        if user is None and group is None:
            return
        if not node.on_cluster:
            raise PermissionDenied("the owner of a file that is not on the cluster yet cannot be changed")
        await self._cluster.chown(node.remote_path, user, group)
        attributes.user, attributes.group = user or attributes.user, group or attributes.group
        node.touched = trio.current_time()

    async def set_mtime(self, node: Node, mtime_ns: int) -> None:
        """Kept here, since the API has no such call: shown while the content stands."""
        if node.attributes.mtime_ns == mtime_ns:
            return
        node.attributes.mtime_ns = mtime_ns
        node.written_here = True
        if isinstance(node, File) and node.change is not None:
            await self._log.journal.update(node.change)
            return
        version = node.version
        size = node.attributes.size if isinstance(node, File) else None
        await self._log.journal.set_time(SetTime(node.path, size, version.modified if version else None, mtime_ns))


def _leaves_alone(change: Change, node: Node) -> bool:
    """Whether a mode may be set before a change: it is the node's own, or of something below it."""
    return not is_at_or_below(node.path, change.path) or (change.node is node and not change.in_flight)
