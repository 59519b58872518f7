"""What `stat` shows of an inode, of whatever sort it is."""

from __future__ import annotations

from dataclasses import dataclass

from f7tfs.cluster.model import Kind
from f7tfs.vfs.jobs.output import OutputFile
from f7tfs.vfs.nodes import Inode, Node
from f7tfs.vfs.virtual import VirtualDirectory, VirtualFile, VirtualLink, VirtualNode


@dataclass(frozen=True, slots=True)
class Shown:
    """`user` and `group` None: the mounting user's. `live`: the kernel must ask again each time.

    ctime and atime None: the same as mtime.
    """

    number: int
    kind: Kind
    mode: int
    user: str | None
    group: str | None
    size: int
    mtime_ns: int
    live: bool = False
    ctime_ns: int | None = None
    atime_ns: int | None = None
    links: int = 1


def show(inode: Inode) -> Shown:
    """The attributes of an inode, as known now."""
    if isinstance(inode, OutputFile):
        attributes = inode.attributes
        return Shown(inode.number, Kind.FILE, 0o444, None, None, attributes.size, attributes.mtime_ns, live=True)
    if isinstance(inode, Node):
        a = inode.attributes
        common = (inode.number, a.kind, a.mode, a.user, a.group, a.size, a.mtime_ns)
        return Shown(*common, ctime_ns=a.ctime_ns, atime_ns=a.atime_ns, links=int(not inode.unlinked))
    if isinstance(inode, VirtualNode):
        kind, mode, size = _virtual(inode)
        return Shown(inode.number, kind, mode, None, None, size, inode.mtime_ns, live=True)
    raise TypeError(f"an inode of no known sort: {inode!r}")


def _virtual(inode: VirtualNode) -> tuple[Kind, int, int]:
    match inode:
        case VirtualDirectory():
            return Kind.DIRECTORY, 0o700, 0
        case VirtualLink():
            return Kind.SYMLINK, 0o777, len(inode.target.encode())
        case VirtualFile():
            return Kind.FILE, 0o600 if inode.writable else 0o400, inode.size()
        case _:
            raise TypeError(f"a virtual node of no known sort: {inode!r}")
