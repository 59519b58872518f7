"""What an open directory holds."""

from __future__ import annotations

import errno

from f7tfs.cluster.errors import NotADirectory
from f7tfs.cluster.scratch import NAME as SCRATCH_NAME
from f7tfs.vfs.handles import DirectoryHandle
from f7tfs.vfs.jobs import JobsTree
from f7tfs.vfs.nodes import Directory, Inode, Node
from f7tfs.vfs.virtual import VirtualDirectory
from f7tfs.vfs.walker import Walker


class Listing:
    """Opens directories and reads them."""

    def __init__(self, walker: Walker, jobs: JobsTree, *, jobs_listed: bool) -> None:
        self._walker = walker
        self._jobs = jobs
        self._jobs_listed = jobs_listed

    async def open(self, inode: Inode) -> DirectoryHandle:
        """Looks at the directory; what it holds is taken down when it is read.

        Raises OSError with ESTALE for one that turns out to be no longer what its name leads to: the kernel then
        looks its path up again, whatever it believed.
        """
        there = not is_gone(inode)
        try:
            await self._look(inode)
        except NotADirectory:
            if not (there and isinstance(inode, Directory)):
                raise
            self._walker.doubt(inode)
            raise OSError(errno.ESTALE, f"{inode.path} is no directory any more") from None
        if there and is_gone(inode):
            raise OSError(errno.ESTALE, "it was removed or replaced on the cluster")
        return DirectoryHandle(inode=inode)

    async def begin(self, handle: DirectoryHandle) -> None:
        """Take down what there is now. Who rewinds a directory wants to see what has changed since."""
        if handle.entries:
            await self._look(handle.inode)
        handle.entries = await self._entries(handle.inode)

    async def _look(self, inode: Inode) -> None:
        if isinstance(inode, Directory):
            await self._walker.ensure_listed(inode)
        elif not isinstance(inode, VirtualDirectory):
            raise NotADirectory("not a directory")

    async def _entries(self, inode: Inode) -> list[tuple[str, Inode]]:
        if isinstance(inode, VirtualDirectory):
            return [(".", inode), ("..", inode), *await inode.entries()]
        if not isinstance(inode, Directory):
            raise NotADirectory("not a directory")
        entries: list[tuple[str, Inode]] = [(".", inode), ("..", inode.parent or inode)]
        entries += [(name, child) for name, child in inode.children.items() if self._is_listed(inode, name)]
        if self._jobs_listed and self._jobs.name:
            entries.append((self._jobs.name, self._jobs.at(inode)))
        return entries

    def _is_listed(self, directory: Directory, name: str) -> bool:
        return name != SCRATCH_NAME and self._jobs.is_listed(directory, name)


def is_gone(inode: Inode) -> bool:
    """Whether it was removed since it was taken down."""
    return isinstance(inode, Node) and inode.unlinked
