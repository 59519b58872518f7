"""The kernel's part: paths, the locks that it holds around each operation, and a local directory to compare with."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

import trio

from f7tfs.cluster.errors import (
    AlreadyExists,
    ClusterError,
    DirectoryNotEmpty,
    IsADirectory,
    NotADirectory,
    NotFound,
)
from f7tfs.cluster.model import Kind
from f7tfs.vfs.filesystem import Filesystem
from f7tfs.vfs.nodes import Directory, File, Inode, Node, Symlink
from f7tfs.vfs.paces import asked_by

Answer = TypeVar("Answer")
NUMBERS: dict[type[ClusterError], int] = {
    NotFound: errno.ENOENT,
    AlreadyExists: errno.EEXIST,
    NotADirectory: errno.ENOTDIR,
    IsADirectory: errno.EISDIR,
    DirectoryNotEmpty: errno.ENOTEMPTY,
}


@dataclass(eq=False, slots=True)
class Local:
    """What a local directory would have."""

    kind: Kind
    mode: int
    data: bytearray = field(default_factory=bytearray)
    target: str = ""
    children: dict[str, Local] = field(default_factory=dict)


def oserror(number: int, what: str = "") -> OSError:
    return OSError(number, what)


class Kernel:
    """Every operation is one that a program calls. `complaints`: what a local directory would not have done."""

    def __init__(self, fs: Filesystem, top: Local, *, longest: float, anew: bool) -> None:
        self.fs = fs
        self.top = top
        self.longest = longest
        self.anew = anew
        """Nothing is known of inodes yet: an earlier mount has made them."""
        self.complaints: list[str] = []
        self.history: list[str] = []
        root = fs.inode(1)
        self._locals: dict[Inode, Local] = {root: top}
        self._locks: dict[Inode, trio.Lock] = {}
        self._renaming = trio.Lock()

    # -- what stands around everything -----------------------------------------------------------

    async def ask(self, what: str, pid: int, asking: Awaitable[Answer], *, deadline: float = 60.0) -> Answer:
        began = trio.current_time()
        told = "done"
        try:
            with asked_by(pid), trio.fail_after(deadline):
                return await asking
        except ClusterError as error:
            told = repr(error)
            number = NUMBERS.get(type(error))
            if number is None:
                self.complain(f"{what}: {error!r}")
                number = errno.EIO
            raise OSError(number, str(error)) from error
        except trio.TooSlowError:
            told = "too slow"
            self.complain(f"{what} was given up")
            raise OSError(errno.ETIMEDOUT, what) from None
        finally:
            took = trio.current_time() - began
            self.history.append(f"{began:.3f}-{trio.current_time():.3f} {pid} {what}: {told}")
            if took > self.longest + deadline - 60:
                self.complain(f"{what} took {took:.0f} s")

    def complain(self, what: str) -> None:
        self.complaints.append(f"{trio.current_time():.3f} {what}")

    @contextlib.asynccontextmanager
    async def _locked(self, *inodes: Inode | None) -> AsyncIterator[None]:
        wanted = {inode.number: inode for inode in inodes if inode is not None}
        async with contextlib.AsyncExitStack() as stack:
            # As the kernel: what lies above comes first.
            for _, inode in sorted(wanted.items(), key=lambda item: (_depth(item[1]), item[0])):
                await stack.enter_async_context(self._locks.setdefault(inode, trio.Lock()))
            yield

    def _local(self, inode: Inode) -> Local:
        return self._locals[inode]

    # -- paths -----------------------------------------------------------------------------------

    async def find(self, pid: int, parent: Inode, name: str) -> Inode | None:
        """A name that the kernel knows is looked at without a lock; another waits for what is being made there."""
        local = self._local(parent)
        if name in local.children:
            found = await self.lookup(pid, parent, name)
            if found is not None and found in self._locals:
                return found
        async with self._locked(parent):
            return await self.look_locked(pid, parent, name)

    async def lookup(self, pid: int, parent: Inode, name: str) -> Inode | None:
        try:
            inode = await self.ask(f"lookup {_told(parent)}/{name}", pid, self.fs.lookup(parent, name, pid))
        except OSError as error:
            if error.errno == errno.ENOENT:
                return None
            raise
        inode.lookups += 1
        return inode

    async def look_locked(self, pid: int, parent: Inode, name: str) -> Inode | None:
        """With the lock of the directory held: what is there is what a local directory has."""
        inode = await self.lookup(pid, parent, name)
        local = self._local(parent).children.get(name)
        if (inode is None) is not (local is None):
            self.complain(f"{_told(parent)}/{name} is {inode and inode.number}, and {local} it should be")
        if inode is not None and local is not None:
            known = self._locals.get(inode)
            if known is not local and not (self.anew and known is None):
                self.complain(f"{_told(parent)}/{name} is another thing than before")
            self._locals[inode] = local
            if isinstance(inode, Node) and inode.kind is not local.kind:
                self.complain(f"{_told(parent)}/{name} is {inode.kind}, and {local.kind} it should be")
        return inode

    async def walk(self, pid: int, path: str, *, follow: bool, depth: int = 0) -> Inode:
        directory, name = await self.parent(pid, path, depth)
        found = await self.find(pid, directory, name)
        if found is None:
            raise oserror(errno.ENOENT, path)
        if follow and isinstance(found, Symlink):
            return await self._follow(pid, path, found, depth)
        return found

    async def _follow(self, pid: int, path: str, link: Symlink, depth: int) -> Inode:
        if depth > 20:
            raise oserror(errno.ELOOP, path)
        above = path.rpartition("/")[0]
        return await self.walk(pid, f"{above}/{link.target}".lstrip("/"), follow=True, depth=depth + 1)

    async def parent(self, pid: int, path: str, depth: int = 0) -> tuple[Directory, str]:
        above, _, name = path.rpartition("/")
        directory = await self.walk(pid, above, follow=True, depth=depth) if above else self.fs.inode(1)
        if not isinstance(directory, Directory):
            raise oserror(errno.ENOTDIR, path)
        if directory.unlinked:
            raise oserror(errno.ENOENT, path)
        return directory, name

    def _check_alive(self, directory: Directory) -> None:
        """The kernel looks at this under the lock: what was removed meanwhile holds nothing."""
        if directory.unlinked:
            raise oserror(errno.ENOENT, directory.path)

    # -- names -----------------------------------------------------------------------------------

    async def make(
        self, pid: int, path: str, local: Local, make: Callable[[Directory, str], Awaitable[Inode]], what: str
    ) -> Inode:
        directory, name = await self.parent(pid, path)
        async with self._locked(directory):
            self._check_alive(directory)
            if await self.look_locked(pid, directory, name) is not None:
                raise oserror(errno.EEXIST, path)
            inode = await self._insist(f"{what} {_told(directory)}/{name}", pid, make(directory, name))
            inode.lookups += 1
            self._locals[inode] = self._local(directory).children[name] = local
        return inode

    async def _insist(self, what: str, pid: int, asking: Awaitable[Answer]) -> Answer:
        """A local directory would do it."""
        try:
            return await self.ask(what, pid, asking)
        except OSError as error:
            self.complain(f"{what}: {error}")
            raise

    async def mkdir(self, pid: int, path: str) -> None:
        local = Local(Kind.DIRECTORY, 0o755)
        await self.make(pid, path, local, lambda parent, name: self.fs.mkdir(parent, name, 0o755), "mkdir")

    async def symlink(self, pid: int, path: str, target: str) -> None:
        local = Local(Kind.SYMLINK, 0o777, target=target)
        await self.make(pid, path, local, lambda parent, name: self.fs.symlink(parent, name, target), "symlink")

    async def remove(self, pid: int, path: str, *, directory: bool) -> None:
        parent, name = await self.parent(pid, path)
        async with self._locked(parent):
            self._check_alive(parent)
            victim = await self.look_locked(pid, parent, name)
            if victim is None:
                raise oserror(errno.ENOENT, path)
            if isinstance(victim, Directory) is not directory:
                raise oserror(errno.ENOTDIR if directory else errno.EISDIR, path)
            async with self._locked(victim):
                local = self._local(victim)
                if local.children:
                    await self._refused(pid, f"rmdir {path}", self.fs.rmdir(parent, name), errno.ENOTEMPTY)
                asking = self.fs.rmdir(parent, name) if directory else self.fs.unlink(parent, name)
                await self._insist(f"{'rmdir' if directory else 'unlink'} {_told(parent)}/{name}", pid, asking)
                del self._local(parent).children[name]

    async def _refused(self, pid: int, what: str, asking: Awaitable[object], number: int) -> None:
        """A local directory would refuse it."""
        try:
            await self.ask(what, pid, asking)
        except OSError as error:
            if error.errno != number:
                self.complain(f"{what}: {error}, and not {errno.errorcode[number]}")
            raise
        self.complain(f"{what} was done")
        raise oserror(number, what)

    async def rename(self, pid: int, old: str, new: str) -> None:
        parent, name = await self.parent(pid, old)
        new_parent, new_name = await self.parent(pid, new)
        async with contextlib.AsyncExitStack() as stack:
            if parent is not new_parent:
                await stack.enter_async_context(self._renaming)
            await stack.enter_async_context(self._locked(parent, new_parent))
            self._check_alive(parent)
            self._check_alive(new_parent)
            source = await self.look_locked(pid, parent, name)
            target = await self.look_locked(pid, new_parent, new_name)
            self._check_rename(source, target, new_parent, new)
            if source is None or source is target:
                return
            others = [each for each in (source, target) if each not in {parent, new_parent}]
            await stack.enter_async_context(self._locked(*others))
            what = f"rename {_told(parent)}/{name} {_told(new_parent)}/{new_name}"
            asking = self.fs.rename(parent, name, new_parent, new_name, 0)
            if target is not None and self._local(target).children:
                await self._refused(pid, what, asking, errno.ENOTEMPTY)
            await self._insist(what, pid, asking)
            local = self._local(parent).children.pop(name)
            self._local(new_parent).children[new_name] = local

    def _check_rename(self, source: Inode | None, target: Inode | None, new_parent: Directory, new: str) -> None:
        if source is None:
            raise oserror(errno.ENOENT, new)
        if new_parent.is_below(source):  # type: ignore[arg-type]
            raise oserror(errno.EINVAL, new)
        if target is None or source is target:
            return
        if isinstance(source, Directory) and not isinstance(target, Directory):
            raise oserror(errno.ENOTDIR, new)
        if isinstance(target, Directory) and not isinstance(source, Directory):
            raise oserror(errno.EISDIR, new)
        if isinstance(source, Node) and isinstance(target, Directory) and source.is_below(target):
            raise oserror(errno.ENOTEMPTY, new)

    # -- files -----------------------------------------------------------------------------------

    async def open(self, pid: int, path: str, flags: int) -> OpenFile:
        if flags & os.O_CREAT:
            directory, name = await self.parent(pid, path)
            found = await self.find(pid, directory, name)
            if found is None:
                async with self._locked(directory):
                    self._check_alive(directory)
                    found = await self.look_locked(pid, directory, name)
                    if found is None:
                        return await self._create(pid, directory, name, flags)
            inode = await self._follow(pid, path, found, 0) if isinstance(found, Symlink) else found
        else:
            inode = await self.walk(pid, path, follow=True)
        if isinstance(inode, Directory):
            raise oserror(errno.EISDIR, path)
        if not isinstance(inode, File):
            raise oserror(errno.ELOOP, path)
        local = self._local(inode)
        if flags & os.O_TRUNC:
            async with self._locked(inode):
                handle = await self.ask(f"open {path} {flags:o}", pid, self.fs.open(inode, flags, pid))
                local.data.clear()
        else:
            handle = await self.ask(f"open {path} {flags:o}", pid, self.fs.open(inode, flags, pid))
        return OpenFile(self, pid, inode, local, handle, flags)

    async def _create(self, pid: int, directory: Directory, name: str, flags: int) -> OpenFile:
        what = f"create {_told(directory)}/{name}"
        inode, handle = await self._insist(what, pid, self.fs.create(directory, name, 0o644, flags, pid))
        inode.lookups += 1
        local = Local(Kind.FILE, 0o644)
        self._locals[inode] = self._local(directory).children[name] = local
        return OpenFile(self, pid, inode, local, handle, flags)

    async def truncate(self, pid: int, path: str, size: int) -> None:
        inode = await self.walk(pid, path, follow=True)
        if isinstance(inode, Directory):
            raise oserror(errno.EISDIR, path)
        async with self._locked(inode):
            await self.ask(f"truncate {path} {size}", pid, self.fs.truncate(inode, size))
            data = self._local(inode).data
            data[:] = data[:size].ljust(size, b"\0")

    async def chmod(self, pid: int, path: str, mode: int) -> None:
        inode = await self.walk(pid, path, follow=True)
        async with self._locked(inode):
            await self.ask(f"chmod {path} {mode:o}", pid, self.fs.chmod(inode, mode))
            self._local(inode).mode = mode

    async def utime(self, pid: int, path: str) -> None:
        inode = await self.walk(pid, path, follow=True)
        async with self._locked(inode):
            at = 1_600_000_000 * 10**9
            await self.ask(f"utime {path}", pid, self.fs.set_times(inode, at, at))

    async def stat(self, pid: int, path: str) -> None:
        inode = await self.walk(pid, path, follow=False)
        async with self._locked(inode):
            await self.ask(f"stat {path}", pid, self.fs.revalidate(inode))
            local = self._local(inode)
            if isinstance(inode, File) and inode.attributes.size != len(local.data):
                self.complain(f"the size of {path} is {inode.attributes.size}, not {len(local.data)}")
            if isinstance(inode, Node) and inode.attributes.mode != local.mode:
                self.complain(f"the mode of {path} is {inode.attributes.mode:o}, not {local.mode:o}")

    async def list(self, pid: int, path: str) -> None:
        inode = await self.walk(pid, path, follow=True)
        if not isinstance(inode, Directory):
            raise oserror(errno.ENOTDIR, path)
        async with self._locked(inode):
            handle = await self.ask(f"opendir {path}", pid, self.fs.opendir(inode))
            await self.ask(f"readdir {path}", pid, self.fs.begin(handle))
            names = {name for name, _ in self.fs.entries(handle)} - {".", ".."}
            self.fs.releasedir(handle)
            local = set() if inode.unlinked else set(self._local(inode).children)
            if names != local:
                self.complain(f"{path} ({_told(inode)}) lists {sorted(names)}, and not {sorted(local)}")


@dataclass
class OpenFile:
    """One open file of a program."""

    kernel: Kernel
    pid: int
    inode: Inode
    local: Local
    handle: int
    flags: int

    async def write(self, offset: int, data: bytes) -> None:
        kernel, local = self.kernel, self.local
        async with kernel._locked(self.inode):
            if self.flags & os.O_APPEND:
                offset = len(local.data)
            what = f"write {_told(self.inode)} {offset} {len(data)}"
            await kernel.ask(what, self.pid, kernel.fs.write(self.handle, offset, data))
            if data:
                local.data.extend(bytes(max(0, offset - len(local.data))))
                local.data[offset : offset + len(data)] = data

    async def read(self) -> None:
        kernel = self.kernel
        async with kernel._locked(self.inode):
            what, wanted = f"read {_told(self.inode)}", bytes(self.local.data)
            data = await kernel.ask(what, self.pid, kernel.fs.read(self.handle, 0, len(wanted) + 1))
            if data != wanted:
                kernel.complain(f"{what}: {len(data)} bytes, and not the {len(wanted)} that were written")

    async def fsync(self) -> None:
        async with self.kernel._locked(self.inode):
            asking = self.kernel.fs.fsync(self.handle)
            await self.kernel.ask(f"fsync {_told(self.inode)}", self.pid, asking, deadline=600)

    async def close(self) -> None:
        fs = self.kernel.fs
        try:
            await self.kernel.ask(f"flush {_told(self.inode)}", self.pid, fs.flush(self.handle))
        finally:
            await self.kernel.ask(f"release {_told(self.inode)}", self.pid, fs.release(self.handle))


def _depth(inode: Inode) -> int:
    return inode.path.count("/") if isinstance(inode, Node) else 0


def _told(inode: Inode) -> str:
    return inode.path if isinstance(inode, Node) else str(inode.number)
