"""A file system that does nothing but `pread` and `pwrite`: the least that a copy through pyfuse3 costs.

    python scripts/bench_bare.py MOUNTPOINT FILE NEW

It shows FILE as `large`, and puts what is written to `new` into NEW. Serves until it is unmounted. As root it reads
ahead as f7tfs does, and it takes as much at once.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from pathlib import Path

import pyfuse3
import trio
from pyfuse3 import EntryAttributes, FileHandleT, FileInfo, FileNameT, FlagT, InodeT, RequestContext, SetattrFields

from f7tfs.fuse.attributes import EMPTY_BLOCK
from f7tfs.mount.read_ahead import KIB

LARGE, NEW = InodeT(2), InodeT(3)
SECONDS = 3600.0


class Bare(pyfuse3.Operations):
    """`source`, `target`: descriptors of what `large` and `new` are."""

    enable_writeback_cache = False

    def __init__(self, source: int, target: int) -> None:
        super().__init__()
        self._descriptors = {LARGE: source, NEW: target}

    def _entry(self, inode: InodeT) -> EntryAttributes:
        entry = EntryAttributes()
        descriptor = self._descriptors.get(inode)
        entry.st_ino = inode
        entry.st_mode = pyfuse3.ModeT(stat.S_IFDIR | 0o755 if descriptor is None else stat.S_IFREG | 0o644)
        entry.st_size = 0 if descriptor is None else os.fstat(descriptor).st_size
        entry.st_blksize = EMPTY_BLOCK
        entry.attr_timeout = entry.entry_timeout = SECONDS
        return entry

    async def getattr(self, inode: InodeT, ctx: RequestContext) -> EntryAttributes:
        return self._entry(inode)

    async def lookup(self, parent_inode: InodeT, name: FileNameT, ctx: RequestContext) -> EntryAttributes:
        inode = {b"large": LARGE, b"new": NEW}.get(name)
        if inode is None:
            raise pyfuse3.FUSEError(errno.ENOENT)
        return self._entry(inode)

    async def open(self, inode: InodeT, flags: FlagT, ctx: RequestContext) -> FileInfo:
        return FileInfo(fh=FileHandleT(inode))

    async def read(self, fh: FileHandleT, off: int, size: int) -> bytes:
        return os.pread(self._descriptors[InodeT(fh)], size, off)

    async def write(self, fh: FileHandleT, off: int, buf: bytes) -> int:
        return os.pwrite(self._descriptors[InodeT(fh)], buf, off)

    async def setattr(
        self,
        inode: InodeT,
        attr: EntryAttributes,
        fields: SetattrFields,
        fh: FileHandleT | None,
        ctx: RequestContext,
    ) -> EntryAttributes:
        return self._entry(inode)


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
    mountpoint, file, new = sys.argv[1:]
    bare = Bare(os.open(file, os.O_RDONLY), os.open(new, os.O_RDWR | os.O_CREAT | os.O_TRUNC))
    pyfuse3.init(bare, mountpoint, {"fsname=bare"})
    try:
        trio.run(serve, mountpoint)
    finally:
        pyfuse3.close()


if __name__ == "__main__":
    main()
