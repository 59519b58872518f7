"""pyfuse3.Operations over the file system: inode numbers and handles in, attributes and errnos out."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import stat
from collections.abc import Sequence

import pyfuse3
import trio
from pyfuse3 import EntryAttributes, FileHandleT, FileInfo, FileNameT, FlagT, InodeT, ModeT, RequestContext

from f7tfs.cluster.errors import NotFound
from f7tfs.fuse.attributes import Owners, absent, file_system_size, to_entry
from f7tfs.fuse.crawlers import is_sought_by_crawlers
from f7tfs.fuse.guard import (
    guarded,
    guarded_forgetting,
    guarded_reading,
    guarded_release,
    guarded_staging,
    guarded_steps,
)
from f7tfs.fuse.links import Links
from f7tfs.fuse.watchdog import Watchdog
from f7tfs.vfs.filesystem import Filesystem
from f7tfs.vfs.listing import is_gone
from f7tfs.vfs.nodes import Directory, Inode, Node, Symlink
from f7tfs.vfs.shown import show
from f7tfs.vfs.virtual import VirtualFile

LONGEST_NAME = 255
DOTS = frozenset({".", ".."})
READY = select.EPOLLIN | select.EPOLLRDNORM | select.EPOLLOUT | select.EPOLLWRNORM
"""What the kernel says of regular files."""


class Operations(pyfuse3.Operations):
    """getxattr is left to pyfuse3, whose ENOSYS makes the kernel never ask again."""

    supports_dot_lookup = False
    enable_writeback_cache = False

    def __init__(self, filesystem: Filesystem, owners: Owners, links: Links | None = None) -> None:
        super().__init__()
        self._fs = filesystem
        self._owners = owners
        self._links = links
        self.deadline = filesystem.options.deadline
        self.staging_deadline = filesystem.options.staging_deadline
        self.watchdog = Watchdog()
        self._openers: dict[int, int] = {}

    # -- the kernel's view of inodes -------------------------------------------------------------

    def _entry(self, inode: Inode) -> EntryAttributes:
        entry = to_entry(show(inode), self._owners, self._timeout(inode))
        if self._links and isinstance(inode, Symlink):
            entry.st_size = len(os.fsencode(self._links.here(inode.target)))
        return entry

    def _counted(self, inode: Inode) -> EntryAttributes:
        """For replies that give the kernel one more lookup."""
        inode.lookups += 1
        return self._entry(inode)

    def _timeout(self, inode: Inode) -> float:
        """So long the attributes stay within the attribute time-out."""
        timeout = self._fs.options.attribute_timeout
        if not isinstance(inode, Node) or inode.parent is None:
            return timeout
        newest = max(inode.seen, inode.touched, inode.parent.listed)
        return min(timeout, max(0.0, timeout - (trio.current_time() - newest)))

    def opener(self, fh: int) -> int:
        return self._openers.get(fh, 0)

    def patience(self, fh: int) -> float:
        return self._fs.patience(fh)

    @guarded_forgetting
    async def forget(self, inode_list: Sequence[tuple[InodeT, int]]) -> None:
        for number, count in inode_list:
            self._fs.forget(number, count)

    # -- looking ---------------------------------------------------------------------------------

    @guarded
    async def lookup(self, parent_inode: InodeT, name: FileNameT, ctx: RequestContext) -> EntryAttributes:
        parent = self._fs.inode(parent_inode)
        if (
            isinstance(parent, Directory)
            and is_sought_by_crawlers(_text(name))
            and _text(name) not in parent.children
        ):
            return absent(self._fs.options.attribute_timeout)
        try:
            return self._counted(await self._fs.lookup(parent, _text(name), ctx.pid))
        except NotFound:
            if isinstance(parent, Directory) and not parent.unlinked:
                return absent(max(0.0, self._timeout_of_absence(parent)))
            raise

    def _timeout_of_absence(self, parent: Directory) -> float:
        timeout = self._fs.options.attribute_timeout
        return min(timeout, timeout - (trio.current_time() - parent.listed))

    @guarded
    async def getattr(self, inode: InodeT, ctx: RequestContext) -> EntryAttributes:
        node = self._fs.inode(inode)
        await self._fs.revalidate(node)
        return self._entry(node)

    @guarded
    async def access(self, inode: InodeT, mode: ModeT, ctx: RequestContext) -> bool:
        """For access(2) and chdir(2); the kernel asks for nothing else."""
        node = self._fs.inode(inode)
        await self._fs.revalidate(node)
        return self._fs.may(node, mode)

    @guarded
    async def readlink(self, inode: InodeT, ctx: RequestContext) -> FileNameT:
        target = await self._fs.readlink(self._fs.inode(inode))
        return FileNameT(os.fsencode(self._links.here(target) if self._links else target))

    @guarded
    async def opendir(self, inode: InodeT, ctx: RequestContext) -> FileHandleT:
        handle = await self._fs.opendir(self._fs.inode(inode))
        self._openers[handle] = ctx.pid
        return FileHandleT(handle)

    @guarded
    async def readdir(self, fh: FileHandleT, start_id: int, token: pyfuse3.ReaddirToken) -> None:
        if start_id == 0:
            await self._fs.begin(fh)
        entries = self._fs.entries(fh)
        for index in range(start_id, len(entries)):
            name, inode = entries[index]
            if is_gone(inode) and name not in DOTS:
                continue
            if not pyfuse3.readdir_reply(token, FileNameT(os.fsencode(name)), self._entry(inode), index + 1):
                break
            if name not in DOTS:
                # The kernel gives no lookup back for the dots, since it takes none.
                inode.lookups += 1

    @guarded
    async def releasedir(self, fh: FileHandleT) -> None:
        self._openers.pop(fh, None)
        self._fs.releasedir(fh)

    @guarded_staging
    async def fsyncdir(self, fh: FileHandleT, datasync: bool) -> None:
        await self._fs.fsyncdir(fh)

    @guarded
    async def statfs(self, ctx: RequestContext) -> pyfuse3.StatvfsData:
        return file_system_size()

    # -- files -----------------------------------------------------------------------------------

    @guarded
    async def create(
        self, parent_inode: InodeT, name: FileNameT, mode: ModeT, flags: FlagT, ctx: RequestContext
    ) -> tuple[FileInfo, EntryAttributes]:
        parent = self._fs.inode(parent_inode)
        await self._look_first(parent, name)
        inode, handle = await self._fs.create(parent, _new_text(name), mode, flags, ctx.pid)
        self._openers[handle] = ctx.pid
        return self._info(inode, handle), self._counted(inode)

    async def _look_first(self, parent: Inode, name: FileNameT) -> None:
        """Before something is made under a name that was called absent without a look."""
        if is_sought_by_crawlers(_text(name)):
            with contextlib.suppress(NotFound):
                await self._fs.lookup(parent, _text(name))
                raise pyfuse3.FUSEError(errno.EEXIST)

    @guarded
    async def open(self, inode: InodeT, flags: FlagT, ctx: RequestContext) -> FileInfo:
        node = self._fs.inode(inode)
        handle = await self._fs.open(node, flags, ctx.pid)
        self._openers[handle] = ctx.pid
        return self._info(node, handle)

    def _info(self, inode: Inode, handle: int) -> FileInfo:
        virtual = isinstance(inode, VirtualFile)
        keep = not virtual and self._fs.keeps_pages(handle)
        return FileInfo(fh=FileHandleT(handle), direct_io=virtual, keep_cache=keep)

    async def read(self, fh: FileHandleT, off: int, size: int) -> bytes:
        """Most requests of one who reads in order are for what is here: nothing need stand around those."""
        try:
            present = self._fs.present(fh, off, size)
        except Exception:  # noqa: BLE001 -- it fails again there, where errors get their errnos
            present = None
        return await self._read(fh, off, size) if present is None else present

    @guarded_reading
    async def _read(self, fh: FileHandleT, off: int, size: int) -> bytes:
        return await self._fs.read(fh, off, size)

    @guarded_staging
    async def write(self, fh: FileHandleT, off: int, buf: bytes) -> int:
        return await self._fs.write(fh, off, buf)

    @guarded_steps
    async def flush(self, fh: FileHandleT) -> None:
        await self._fs.flush(fh)

    @guarded_staging
    async def fsync(self, fh: FileHandleT, datasync: bool) -> None:
        await self._fs.fsync(fh)

    @guarded_release
    async def release(self, fh: FileHandleT) -> None:
        self._openers.pop(fh, None)
        await self._fs.release(fh)

    @guarded
    async def poll(
        self, inode: InodeT, fh: FileHandleT, poll_handle: pyfuse3.PollHandle | None, ctx: RequestContext
    ) -> int:
        """Each call brings a handle of its own; the last one wakes everybody. pyfuse3 below 3.5 never calls this."""
        wake = None if poll_handle is None else poll_handle.notify
        return READY if self._fs.polls.ask(fh, wake) else 0

    # -- attributes ------------------------------------------------------------------------------

    @guarded_staging
    async def setattr(
        self,
        inode: InodeT,
        attr: EntryAttributes,
        fields: pyfuse3.SetattrFields,
        fh: FileHandleT | None,
        ctx: RequestContext,
    ) -> EntryAttributes:
        node = self._fs.inode(inode)
        if fields.update_size:
            await self._fs.truncate(node, attr.st_size)
        if fields.update_mode:
            await self._fs.chmod(node, stat.S_IMODE(attr.st_mode))
        if fields.update_uid or fields.update_gid:
            await self._chown(node, attr, fields)
        atime = attr.st_atime_ns if fields.update_atime else None
        mtime = attr.st_mtime_ns if fields.update_mtime else None
        if atime is not None or mtime is not None or not _does_more(fields):
            await self._fs.set_times(node, atime, mtime)
        return self._entry(node)

    async def _chown(self, inode: Inode, attr: EntryAttributes, fields: pyfuse3.SetattrFields) -> None:
        shown = show(inode)
        user = self._owners.user(attr.st_uid) if fields.update_uid else None
        group = self._owners.group(attr.st_gid, shown.group) if fields.update_gid else None
        await self._fs.chown(inode, user, group)

    # -- names -----------------------------------------------------------------------------------

    @guarded
    async def mkdir(self, parent_inode: InodeT, name: FileNameT, mode: ModeT, ctx: RequestContext) -> EntryAttributes:
        parent = self._fs.inode(parent_inode)
        return self._counted(await self._fs.mkdir(parent, _new_text(name), mode))

    @guarded
    async def symlink(
        self, parent_inode: InodeT, name: FileNameT, target: FileNameT, ctx: RequestContext
    ) -> EntryAttributes:
        parent = self._fs.inode(parent_inode)
        text = os.fsdecode(target)
        text = self._links.there(text) if self._links else text
        return self._counted(await self._fs.symlink(parent, _new_text(name), text))

    @guarded
    async def unlink(self, parent_inode: InodeT, name: FileNameT, ctx: RequestContext) -> None:
        await self._fs.unlink(self._fs.inode(parent_inode), _text(name))

    @guarded
    async def rmdir(self, parent_inode: InodeT, name: FileNameT, ctx: RequestContext) -> None:
        await self._fs.rmdir(self._fs.inode(parent_inode), _text(name))

    @guarded_steps
    async def rename(
        self,
        parent_inode_old: InodeT,
        name_old: FileNameT,
        parent_inode_new: InodeT,
        name_new: FileNameT,
        flags: FlagT,
        ctx: RequestContext,
    ) -> None:
        if flags & ~pyfuse3.RENAME_NOREPLACE:
            raise pyfuse3.FUSEError(errno.EINVAL)
        old, new = self._fs.inode(parent_inode_old), self._fs.inode(parent_inode_new)
        await self._fs.rename(old, _text(name_old), new, _new_text(name_new), flags)

    @guarded
    async def link(
        self, inode: InodeT, new_parent_inode: InodeT, new_name: FileNameT, ctx: RequestContext
    ) -> EntryAttributes:
        """The API makes no hard links; EPERM is what file systems without them answer."""
        raise pyfuse3.FUSEError(errno.EPERM)

    @guarded
    async def mknod(
        self, parent_inode: InodeT, name: FileNameT, mode: ModeT, rdev: int, ctx: RequestContext
    ) -> EntryAttributes:
        """Of a regular file what `create` and `close` do; of the rest what file systems without them answer."""
        parent = self._fs.inode(parent_inode)
        if not (stat.S_ISREG(mode) and isinstance(parent, Directory)):
            raise pyfuse3.FUSEError(errno.EPERM)
        await self._look_first(parent, name)
        inode, handle = await self._fs.create(parent, _new_text(name), stat.S_IMODE(mode), os.O_WRONLY, ctx.pid)
        inode.lookups += 1
        try:
            await self._fs.flush(handle)
        except BaseException:
            self._fs.forget(inode.number, 1)
            raise
        finally:
            await self._fs.release(handle)
        return self._entry(inode)


def _does_more(fields: pyfuse3.SetattrFields) -> bool:
    """Whether anything but times is to be set."""
    return bool(fields.update_size or fields.update_mode or fields.update_uid or fields.update_gid)


def _text(name: FileNameT) -> str:
    text = os.fsdecode(name)
    if len(os.fsencode(text)) > LONGEST_NAME:
        raise pyfuse3.FUSEError(errno.ENAMETOOLONG)
    return text


def _new_text(name: FileNameT) -> str:
    """A name that is to be made: the API carries UTF-8 only."""
    text = _text(name)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise pyfuse3.FUSEError(errno.EILSEQ) from None
    return text
