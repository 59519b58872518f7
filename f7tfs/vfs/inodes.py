"""The inode table: numbers, lookup counts and forget."""

from __future__ import annotations

import hashlib

from f7tfs.cluster.errors import NotFound
from f7tfs.vfs.nodes import Inode

ROOT_NUMBER = 1


class InodeTable:
    """Every inode that the kernel or the tree may name.

    A number is derived from that of the directory and the name, so it is the same after a remount, also below a
    directory that was renamed. A rename keeps it. Where it is taken (a new file under the name of one that is still
    open, or was renamed) the next free one is used. The journal keeps those that cannot be derived.
    """

    def __init__(self) -> None:
        self._inodes: dict[int, Inode] = {}
        self.kept: set[int] = set()
        """Numbers that the journal keeps for something: nothing else gets them."""

    def __len__(self) -> int:
        return len(self._inodes)

    def __contains__(self, number: int) -> bool:
        return number in self._inodes

    def number_for(self, parent: int, name: str) -> int:
        """A free number for something new of that name, in the directory with the number `parent`."""
        for salt in range(2**16):
            number = derived(parent, name, salt)
            if number > ROOT_NUMBER and number not in self._inodes and number not in self.kept:
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
        # By the time that it is given up for good, another may have its number.
        if self._inodes.get(inode.number) is inode:
            del self._inodes[inode.number]


def derived(parent: int, name: str, salt: int = 0) -> int:
    """The number of what has a name in the directory with the number `parent`; another one for each `salt`."""
    text = f"{salt}:{parent}/{name}".encode("utf-8", "surrogateescape")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") >> 1
