"""Attributes as the kernel wants them, and whose files they are here."""

from __future__ import annotations

import functools
import grp
import os
import pwd
import stat

import pyfuse3

from f7tfs.cluster.model import Identity, Kind
from f7tfs.vfs.shown import Shown

KIND_BITS = {
    Kind.FILE: stat.S_IFREG,
    Kind.DIRECTORY: stat.S_IFDIR,
    Kind.SYMLINK: stat.S_IFLNK,
    Kind.FIFO: stat.S_IFIFO,
    Kind.SOCKET: stat.S_IFSOCK,
    Kind.BLOCK: stat.S_IFBLK,
    Kind.CHARACTER: stat.S_IFCHR,
}
NOBODY = 65534
BLOCK = 512
# What programs should read and write at once. Buffered readers fetch so much, though they want a few bytes; an empty
# file has nothing to fetch, and is to be written: by as much as the kernel passes on in one request.
PREFERRED_BLOCK, EMPTY_BLOCK = 128 * 1024, 1024 * 1024


class Owners:
    """The remote user is shown as the mounting one, its groups there as the local primary group.

    Others by their name where it exists here, else as nobody.
    """

    def __init__(self, identity: Identity, uid: int | None, gid: int | None, umask: int | None) -> None:
        self._identity = identity
        self._uid = os.getuid() if uid is None else uid
        self._gid = os.getgid() if gid is None else gid
        self._groups = set(identity.groups.values())
        self._umask = umask

    def uid(self, user: str | None) -> int:
        return self._uid if user in (None, self._identity.user) else _local_uid(user or "")

    def gid(self, group: str | None) -> int:
        return self._gid if group is None or group in self._groups else _local_gid(group)

    def user(self, uid: int) -> str:
        """The cluster's name for a local user."""
        if uid == self._uid:
            return self._identity.user
        try:
            return pwd.getpwuid(uid).pw_name
        except KeyError:
            return str(uid)

    def group(self, gid: int, current: str | None) -> str:
        """The cluster's name for a local group; the one it has where that is shown as this group."""
        if current is not None and self.gid(current) == gid:
            return current
        if gid == self._gid:
            return self._identity.groups.get(self._identity.gid, str(gid))
        try:
            return grp.getgrgid(gid).gr_name
        except KeyError:
            return str(gid)

    def mode(self, mode: int) -> int:
        return mode if self._umask is None else mode & ~self._umask


@functools.lru_cache(maxsize=1024)
def _local_uid(user: str) -> int:
    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError:
        return NOBODY


@functools.lru_cache(maxsize=1024)
def _local_gid(group: str) -> int:
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        return NOBODY


def to_entry(shown: Shown, owners: Owners, timeout: float) -> pyfuse3.EntryAttributes:
    """`timeout`: seconds for which the kernel need not ask again."""
    entry = pyfuse3.EntryAttributes()
    entry.st_ino = pyfuse3.InodeT(shown.number)
    entry.st_mode = pyfuse3.ModeT(KIND_BITS[shown.kind] | owners.mode(shown.mode))
    entry.st_nlink = shown.links
    entry.st_uid = owners.uid(shown.user)
    entry.st_gid = owners.gid(shown.group)
    entry.st_size = shown.size
    entry.st_blocks = -(-shown.size // BLOCK)
    entry.st_blksize = EMPTY_BLOCK if shown.kind is Kind.FILE and not shown.size else PREFERRED_BLOCK
    entry.st_mtime_ns = shown.mtime_ns
    entry.st_ctime_ns = shown.mtime_ns if shown.ctime_ns is None else shown.ctime_ns
    entry.st_atime_ns = shown.mtime_ns if shown.atime_ns is None else shown.atime_ns
    entry.entry_timeout = entry.attr_timeout = 0 if shown.live else timeout
    return entry


def absent(timeout: float) -> pyfuse3.EntryAttributes:
    """A negative entry: for `timeout` seconds the kernel need not ask for this name again."""
    entry = pyfuse3.EntryAttributes()
    entry.st_ino = pyfuse3.InodeT(0)
    entry.entry_timeout = timeout
    return entry


def file_system_size() -> pyfuse3.StatvfsData:
    """The API has no statfs. Programs refuse to write where nothing is free, so a petabyte is shown, all free."""
    data = pyfuse3.StatvfsData()
    data.f_bsize = data.f_frsize = PREFERRED_BLOCK
    data.f_blocks = data.f_bfree = data.f_bavail = 2**50 // PREFERRED_BLOCK
    data.f_files = data.f_ffree = data.f_favail = 2**32
    data.f_namemax = 255
    return data
