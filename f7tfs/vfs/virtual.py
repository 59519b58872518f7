"""Virtual files and directories: what answers by name but is not a file on the cluster."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from f7tfs.cluster.errors import NotFound, PermissionDenied
from f7tfs.vfs.inodes import InodeTable
from f7tfs.vfs.nodes import Inode


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

    async def lookup(self, name: str) -> Inode:
        """Raises NotFound."""
        for entry, inode in await self.entries():
            if entry == name:
                return inode
        raise NotFound(name)

    async def create(self, name: str) -> VirtualFile:
        raise PermissionDenied(f"{name} cannot be created here")

    async def unlink(self, name: str) -> None:
        raise PermissionDenied(f"{name} cannot be removed")

    async def rmdir(self, name: str) -> None:
        raise PermissionDenied(f"{name} cannot be removed")


@dataclass(eq=False, slots=True, kw_only=True)
class VirtualFile(VirtualNode):
    """A file whose whole content is made when it is opened."""

    writable: bool = False

    async def content(self) -> bytes:
        return b""

    def write(self, offset: int, data: bytes) -> None:  # noqa: ARG002 -- for those that override it
        raise PermissionDenied("read only")

    def truncate(self, size: int) -> None:  # noqa: ARG002 -- for those that override it
        raise PermissionDenied("read only")

    async def flushed(self, *, last: bool) -> None:
        """A descriptor was closed; `last`: no process holds another one."""

    def size(self) -> int:
        """Bytes, as far as known without asking."""
        return 0


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
            node = self._nodes[path] = make(self._inodes.number_for(path))
            self._inodes.add(node)
        return node

    def find(self, path: str) -> Inode | None:
        return self._nodes.get(path)

    def forget(self, path: str) -> None:
        """What lies there is another thing from now on."""
        node = self._nodes.pop(path, None)
        if isinstance(node, VirtualNode):
            node.dropped = True
        if node is not None and node.lookups == 0:
            self._inodes.discard(node)
