"""chmod, chown and times."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Collection, Iterator, Sequence

import trio

from f7tfs.cluster.errors import PermissionDenied
from f7tfs.cluster.port import Cluster
from f7tfs.vfs.change import Change, ChangeKind, State, is_at_or_below
from f7tfs.vfs.changelog import ChangeLog
from f7tfs.vfs.journal import times_of
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
        if mode == node.attributes.mode or node.unlinked:
            # What has no name any more is not the cluster's concern.
            self._set_mode(node, mode)
            await self._keep_times(node)
            return

        async def call(places: Sequence[str]) -> None:
            await self._cluster.chmod(places[0], mode)

        async def effect() -> None:
            if isinstance(node, File):
                node.remote_mode = mode
            self._set_mode(node, mode)
            await self._keep(node, self._log.of(node))

        attempt = Attempt.NONE
        if node.on_cluster:
            with owners_only():
                attempt = await self._presently.make(
                    lambda: [node.path], call, effect, lambda change: _leaves_alone(change, node)
                )
        if attempt is not Attempt.MADE:
            await self._journal_mode(node, mode)

    async def _journal_mode(self, node: Node, mode: int) -> None:
        self._set_mode(node, mode)
        riding = [c for c in self._log.of(node) if c.kind in RIDING and not c.in_flight]
        # Whatever is about it tells the next run its mode.
        await self._keep(node, self._log.of(node))
        if not riding:
            dentries = ((node.parent, node.name),) if node.parent is not None else ()
            await self._log.keep(self._log.register(ChangeKind.CHMOD, node, node.path, dentries=dentries))

    def _set_mode(self, node: Node, mode: int) -> None:
        node.attributes.mode = mode
        node.attributes.changed()
        node.touched = trio.current_time()

    async def chown(self, node: Node, user: str | None, group: str | None) -> None:
        """Names as the cluster has them; None: as it is. Waits for the cluster in every mode."""
        attributes = node.attributes
        user = None if user == attributes.user else user
        group = None if group == attributes.group else group
        if (user is None and group is None) or node.unlinked:
            await self.set_times(node)
            return
        await self._settle(node)
        with owners_only():
            if not node.on_cluster:
                raise PermissionDenied("the owner of a file that is not on the cluster yet cannot be changed")
            await self._cluster.chown(node.remote_path, user, group)
        attributes.user, attributes.group = user or attributes.user, group or attributes.group
        node.touched = trio.current_time()
        await self.set_times(node)

    async def _settle(self, node: Node) -> None:
        """Wait until the cluster has what it could have: all but what is still being written, or failed."""
        while waiting := [] if node.on_cluster else self._log.of(node):
            if any(change.state is not State.READY or change.attempts for change in waiting):
                return
            news = self._log.news()
            self._log.hurry(waiting)
            await news.wait()

    async def set_times(self, node: Node, atime_ns: int | None = None, mtime_ns: int | None = None) -> None:
        """Kept here, since the API has no such call: shown while the cluster's version stands. None: as it is.

        The ctime becomes now.
        """
        attributes = node.attributes
        if atime_ns is None and mtime_ns is not None and attributes.atime_ns is None:
            atime_ns = attributes.mtime_ns
        if atime_ns is not None:
            attributes.atime_ns = atime_ns
        if mtime_ns is not None:
            attributes.mtime_ns = mtime_ns
        attributes.changed()
        await self._keep_times(node)

    async def _keep_times(self, node: Node) -> None:
        await self._keep(node, ())

    async def _keep(self, node: Node, changes: Collection[Change]) -> None:
        """Put down the attributes of a node, with changes that are about it."""
        node.written_here = True
        if isinstance(node, File) and node.change is not None:
            await self._log.journal.update(*dict.fromkeys((node.change, *changes)))
        else:
            await self._log.journal.update(*changes, set_time=None if node.unlinked else times_of(node))


@contextlib.contextmanager
def owners_only() -> Iterator[None]:
    """What only the owner may do is EPERM to others, where the cluster says no more than that it is denied."""
    try:
        yield
    except PermissionDenied as error:
        raise OSError(errno.EPERM, str(error)) from error


def _leaves_alone(change: Change, node: Node) -> bool:
    """Whether a mode may be set before a change: it is the node's own, or of something below it.

    Not so before a rename that brings the node to where it is shown, alone or with a directory.
    """
    if change.node is node:
        return change.kind is not ChangeKind.RENAME and not change.in_flight
    return not any(is_at_or_below(node.path, place) for place in change.paths)
