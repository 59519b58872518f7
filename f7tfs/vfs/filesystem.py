"""The file system: every operation in terms of inodes, over the parts that do the work."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import time
from collections.abc import AsyncIterator

import trio

from f7tfs.cluster.errors import NotADirectory, NotFound, PermissionDenied
from f7tfs.cluster.model import Kind
from f7tfs.cluster.port import Cluster
from f7tfs.vfs.access import Access, may
from f7tfs.vfs.asides import Asides
from f7tfs.vfs.bundles import Bundles
from f7tfs.vfs.cache import ContentCache
from f7tfs.vfs.changelog import ChangeLog
from f7tfs.vfs.changes import Changes
from f7tfs.vfs.clearing import Clearing
from f7tfs.vfs.content import ContentStore
from f7tfs.vfs.displaced import Displaced
from f7tfs.vfs.errands import Errands
from f7tfs.vfs.files import Files
from f7tfs.vfs.going_on import go_on
from f7tfs.vfs.handles import DirectoryHandle, Handle, HandleTable
from f7tfs.vfs.inodes import InodeTable
from f7tfs.vfs.jobs import JobsTree, OutputFile
from f7tfs.vfs.journal import Journal
from f7tfs.vfs.leftovers import cleaning_up
from f7tfs.vfs.listing import Listing
from f7tfs.vfs.looks import Looks
from f7tfs.vfs.metadata import Metadata
from f7tfs.vfs.nodes import Directory, File, Inode, Node, Symlink
from f7tfs.vfs.options import VfsOptions
from f7tfs.vfs.paces import Paces
from f7tfs.vfs.polls import Polls
from f7tfs.vfs.presently import Presently
from f7tfs.vfs.reachability import Reachability
from f7tfs.vfs.reader import Reader
from f7tfs.vfs.recovery import Recovery
from f7tfs.vfs.refusals import Refusals, directory_of
from f7tfs.vfs.reintegration import Reintegration
from f7tfs.vfs.renamer import Renamer
from f7tfs.vfs.replay import Replay
from f7tfs.vfs.sender import Sender
from f7tfs.vfs.shipping import Shipping
from f7tfs.vfs.transfers import Transfers
from f7tfs.vfs.upkeep import Upkeep
from f7tfs.vfs.uploads import CLOSE_SHARE, Uploads
from f7tfs.vfs.virtual import (
    VirtualDirectory,
    VirtualFile,
    VirtualHandle,
    VirtualLink,
    VirtualNode,
    VirtualNodes,
)
from f7tfs.vfs.walker import Walker

logger = logging.getLogger(__name__)


@contextlib.asynccontextmanager
async def open_filesystem(cluster: Cluster, root: str, options: VfsOptions) -> AsyncIterator[Filesystem]:
    """The file system of a cluster's directory, with its background work. Raises ClusterError for a bad root."""
    options.state_directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        journal = stack.enter_context(contextlib.closing(Journal(options.state_directory / "journal.sqlite")))
        async with trio.open_nursery() as nursery, cleaning_up(cluster, journal, options.state_directory, nursery):
            filesystem = Filesystem(cluster, journal, options, nursery)
            stack.enter_context(contextlib.closing(filesystem.jobs))
            await filesystem.start(root)
            yield filesystem
            nursery.cancel_scope.cancel()


class Filesystem:
    """Raises errors of the cluster port, and OSError for what the local disk refuses."""

    def __init__(self, cluster: Cluster, journal: Journal, options: VfsOptions, nursery: trio.Nursery) -> None:
        self._journal = journal
        self.options = options
        self._nursery = nursery
        self._inodes = InodeTable()
        self._cache = ContentCache(
            ContentStore(options.state_directory / "content", options.cache_bytes, options.reserved_bytes)
        )
        self._reachability = Reachability(options.deadline)
        self.metadata = Metadata(
            cluster,
            journal,
            self._inodes,
            self._reachability,
            timeout=options.attribute_timeout,
            zone=options.zone,
            max_entries=options.listed_entries,
        )
        walker = Walker(cluster, self.metadata, enabled=options.bulk)
        self.metadata.on_lookup = walker.look
        bundles = Bundles(
            cluster,
            self._cache,
            self.metadata,
            nursery,
            options.state_directory,
            enabled=options.bulk,
            has_read=walker.has_read,
        )
        self.transfers = Transfers()
        self._reader = Reader(cluster, self._cache, self.transfers, bundles, nursery, options, self.metadata.counts)
        self.metadata.on_changed = self._reader.changed
        self._sender = sender = Sender(cluster, options.state_directory, self.transfers, append=options.append)
        looks = Looks(cluster, options.attribute_timeout)
        self._rows = journal.load()
        self.paces = paces = Paces(enabled=options.bursts and options.write_mode == "auto")
        log = ChangeLog(journal, self._reachability, max((row.row for row in self._rows), default=0))
        uploads = Uploads(log, sender, self.metadata, self._cache, self._reachability, looks, paces, options)
        renamer = Renamer(cluster, sender, self._reader, self._cache)
        replay = Replay(log, cluster, sender, renamer, self.metadata, looks, self._reachability)
        shipping = Shipping(log, cluster, sender, self.metadata, uploads, looks, options)
        clearing = Clearing(log, cluster, looks, Asides(cluster, journal), options)
        self.reintegration = Reintegration(log, uploads, replay, shipping, clearing, self._reachability)
        log.on_refused = lambda change, error: paces.refused(change.path, error)
        self.files = Files(self.metadata, self._cache, self._reader, uploads, paces)
        presently = Presently(log, sender, self._reachability, looks, paces, options)
        self._changes = Changes(
            cluster,
            log,
            self.metadata,
            self._cache,
            self._reader,
            uploads,
            sender,
            renamer,
            presently,
            paces,
            clearing,
        )
        self.upkeep = Upkeep(
            cluster,
            self.metadata,
            self._inodes,
            self._cache,
            self.reintegration,
            self._reachability,
            self.transfers,
        )
        self.jobs = JobsTree(
            cluster,
            options,
            VirtualNodes(self._inodes),
            self._cache,
            nursery,
            settle=self.upkeep.settle_below,
            zone=lambda: self.metadata.zone,
        )
        displaced = Displaced(self.metadata, self._cache, journal, looks, self.upkeep.refresh)
        self.upkeep.errands = Errands(
            cluster, self.reintegration, sender, displaced, self.transfers, nursery, options
        )
        self.jobs.book.on_moved = self.upkeep.changed_there
        self.upkeep.after_drain = self.jobs.settled
        self.upkeep.more_status = self.jobs.status
        self._refusals = Refusals(cluster, self.metadata, self._cache.store, self.jobs, read_only=options.read_only)
        self._handles: HandleTable[Handle] = HandleTable()
        self._listing = Listing(walker, self.jobs, jobs_listed=options.jobs_listed)
        self.polls = Polls(self._handles, nursery)

    async def start(self, root: str) -> None:
        await self.metadata.start(root)
        if self.metadata.tree.root.kind is not Kind.DIRECTORY:
            raise NotADirectory(f"{root} is not a directory")
        await Recovery(self.reintegration.log, self.metadata, self._cache).run(self._rows)
        self._rows = []
        changes = self.reintegration.log.changes.values()
        kept = {change.content.path.name for change in changes if change.content is not None}
        go_on(self._nursery, self._sender.forget_uploads, kept)
        await self._nursery.start(self.reintegration.run)
        await self.jobs.start(root)

    # -- the kernel's table ----------------------------------------------------------------------

    def inode(self, number: int) -> Inode:
        """Raises NotFound for one that is not known (any more)."""
        return self._inodes.get(number)

    def forget(self, number: int, count: int) -> None:
        """The kernel gives back `count` of its lookups."""
        try:
            inode = self._inodes.get(number)
        except NotFound:
            return
        inode.lookups -= count
        if inode.lookups > 0:
            return
        inode.lookups = 0
        if isinstance(inode, Node) and inode.unlinked:
            self._inodes.discard(inode)
            if isinstance(inode, File):
                self._cache.idle(inode)
        elif isinstance(inode, VirtualNode) and inode.dropped:
            self._inodes.discard(inode)

    # -- looking ---------------------------------------------------------------------------------

    async def lookup(self, parent: Inode, name: str, pid: int = 0) -> Inode:
        if isinstance(parent, VirtualDirectory):
            inode = await parent.lookup(name, pid)
        elif name == self.jobs.name:
            inode = self.jobs.at(directory_of(parent))
        else:
            return await self.metadata.lookup(await self._refusals.searchable(parent), name)
        if isinstance(inode, OutputFile):
            await self.jobs.output.refresh(inode)
        return inode

    async def revalidate(self, inode: Inode) -> None:
        """Look again at what is older than the attribute time-out."""
        if isinstance(inode, OutputFile):
            await self.jobs.output.refresh(inode)
        elif isinstance(inode, Node):
            await self.metadata.revalidate(inode)

    def may(self, inode: Inode, mode: int) -> bool:
        """Whether the cluster's user may read, write and execute it, as `mode` asks (R_OK, W_OK, X_OK)."""
        if not isinstance(inode, Node) or isinstance(inode, OutputFile):
            return True
        return all(may(bit, inode.attributes, self.metadata.identity) for bit in Access if mode & bit)

    async def readlink(self, inode: Inode) -> str:
        if isinstance(inode, Symlink | VirtualLink):
            return inode.target
        raise NotFound("not a symlink")

    async def opendir(self, inode: Inode) -> int:
        return self._handles.add(await self._listing.open(inode))

    async def begin(self, handle: int) -> None:
        """A directory is read from its start, for the first time or again."""
        await self._listing.begin(self._directory_handle(handle))

    def entries(self, handle: int) -> list[tuple[str, Inode]]:
        """What an open directory holds, as it was when it was last read from its start."""
        return self._directory_handle(handle).entries

    def _directory_handle(self, handle: int) -> DirectoryHandle:
        directory = self._handles.get(handle)
        if not isinstance(directory, DirectoryHandle):
            raise NotADirectory("not an open directory")
        return directory

    def releasedir(self, handle: int) -> None:
        self._handles.pop(handle)

    async def fsyncdir(self, number: int) -> None:
        """Wait until the cluster has the names of an open directory. Raises ClusterError where it does not."""
        directory = self._handles.get(number).inode
        if isinstance(directory, Directory) and not directory.unlinked:
            changes = self.reintegration.log.meeting([directory.path])
            named = [change for change in changes if change.names_in(directory.path)]
            await self.reintegration.settle(named, self.options.deadline * CLOSE_SHARE)
        self.paces.synced()

    # -- files -----------------------------------------------------------------------------------

    async def create(self, parent: Inode, name: str, mode: int, flags: int, pid: int) -> tuple[Inode, int]:
        if isinstance(parent, VirtualDirectory):
            virtual = await parent.create(name)
            return virtual, self._handles.add(await virtual.open(flags, pid))
        directory = self._refusals.writable(parent)
        self._refusals.check_new(directory, name)
        handle = await self.files.create(directory, name, mode & 0o7777, flags, pid)
        return handle.inode, self._handles.add(handle)

    async def open(self, inode: Inode, flags: int, pid: int) -> int:
        if isinstance(inode, VirtualFile):
            return self._handles.add(await inode.open(flags, pid))
        if not isinstance(inode, Node):
            raise NotFound("not a file")
        if flags & os.O_ACCMODE != os.O_RDONLY:
            if isinstance(inode, OutputFile):
                raise PermissionDenied("the output of a job is written by the job")
            self._refusals.check_writable()
        handle = await self.files.open(inode, flags, pid)
        number = self._handles.add(handle)
        if flags & os.O_TRUNC and isinstance(inode, File) and inode.change is None and not inode.unlinked:
            # It was empty before: `: > stamp` is to set its time all the same.
            await self._changes.set_times(inode, mtime_ns=time.time_ns())
        return number

    def keeps_pages(self, handle: int) -> bool:
        """Whether the kernel may keep what it read of the file before."""
        inode = self._handles.get(handle).inode
        return isinstance(inode, File) and not isinstance(inode, OutputFile) and self.files.keeps_pages(inode)

    def patience(self, number: int) -> float:
        """Seconds that a read may take, where it waits for no transfer."""
        inode = self._handles.get(number).inode
        return inode.patience if isinstance(inode, VirtualFile) else self.options.deadline

    async def read(self, number: int, offset: int, length: int) -> bytes:
        handle = self._handles.get(number)
        inode = handle.inode
        if isinstance(handle, VirtualHandle) and isinstance(inode, VirtualFile):
            return await inode.read(handle, offset, length)
        if isinstance(inode, OutputFile):
            await self.jobs.output.ensure(inode, offset, offset + length)
        return await self.files.read(handle, offset, length)

    async def write(self, number: int, offset: int, data: bytes) -> int:
        handle = self._handles.get(number)
        if isinstance(handle.inode, VirtualFile):
            await handle.inode.write(offset, data)
            return len(data)
        return await self.files.write(handle, offset, data)

    async def flush(self, number: int) -> None:
        handle = self._handles.get(number)
        if isinstance(handle, VirtualHandle) and isinstance(handle.inode, VirtualFile):
            await handle.inode.flush(handle)
        else:
            await self.files.flush(handle)

    async def fsync(self, number: int) -> None:
        handle = self._handles.get(number)
        if not isinstance(handle.inode, VirtualFile):
            await self.files.fsync(handle)

    async def release(self, number: int) -> None:
        handle = self._handles.pop(number)
        self.polls.forget(number)
        if isinstance(handle, VirtualHandle) and isinstance(handle.inode, VirtualFile):
            await handle.inode.release(handle)
        else:
            await self.files.release(handle)

    async def truncate(self, inode: Inode, size: int) -> None:
        if isinstance(inode, VirtualFile):
            inode.truncate(size)
            return
        self._refusals.check_writable()
        if not isinstance(inode, File):
            raise NotFound("not a file")
        if not await self.files.truncate(inode, size):
            await self._changes.set_times(inode, mtime_ns=time.time_ns())

    # -- names and attributes --------------------------------------------------------------------

    async def mkdir(self, parent: Inode, name: str, mode: int) -> Inode:
        directory = self._refusals.writable(parent)
        self._refusals.check_new(directory, name)
        return await self._changes.mkdir(directory, name, mode & 0o7777)

    async def symlink(self, parent: Inode, name: str, target: str) -> Inode:
        if isinstance(parent, VirtualDirectory):
            return await parent.symlink(name, target)
        directory = self._refusals.writable(parent)
        self._refusals.check_new(directory, name)
        return await self._changes.symlink(directory, name, target)

    async def unlink(self, parent: Inode, name: str) -> None:
        if isinstance(parent, VirtualDirectory):
            await parent.unlink(name)
        else:
            await self._changes.unlink(self._refusals.writable(parent), name)

    async def rmdir(self, parent: Inode, name: str) -> None:
        if isinstance(parent, VirtualDirectory):
            await parent.rmdir(name)
        elif name == self.jobs.name:
            raise PermissionDenied(f"{name} cannot be removed")
        else:
            await self._changes.rmdir(self._refusals.writable(parent), name)

    async def rename(self, parent: Inode, name: str, new_parent: Inode, new_name: str, flags: int) -> None:
        if isinstance(parent, VirtualDirectory) and parent is new_parent:
            await parent.rename(name, new_name)
        elif isinstance(parent, VirtualDirectory) or isinstance(new_parent, VirtualDirectory):
            # `mv` copies then, which is what is meant.
            raise OSError(errno.EXDEV, f"nothing is renamed in or out of {self.jobs.name}")
        else:
            source, target = self._refusals.writable(parent), self._refusals.writable(new_parent)
            self._refusals.check_name(target, new_name)
            await self._changes.rename(source, name, target, new_name, flags)

    async def chmod(self, inode: Inode, mode: int) -> None:
        if isinstance(inode, Node) and not isinstance(inode, OutputFile):
            self._refusals.check_writable()
            await self._changes.chmod(inode, mode & 0o7777)

    async def chown(self, inode: Inode, user: str | None, group: str | None) -> None:
        if isinstance(inode, Node) and not isinstance(inode, OutputFile):
            self._refusals.check_writable()
            await self._changes.chown(inode, user, group)

    async def set_times(self, inode: Inode, atime_ns: int | None, mtime_ns: int | None) -> None:
        """None: as it is. The ctime becomes now."""
        if isinstance(inode, VirtualNode):
            inode.mtime_ns = inode.mtime_ns if mtime_ns is None else mtime_ns
        elif isinstance(inode, Node) and not isinstance(inode, OutputFile):
            self._refusals.check_writable()
            if inode.attributes.user != self.metadata.identity.user and not self.may(inode, os.W_OK):
                raise OSError(errno.EPERM, f"{inode.path} is another's")
            await self._changes.set_times(inode, atime_ns, mtime_ns)
