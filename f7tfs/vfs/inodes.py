"""The inode table: numbers, lookup counts and forget."""

from __future__ import annotations

import hashlib

from f7tfs.cluster.errors import NotFound
from f7tfs.vfs.nodes import Inode

ROOT_NUMBER = 1


class InodeTable:
    """Every inode that the kernel or the tree may name.

    A number is derived from the path at which the inode was first met, so it is the same after a remount; a rename
    keeps it. Where it is taken (a new file under the name of one that is still open) the next free one is used.
    """

    def __init__(self) -> None:
        self._inodes: dict[int, Inode] = {}

    def __len__(self) -> int:
        return len(self._inodes)

    def number_for(self, path: str) -> int:
        """A free number for something new at `path`."""
        for salt in range(2**16):
            digest = hashlib.blake2b(f"{salt}:{path}".encode("utf-8", "surrogateescape"), digest_size=8).digest()
            number = int.from_bytes(digest, "big") >> 1
            if number > ROOT_NUMBER and number not in self._inodes:
                return number
        raise MemoryError("no free inode number")

    def add(self, inode: Inode) -> None:
        self._inodes[inode.number] = inode

    def get(self, number: int) -> Inode:
        """Raises NotFound for a number that is not known (any more)."""
        try:
            return self._inodes[number]
        except KeyError:
            raise NotFound(f"no inode {number}") from None

    def discard(self, inode: Inode) -> None:
        """Remove an inode that neither the tree nor the kernel knows any more."""
        self._inodes.pop(inode.number, None)
