"""A file system of one file, `large`, and nothing but `pread`: the least that reading through pyfuse3 costs.

    python scripts/bench_bare.py MOUNTPOINT FILE

Serves until it is unmounted. As root it reads ahead as f7tfs does.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from pathlib import Path

import pyfuse3
import trio
from pyfuse3 import EntryAttributes, FileHandleT, FileInfo, FileNameT, FlagT, InodeT, RequestContext

from f7tfs.mount.read_ahead import KIB

LARGE = InodeT(2)
SECONDS = 3600.0


class Bare(pyfuse3.Operations):
    """`descriptor`: of the file that `large` is."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._size = os.fstat(descriptor).st_size

    def _entry(self, inode: InodeT) -> EntryAttributes:
        entry = EntryAttributes()
        entry.st_ino = inode
        entry.st_mode = pyfuse3.ModeT(stat.S_IFREG | 0o444 if inode == LARGE else stat.S_IFDIR | 0o755)
        entry.st_size = self._size if inode == LARGE else 0
        entry.attr_timeout = entry.entry_timeout = SECONDS
        return entry

    async def getattr(self, inode: InodeT, ctx: RequestContext) -> EntryAttributes:
        return self._entry(inode)

    async def lookup(self, parent_inode: InodeT, name: FileNameT, ctx: RequestContext) -> EntryAttributes:
        if name != b"large":
            raise pyfuse3.FUSEError(errno.ENOENT)
        return self._entry(LARGE)

    async def open(self, inode: InodeT, flags: FlagT, ctx: RequestContext) -> FileInfo:
        return FileInfo(fh=FileHandleT(inode))

    async def read(self, fh: FileHandleT, off: int, size: int) -> bytes:
        return os.pread(self._descriptor, size, off)


async def serve(mountpoint: str) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pyfuse3.main)
        await trio.to_thread.run_sync(read_ahead, mountpoint)


def read_ahead(mountpoint: str) -> None:
    """Blocking: it waits for an answer of the mount."""
    device = Path(mountpoint).stat().st_dev
    knob = Path(f"/sys/class/bdi/{os.major(device)}:{os.minor(device)}/read_ahead_kb")
    if os.access(knob, os.W_OK):
        knob.write_text(str(KIB))


def main() -> None:
    mountpoint, file = sys.argv[1:]
    pyfuse3.init(Bare(os.open(file, os.O_RDONLY)), mountpoint, {"fsname=bare"})
    try:
        trio.run(serve, mountpoint)
    finally:
        pyfuse3.close()


if __name__ == "__main__":
    main()
