"""Virtual files and directories: what answers by name but is not a file on the cluster."""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from f7tfs.cluster.errors import NotFound, PermissionDenied
from f7tfs.vfs.handles import Handle
from f7tfs.vfs.inodes import InodeTable
from f7tfs.vfs.nodes import Inode

NOWHERE = 0
"""No directory has this number: what is numbered below it meets nothing of the cluster's."""


@dataclass(eq=False, slots=True, kw_only=True)
class VirtualNode(Inode):
    """Belongs to the mounting user. `mtime_ns` is when it came to be."""

    mtime_ns: int = field(default_factory=time.time_ns)
    dropped: bool = False
    """Another thing lies at its path now; it lives while the kernel knows it."""


@dataclass(eq=False, slots=True, kw_only=True)
class VirtualDirectory(VirtualNode):
    """A directory that makes its entries up. The defaults refuse every change."""

    async def entries(self) -> list[tuple[str, Inode]]:
        return []

    async def lookup(self, name: str, pid: int = 0) -> Inode:  # noqa: ARG002 -- for those that override it
        """`pid`: the process that looks, 0 where not known. Raises NotFound."""
        for entry, inode in await self.entries():
            if entry == name:
                return inode
        raise NotFound(name)

    async def create(self, name: str) -> VirtualFile:
        raise PermissionDenied(f"{name} cannot be created here")

    async def symlink(self, name: str, target: str) -> VirtualNode:
        raise PermissionDenied(f"{name} -> {target} cannot be made here")

    async def rename(self, name: str, new_name: str) -> None:
        raise PermissionDenied(f"{name} cannot be renamed to {new_name}")

    async def unlink(self, name: str) -> None:
        raise PermissionDenied(f"{name} cannot be removed")

    async def rmdir(self, name: str) -> None:
        raise PermissionDenied(f"{name} cannot be removed")


@dataclass(eq=False, slots=True, kw_only=True)
class VirtualHandle(Handle):
    """An open virtual file, with its content as it was when it was opened (None: not made yet)."""

    data: bytes | None = None


@dataclass(eq=False, slots=True, kw_only=True)
class VirtualFile(VirtualNode):
    """A file whose whole content is made when it is opened. The defaults refuse every change."""

    writable: bool = False
    patience: float = 60.0
    """Seconds that a read may take."""

    async def content(self) -> bytes:
        return b""

    async def open(self, flags: int, pid: int) -> VirtualHandle:
        if flags & os.O_ACCMODE != os.O_RDONLY and not self.writable:
            raise PermissionDenied("read only")
        if flags & os.O_TRUNC:
            self.truncate(0)
        return VirtualHandle(inode=self, flags=flags, pid=pid, data=None if self.writable else await self.content())

    async def read(self, handle: VirtualHandle, offset: int, length: int) -> bytes:
        if handle.data is None:
            handle.data = await self.content()
        return handle.data[offset : offset + length]

    async def write(self, offset: int, data: bytes) -> None:  # noqa: ARG002 -- for those that override it
        raise PermissionDenied("read only")

    def truncate(self, size: int) -> None:  # noqa: ARG002 -- for those that override it
        raise PermissionDenied("read only")

    async def flush(self, handle: VirtualHandle) -> None:
        """A descriptor was closed, perhaps one of several."""

    async def release(self, handle: VirtualHandle) -> None:
        """The last descriptor of an opening is gone; nobody is told of errors."""

    def readable(self) -> bool:
        """Whether a read returns without waiting for something to happen."""
        return True

    async def until_readable(self) -> None:
        """Wait until it is."""

    def size(self) -> int:
        """Bytes, as far as known without asking."""
        return 0


@dataclass(eq=False, slots=True, kw_only=True)
class TextFile(VirtualFile):
    """Made by a callable each time it is opened."""

    text: Callable[[], Awaitable[str]]
    known_size: int = 0

    async def content(self) -> bytes:
        encoded = (await self.text()).encode("utf-8", "surrogateescape")
        self.known_size = len(encoded)
        return encoded

    def size(self) -> int:
        return self.known_size


@dataclass(eq=False, slots=True, kw_only=True)
class VirtualLink(VirtualNode):
    """A symbolic link."""

    target: str = ""


class VirtualNodes:
    """Gives each virtual thing one inode for as long as the mount lives."""

    def __init__(self, inodes: InodeTable) -> None:
        self._inodes = inodes
        self._nodes: dict[str, Inode] = {}

    def get(self, path: str, make: Callable[[int], Inode]) -> Inode:
        """The node at a path, made by `make(number)` the first time."""
        node = self._nodes.get(path)
        if node is None:
            node = self._nodes[path] = make(self._inodes.number_for(NOWHERE, path))
            self._inodes.add(node)
        return node

    def link(self, path: str, target: str) -> Inode:
        """The symbolic link at a path, with the target that it has now."""
        node = self.get(path, lambda number: VirtualLink(number=number))
        if isinstance(node, VirtualLink):
            node.target = target
        return node

    def find(self, path: str) -> Inode | None:
        return self._nodes.get(path)

    def forget(self, path: str) -> None:
        """What lies there is another thing from now on."""
        node = self._nodes.pop(path, None)
        if isinstance(node, VirtualNode):
            self._drop(node)

    def discard(self, node: VirtualNode) -> None:
        """It is no more; it lives while the kernel knows it."""
        for path in [path for path, found in self._nodes.items() if found is node]:
            del self._nodes[path]
        self._drop(node)

    def _drop(self, node: VirtualNode) -> None:
        node.dropped = True
        if node.lookups == 0:
            self._inodes.discard(node)
