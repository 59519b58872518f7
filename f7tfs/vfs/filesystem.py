"""The file system: every operation in terms of inodes, over the parts that do the work."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import AsyncIterator

import trio

from f7tfs.cluster.errors import ClusterError, NotADirectory, NotFound, PermissionDenied
from f7tfs.cluster.port import Cluster
from f7tfs.vfs.access import Access, may
from f7tfs.vfs.assembly import Assembly
from f7tfs.vfs.handles import DirectoryHandle
from f7tfs.vfs.jobs import OutputFile
from f7tfs.vfs.journal import Journal
from f7tfs.vfs.leftovers import cleaning_up
from f7tfs.vfs.nodes import Directory, File, Inode, Node, Symlink
from f7tfs.vfs.options import VfsOptions
from f7tfs.vfs.refusals import directory_of
from f7tfs.vfs.virtual import (
    VirtualDirectory,
    VirtualFile,
    VirtualHandle,
    VirtualLink,
    VirtualNode,
)


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


class Filesystem(Assembly):
    """What can be asked of the parts. Raises errors of the port, and OSError for what the local disk refuses."""

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
        """Wait until the cluster has the names of an open directory. Raises ClusterError where it does not.

        They survive a power cut then, in the journal.
        """
        directory = self._handles.get(number).inode
        if isinstance(directory, Directory) and not directory.unlinked:
            changes = self.reintegration.log.meeting([directory.path])
            named = [change for change in changes if change.names_in(directory.path)]
            try:
                await self.reintegration.settle(named, self.options.answer_seconds)
            except ClusterError:
                await self.reintegration.log.journal.harden()
                raise
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

    def present(self, number: int, offset: int, length: int) -> bytes | None:
        """What `read` would return, where that takes no waiting and no look at anything else; else None."""
        handle = self._handles.get(number)
        # The output of a job is a file too, but is looked at again before it is read.
        if type(handle.inode) is not File:
            return None
        return self.files.present(handle, handle.inode, offset, length)

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
