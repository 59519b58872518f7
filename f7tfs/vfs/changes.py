"""Changes of names and attributes: mkdir, unlink, rmdir, rename, symlink, chmod, chown, times."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator

import trio

from f7tfs.cluster.errors import (
    AlreadyExists,
    ClusterError,
    DirectoryNotEmpty,
    IsADirectory,
    NotADirectory,
    NotFound,
    PermissionDenied,
    Unsupported,
)
from f7tfs.cluster.model import Kind
from f7tfs.cluster.port import Cluster
from f7tfs.vfs.cache import ContentCache
from f7tfs.vfs.journal import Change, Journal, SetTime
from f7tfs.vfs.metadata import Metadata
from f7tfs.vfs.nodes import Attributes, Directory, File, Node
from f7tfs.vfs.reader import Reader
from f7tfs.vfs.reintegration import Reintegration, is_final
from f7tfs.vfs.routes import RenameRoute, plan_rename
from f7tfs.vfs.sender import Sender

RENAME_NOREPLACE = 1
# What a new directory gets on the cluster: 0777 less the usual umask there.
NEW_DIRECTORY_MODE = 0o755


class Changes:
    """Each change is on the cluster when its call returns, but for what only the journal knows yet."""

    def __init__(
        self,
        cluster: Cluster,
        journal: Journal,
        metadata: Metadata,
        cache: ContentCache,
        reader: Reader,
        reintegration: Reintegration,
        sender: Sender,
    ) -> None:
        self._cluster = cluster
        self._sender = sender
        self._journal = journal
        self._metadata = metadata
        self._cache = cache
        self._reader = reader
        self._reintegration = reintegration

    # -- making ----------------------------------------------------------------------------------

    async def mkdir(self, parent: Directory, name: str, mode: int) -> Directory:
        path = _join(parent, name)
        await self._cluster.make_directory(path)
        if mode != NEW_DIRECTORY_MODE:
            await self._cluster.chmod(path, mode)
        node = self._made(parent, name, Kind.DIRECTORY, mode, 4096)
        if not isinstance(node, Directory):  # pragma: no cover -- Kind.DIRECTORY makes a Directory
            raise TypeError(node)
        # It was made just now: it is known to be empty.
        node.listed = trio.current_time()
        return node

    async def symlink(self, parent: Directory, name: str, target: str) -> Node:
        path = _join(parent, name)
        try:
            await self._cluster.make_symlink(path, target)
        except Unsupported:
            await self._sender.archive(path, Kind.SYMLINK, 0o777, time.time_ns(), target)
        return self._made(parent, name, Kind.SYMLINK, 0o777, len(target.encode()), target)

    def _made(self, parent: Directory, name: str, kind: Kind, mode: int, size: int, target: str = "") -> Node:
        now = trio.current_time()
        identity = self._metadata.identity
        group = identity.groups.get(identity.gid, parent.attributes.group)
        attributes = Attributes(kind, mode, identity.user, group, size, time.time_ns())
        node = self._metadata.tree.make(parent, name, attributes, None, now, target=target)
        node.touched = now
        parent.removed.pop(name, None)
        self._metadata.tree.attach(node, parent, name)
        parent.entries_changed()
        return node

    # -- removing --------------------------------------------------------------------------------

    async def unlink(self, parent: Directory, name: str) -> None:
        """Never reaches a directory, though the API's own removal is recursive."""
        node = await self._metadata.lookup(parent, name)
        if isinstance(node, Directory):
            raise IsADirectory(node.path)
        if isinstance(node, File):
            async with node.lock:
                await self._remove_file(node)
        else:
            await self._remove_remote(node)

    async def _remove_file(self, node: File) -> None:
        if node.handles and node.on_cluster and node.change is None:
            # Who has it open goes on reading it.
            await self._reader.complete(node)
        if node.on_cluster:
            await self._remove_remote(node)
        else:
            self._detach(node)
        await self._reintegration.abandon(node)
        self._cache.idle(node)

    async def _remove_remote(self, node: Node) -> None:
        # Gone already: the name is free, which is what was asked for.
        with contextlib.suppress(NotFound):
            await self._cluster.remove(node.path)
        path = node.path
        self._detach(node)
        if node.written_here:
            await self._journal.forget_times([path])

    async def rmdir(self, parent: Directory, name: str) -> None:
        """Never reaches a directory with entries: where the listing is not fresh, the cluster is asked first."""
        node = await self._metadata.lookup(parent, name)
        if not isinstance(node, Directory):
            raise NotADirectory(node.path)
        await self._metadata.ensure_listed(node)
        if node.children:
            raise DirectoryNotEmpty(node.path)
        await self._remove_remote(node)

    # -- renaming --------------------------------------------------------------------------------

    async def rename(self, parent: Directory, name: str, new_parent: Directory, new_name: str, flags: int) -> None:
        """As rename(2); of the flags only RENAME_NOREPLACE."""
        if flags & ~RENAME_NOREPLACE:
            raise Unsupported("the API cannot exchange two names")
        node = await self._metadata.lookup(parent, name)
        target = await self._target(new_parent, new_name)
        if target is node:
            return
        if target is not None:
            if flags & RENAME_NOREPLACE:
                raise AlreadyExists(target.path)
            await self._check_replaceable(node, target)
        if isinstance(node, File):
            await self._rename_file(node, new_parent, new_name, target)
        else:
            await self._rename_other(node, new_parent, new_name, target)

    async def _target(self, parent: Directory, name: str) -> Node | None:
        try:
            return await self._metadata.lookup(parent, name)
        except NotFound:
            return None

    async def _check_replaceable(self, node: Node, target: Node) -> None:
        if not isinstance(target, Directory):
            if isinstance(node, Directory):
                raise NotADirectory(target.path)
            return
        if not isinstance(node, Directory):
            raise IsADirectory(target.path)
        await self._metadata.ensure_listed(target)
        if target.children:
            raise DirectoryNotEmpty(target.path)

    async def _rename_file(self, node: File, parent: Directory, name: str, target: Node | None) -> None:
        async with _locked(node, target):
            if node.on_cluster or node.change is None:
                await self._rename_sent(node, parent, name, target)
            else:
                await self._rename_unsent(node, node.change, parent, name, target)
        if node.change is not None and node.change.state == "ready":
            await self._reintegration.close(node)

    async def _rename_unsent(
        self, node: File, change: Change, parent: Directory, name: str, target: Node | None
    ) -> None:
        """It exists only here: it gets its name here, and is sent under that name.

        What stands at the new name is given up only when the cluster has the new content, or cannot be reached.
        """
        new, sent = _join(parent, name), False
        if change.state != "open" and self._reintegration.goes_at_once(change, name):
            remote_mode = target.remote_mode if isinstance(target, File) else None
            try:
                await self._reintegration.transfer(change, new, remote_mode)
                sent = True
            except ClusterError as error:
                if is_final(error):
                    raise
                await self._reintegration.put_off(change, error)
        await self._move(node, parent, name, target)
        self._stand_in_for(node, target)
        if sent:
            await self._reintegration.finished(change, new)

    def _stand_in_for(self, node: File, target: Node | None) -> None:
        """What stands at the node's place on the cluster is what `target` was there."""
        node.on_cluster = target is not None and target.on_cluster
        node.remote_mode = target.remote_mode if isinstance(target, File) else None

    async def _rename_sent(self, node: File, parent: Directory, name: str, target: Node | None) -> None:
        """The caller holds the node's lock."""
        route = plan_rename(Kind.FILE, node.attributes.size, self._cluster.limits, self._cluster.features)
        old, new = node.path, _join(parent, name)
        if route is RenameRoute.REWRITE and await self._may_rewrite(node):
            await self._rewrite(node, new, target)
            await self._move(node, parent, name, target)
            if node.change is None:
                await self._journal.set_time(SetTime(new, node.attributes.size, None, node.attributes.mtime_ns))
            else:
                self._stand_in_for(node, target)
            return
        await self._cluster.rename(old, new)
        await self._move(node, parent, name, target)

    async def _may_rewrite(self, node: File) -> bool:
        """Writing it anew would part it from its other hard links."""
        stat = await self._cluster.stat(node.path)
        return stat.nlink == 1 and stat.kind is Kind.FILE

    async def _rewrite(self, node: File, new: str, target: Node | None) -> None:
        """Write the content under the new name, and only then remove the old one.

        With a change pending the new content follows anyway, and nothing of the old one is needed.
        """
        if node.change is None:
            await self._reader.complete(node)
            content = self._cache.content(node)
            remote_mode = target.remote_mode if isinstance(target, File) else None
            content.frozen = True
            try:
                await self._sender.put(new, content, node.attributes, remote_mode)
            finally:
                content.frozen = False
            content.base, node.version = None, None
            node.written_here, node.remote_mode = True, node.attributes.mode
        await self._cluster.remove(node.path)

    async def _rename_other(self, node: Node, parent: Directory, name: str, target: Node | None) -> None:
        if isinstance(target, Directory):
            await self._cluster.remove(target.path)
            self._detach(target)
            target = None
        async with contextlib.AsyncExitStack() as stack:
            if isinstance(node, Directory):
                await stack.enter_async_context(self._reintegration.hold(node))
            if isinstance(target, File):
                await stack.enter_async_context(target.lock)
            await self._cluster.rename(node.path, _join(parent, name))
            await self._move(node, parent, name, target)

    def _detach(self, node: Node) -> None:
        parent = node.parent
        self._metadata.tree.detach(node, trio.current_time())
        if parent is not None:
            parent.entries_changed()

    async def _move(self, node: Node, parent: Directory, name: str, target: Node | None) -> None:
        """Rename here, in the tree and in the journal. The caller holds the locks of files."""
        old, old_parent = node.path, node.parent
        if target is not None:
            self._detach(target)
        self._metadata.tree.move(node, parent, name, trio.current_time())
        parent.entries_changed()
        if old_parent is not None:
            old_parent.entries_changed()
        if isinstance(target, File):
            await self._reintegration.abandon(target)
            self._cache.idle(target)
        await self._journal.move(old, node.path)

    # -- attributes ------------------------------------------------------------------------------

    async def chmod(self, node: Node, mode: int) -> None:
        if mode == node.attributes.mode:
            return
        if node.on_cluster:
            await self._cluster.chmod(node.path, mode)
            if isinstance(node, File):
                node.remote_mode = mode
        node.attributes.mode = mode
        node.touched = trio.current_time()

    async def chown(self, node: Node, user: str | None, group: str | None) -> None:
        """Names as the cluster has them; None: as it is."""
        attributes = node.attributes
        user = None if user == attributes.user else user
        group = None if group == attributes.group else group
        if user is None and group is None:
            return
        if not node.on_cluster:
            raise PermissionDenied("the owner of a file that is not on the cluster yet cannot be changed")
        await self._cluster.chown(node.path, user, group)
        attributes.user, attributes.group = user or attributes.user, group or attributes.group
        node.touched = trio.current_time()

    async def set_mtime(self, node: Node, mtime_ns: int) -> None:
        """Kept here, since the API has no such call: shown while the content stands."""
        if node.attributes.mtime_ns == mtime_ns:
            return
        node.attributes.mtime_ns = mtime_ns
        node.written_here = True
        if isinstance(node, File) and node.change is not None:
            await self._reintegration.remember(node.change)
            return
        version = node.version
        size = node.attributes.size if isinstance(node, File) else None
        await self._journal.set_time(SetTime(node.path, size, version.modified if version else None, mtime_ns))


@contextlib.asynccontextmanager
async def _locked(node: File, target: Node | None) -> AsyncIterator[None]:
    """Nothing is sent to either meanwhile. In the order of their numbers, so that two renames cannot deadlock."""
    files = {file.number: file for file in (node, target) if isinstance(file, File)}
    async with contextlib.AsyncExitStack() as stack:
        for _, file in sorted(files.items()):
            await stack.enter_async_context(file.lock)
        yield


def _join(parent: Directory, name: str) -> str:
    return f"{parent.path.rstrip('/')}/{name}"
