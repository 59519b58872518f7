"""Open files: create, open, read, write, truncate, flush, fsync, release."""

from __future__ import annotations

import os
import time

import trio

from f7tfs.cluster.errors import IsADirectory, NotFound, PermissionDenied, Refused, TimedOut, Unavailable, Unsupported
from f7tfs.cluster.model import Kind
from f7tfs.vfs.access import Access, may
from f7tfs.vfs.cache import ContentCache
from f7tfs.vfs.change import State
from f7tfs.vfs.content import Content
from f7tfs.vfs.deadlines import is_over
from f7tfs.vfs.handles import Handle
from f7tfs.vfs.holders import holds_open
from f7tfs.vfs.metadata import Metadata
from f7tfs.vfs.nodes import Attributes, Directory, File, Node, Standing
from f7tfs.vfs.paces import Paces
from f7tfs.vfs.reader import Reader
from f7tfs.vfs.uploads import Uploads

AGAIN_SECONDS = 1.0
"""After a failure the kernel asks at once for a part of the same: its caller is not to wait twice."""


class Files:
    """Operations on regular files. `mountpoint` is where processes see the root; empty where nothing is mounted."""

    def __init__(
        self, metadata: Metadata, cache: ContentCache, reader: Reader, uploads: Uploads, paces: Paces
    ) -> None:
        self._metadata = metadata
        self._cache = cache
        self._reader = reader
        self._uploads = uploads
        self._paces = paces
        self.mountpoint = ""

    # -- opening ---------------------------------------------------------------------------------

    async def create(self, parent: Directory, name: str, mode: int, flags: int, pid: int) -> Handle:
        """A new file. It exists here, and in the journal, until its first close sends it."""
        now = trio.current_time()
        identity = self._metadata.identity
        attributes = Attributes(Kind.FILE, mode, identity.user, parent.attributes.group, 0, time.time_ns())
        group = identity.groups.get(identity.gid)
        if group is not None and not parent.attributes.mode & 0o2000:
            attributes.group = group
        node = self._metadata.tree.make(parent, name, attributes, None, now)
        if not isinstance(node, File):  # pragma: no cover -- Kind.FILE makes a File
            raise TypeError(node)
        node.on_cluster, node.remote_mode, node.touched = False, None, now
        node.standing = Standing(sent=parent.remains.pop(name, ()))
        parent.removed.pop(name, None)
        self._metadata.tree.attach(node, parent, name)
        parent.entries_changed()
        content = self._cache.give_new(node)
        self._cache.opened(node)
        await self._uploads.begin(node, content)
        await self._metadata.kept.entries_changed(parent)
        await self._metadata.kept.keep_numbers([node])
        return Handle(inode=node, flags=flags, pid=pid)

    async def open(self, node: Node, flags: int, pid: int) -> Handle:
        """Close-to-open: what is older than the attribute time-out is looked at again first."""
        if isinstance(node, Directory):
            raise IsADirectory(node.path)
        if not isinstance(node, File):
            raise Unsupported(f"{node.path} is not a regular file")
        await self._metadata.revalidate(node)
        self._check_access(node, flags)
        if node.content is not None and node.content.base is not None and not node.content.base.settled:
            # Read within the second in which it was written: it may have changed since without showing it.
            self._reader.changed(node)
        self._cache.opened(node)
        if flags & os.O_TRUNC:
            try:
                await self.truncate(node, 0)
            except BaseException:
                self._cache.closed(node)
                raise
        if flags & os.O_ACCMODE == os.O_RDONLY:
            self._reader.opened(node)
        return Handle(inode=node, flags=flags, pid=pid)

    def _check_access(self, node: File, flags: int) -> None:
        """What is in the cache would be read without asking the cluster."""
        mode, identity = flags & os.O_ACCMODE, self._metadata.identity
        if mode != os.O_RDONLY and not may(Access.WRITE, node.attributes, identity):
            raise PermissionDenied(f"{node.path} is not writable for {identity.user}")
        if mode != os.O_WRONLY and not may(Access.READ, node.attributes, identity):
            raise PermissionDenied(f"{node.path} is not readable for {identity.user}")

    def keeps_pages(self, node: File) -> bool:
        """Whether the kernel may keep the pages that it has of this file: none has changed since it read them."""
        version = node.version
        same = version is not None and version == node.cached_version and version.settled
        node.cached_version = version
        return same

    # -- bytes -----------------------------------------------------------------------------------

    def present(self, handle: Handle, node: File, offset: int, length: int) -> bytes | None:
        """At most `length` bytes that are here; None where not all of them are. No await."""
        return self._reader.present(handle, node, offset, length)

    async def read(self, handle: Handle, offset: int, length: int) -> bytes:
        node = _file(handle)
        if handle.failed is not None and trio.current_time() - handle.failed[0] < AGAIN_SECONDS:
            raise handle.failed[1]
        try:
            return await self._reader.read(handle, node, offset, length)
        except Unavailable as error:
            handle.failed = (trio.current_time(), error)
            raise
        except trio.Cancelled:
            if is_over():
                handle.failed = (trio.current_time(), TimedOut(f"{node.path} was not read within the deadline"))
            raise

    async def write(self, handle: Handle, offset: int, data: bytes) -> int:
        node = _file(handle)
        self._uploads.check_growth(node, offset)
        content = await self._writable(node, len(data))
        if handle.flags & os.O_APPEND:
            offset = content.size
        # No await from here on: the content cannot be frozen or replaced in between.
        content.write(offset, data)
        self._touch(node, content)
        return len(data)

    async def truncate(self, node: File, size: int) -> bool:
        """Cut, or grow by zeros; without an open handle it is sent at once. False: it has that size already."""
        if node.attributes.size == size and (node.content is None or node.content.size == size):
            return False
        if size > node.attributes.size:
            self._uploads.check_growth(node, size)
        if size == 0:
            async with node.preparing:
                if node.content is None:
                    await self._begin(node, self._cache.give_new(node))
        content = await self._writable(node, max(0, size - node.attributes.size))
        content.truncate(size)
        self._touch(node, content)
        if size == 0:
            content.base = None
        if not node.handles:
            await self._close(node)
        return True

    async def _writable(self, node: File, more: int) -> Content:
        """A complete content, marked dirty, that no upload reads. Nothing was awaited since that was so."""
        self._cache.store.make_room(more)
        while (content := _open_for_writing(node)) is None:
            async with node.preparing:
                # A change on the cluster may drop the content while it is being fetched.
                while not self._reader.may_be_written(node):
                    self._cache.store.make_room(node.attributes.size)
                    await self._reader.complete(node)
                await self._begin(node, await self._cache.thaw(node))
        return content

    async def _begin(self, node: File, content: Content) -> None:
        """Nothing of a file without a name is ever sent: another one may stand at its place."""
        if node.unlinked:
            content.dirty = True
        else:
            await self._uploads.begin(node, content)

    def _touch(self, node: File, content: Content) -> None:
        node.attributes.size = content.size
        node.attributes.written()
        node.written_here = True
        node.touched = trio.current_time()

    # -- closing ---------------------------------------------------------------------------------

    async def flush(self, handle: Handle) -> None:
        """A descriptor was closed; the last one that its opener had sends the content."""
        node = _file(handle)
        if node.change is None or node.change.state is not State.OPEN or self._held_by_opener(handle, node):
            # It failed, or waits already: who only reads it does not send it.
            return
        await self._close(node)

    async def _close(self, node: File) -> None:
        with self._paces.change():
            await self._uploads.close(node)

    def _held_by_opener(self, handle: Handle, node: File) -> bool:
        if handle.flags & os.O_ACCMODE == os.O_RDONLY or not self.mountpoint:
            return False
        return holds_open(handle.pid, self.local_path(node))

    def local_path(self, node: Node) -> str:
        """Where processes of this machine see it."""
        root = self._metadata.tree.root.path
        return self.mountpoint + node.path[len(root.rstrip("/")) :]

    async def fsync(self, handle: Handle) -> None:
        """Returns when the cluster has it; it never has a file without a name."""
        node = _file(handle)
        if not node.unlinked:
            await self._uploads.store(node)
            self._paces.synced()

    async def release(self, handle: Handle) -> None:
        """The last descriptor is gone. What a late write made dirty follows in the background."""
        node = _file(handle)
        if node.unlinked:
            async with node.lock:
                await self._uploads.abandon(node)
        self._cache.closed(node)
        if node.change is not None and node.change.state is State.OPEN and not node.handles:
            try:
                await self._close(node)
            except Refused:
                # Nobody can be told any more; the change stays, marked as failed.
                return


def _open_for_writing(node: File) -> Content | None:
    """The content of a file, if it may be written just now."""
    content, change = node.content, node.change
    if content is None or content.frozen:
        return None
    noted = change is not None and change.content is content and change.state is State.OPEN
    return content if noted or (node.unlinked and content.dirty and content.complete) else None


def _file(handle: Handle) -> File:
    if not isinstance(handle.inode, File):
        raise NotFound("not an open file")
    return handle.inode
