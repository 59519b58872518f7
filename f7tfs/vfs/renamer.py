"""Renames on the cluster what is there, by the planned route."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from f7tfs.cluster.errors import PermissionDenied
from f7tfs.cluster.model import Kind
from f7tfs.cluster.port import Cluster
from f7tfs.vfs.cache import ContentCache
from f7tfs.vfs.content import Content
from f7tfs.vfs.deadlines import may_take_long
from f7tfs.vfs.nodes import File, Node, Sent, Standing
from f7tfs.vfs.reader import Reader
from f7tfs.vfs.routes import RenameRoute, plan_rename
from f7tfs.vfs.sender import Sender
from f7tfs.vfs.standing import standing_of, with_sent

BeforeSending = Callable[[Sent], Awaitable[None]]


async def _nobody(_sent: Sent) -> None:
    """Nobody wants to know."""


class Renamer:
    """Knows nothing of the journal and of names here."""

    def __init__(self, cluster: Cluster, sender: Sender, reader: Reader, cache: ContentCache) -> None:
        self._cluster = cluster
        self._sender = sender
        self._reader = reader
        self._cache = cache

    async def rename(
        self, node: Node, old: str, new: str, remote_mode: int | None, before_sending: BeforeSending = _nobody
    ) -> bool:
        """Bring `node` from `old` to `new`, over a file with `remote_mode` if there is one. Its lock is held.

        False: it is only gone from `old`, since a content waits that will be sent to `new` anyway.
        """
        route = plan_rename(node.kind, node.attributes.size, self._cluster.limits, self._cluster.features)
        if route is RenameRoute.REWRITE and isinstance(node, File) and await self._may_rewrite(old):
            try:
                return await self._rewrite(node, old, new, remote_mode, before_sending)
            except PermissionDenied:
                # Another's file is replaced by a rename where the directory is writable, but not written.
                if node.change is not None:
                    raise
                route = RenameRoute.JOB
        if route is RenameRoute.JOB:
            may_take_long()
        await self._cluster.rename(old, new)
        return True

    async def _may_rewrite(self, path: str) -> bool:
        """Writing it anew would part it from its other hard links."""
        stat = await self._cluster.stat(path)
        return stat.nlink == 1 and stat.kind is Kind.FILE

    async def _rewrite(
        self, node: File, old: str, new: str, remote_mode: int | None, before_sending: BeforeSending
    ) -> bool:
        """Write the content under the new name, and only then remove the old one."""
        moved = await self._write_anew(node, new, remote_mode, before_sending)
        await self._cluster.remove(old)
        return moved

    async def _write_anew(self, node: File, new: str, remote_mode: int | None, before_sending: BeforeSending) -> bool:
        """False where a newer content waits: it is on its way to the new name already."""
        while node.change is None:
            content = self._cache.content(node)
            try:
                # From before it is fetched: whoever removes or replaces the file meanwhile does not take it away.
                with content.still():
                    await self._reader.complete(node, content)
                    if node.content is content or node.unlinked:
                        await self._send(node, content, new, remote_mode, before_sending)
                        return True
            finally:
                self._cache.idle(node)
        return False

    async def _send(
        self, node: File, content: Content, new: str, remote_mode: int | None, before_sending: BeforeSending
    ) -> None:
        sent = await content.known_by()
        node.standing = with_sent(standing_of(node), sent)
        await before_sending(sent)
        node.remote_mode = await self._sender.put(new, content, sent, node.attributes, remote_mode)
        content.base, node.version, node.written_here = None, None, True
        # A newer content, if there is one by now, finds this one there.
        node.standing = Standing(sent=(sent,))
