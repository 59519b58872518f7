"""What comes out of an archive: its members, put into a directory as an ordinary user's `tar -x` does."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import tarfile
import zipfile
from typing import IO

from f7tfs.sandbox.coreutils.content import Quota
from f7tfs.sandbox.coreutils.failure import reason
from f7tfs.sandbox.root import Place, Root, failed

CHUNK = 1 << 20
UMASK = 0o022


class Unpacker:
    """Puts the members of an archive into a directory.

    As GNU tar without -p: modes are masked by the umask, owners ignored, files in the way removed first, and the
    modes and times of directories set last. What cannot be made is put down in `errors` in tar's words.
    """

    def __init__(self, root: Root, target: str, quota: Quota, errors: list[str]) -> None:
        self._root = root
        self._target = target
        self._quota = quota
        self._errors = errors
        self._directories: list[tuple[str, int, int]] = []

    def take(self, member: tarfile.TarInfo, archive: tarfile.TarFile | zipfile.ZipFile) -> None:
        """One member of `archive`."""
        name = member.name.lstrip("/")
        if ".." in name.split("/"):
            self._errors.append(f"tar: {member.name}: Member name contains '..'")
            return
        path = f"{self._target}/{name}".rstrip("/")
        try:
            self._make_parents(name)
            if member.isdir():
                self._directory(path, member)
            elif member.islnk():
                self._link(path, member.linkname)
            else:
                with self._root.locate(path) as place:
                    self._clear(place)
                    self._root.require_change(place)
                    self._create(place, member, archive)
        except OSError as error:
            self._errors.append(f"tar: {name}: Cannot {_verb(member)}: {reason(error)}")

    def finish(self) -> None:
        """After the last one."""
        for path, mode, mtime in reversed(self._directories):
            with contextlib.suppress(OSError), self._root.locate(path) as place:
                fd = os.open(place.name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=place.parent)
                try:
                    os.fchmod(fd, mode)
                    os.utime(fd, ns=(mtime, mtime))
                finally:
                    os.close(fd)

    def _make_parents(self, name: str) -> None:
        path = self._target
        for part in name.rstrip("/").split("/")[:-1]:
            path = f"{path}/{part}"
            with self._root.locate(path, follow=True) as place:
                if not place.exists:
                    self._root.require_change(place)
                    os.mkdir(place.name, 0o777, dir_fd=place.parent)

    def _directory(self, path: str, member: tarfile.TarInfo) -> None:
        with self._root.locate(path) as place:
            if not place.is_dir:
                self._clear(place)
                self._root.require_change(place)
                os.mkdir(place.name, 0o700 | (member.mode & ~UMASK), dir_fd=place.parent)
        self._directories.append((path, member.mode & ~UMASK, _nanoseconds(member)))

    def _clear(self, place: Place) -> None:
        """Remove what is in the way: anything but a directory that is not empty."""
        if place.info is None:
            return
        self._root.require_removal(place)
        if place.is_dir:
            try:
                os.rmdir(place.name, dir_fd=place.parent)
            except OSError as error:
                raise failed(errno.EISDIR) from error
        else:
            os.unlink(place.name, dir_fd=place.parent)

    def _link(self, path: str, source: str) -> None:
        """Removes what is in the way only where there is something to link to."""
        with self._root.locate(f"{self._target}/{source}") as old, self._root.locate(path) as place:
            old.require()
            self._clear(place)
            self._root.require_change(place)
            os.link(old.name, place.name, src_dir_fd=old.parent, dst_dir_fd=place.parent, follow_symlinks=False)

    def _create(self, place: Place, member: tarfile.TarInfo, archive: tarfile.TarFile | zipfile.ZipFile) -> None:
        if member.issym():
            os.symlink(member.linkname, place.name, dir_fd=place.parent)
        elif member.isfifo():
            os.mkfifo(place.name, member.mode & ~UMASK, dir_fd=place.parent)
        elif member.isdev():
            raise failed(errno.EPERM)
        else:
            self._file(place, member, archive)
        mtime = _nanoseconds(member)
        os.utime(place.name, ns=(mtime, mtime), dir_fd=place.parent, follow_symlinks=False)

    def _file(self, place: Place, member: tarfile.TarInfo, archive: tarfile.TarFile | zipfile.ZipFile) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(place.name, flags, 0o600, dir_fd=place.parent)
        try:
            content = (
                archive.open(member.name) if isinstance(archive, zipfile.ZipFile) else archive.extractfile(member)
            )
            if content is not None:
                with content:
                    self._fill(fd, content)
            os.fchmod(fd, member.mode & ~UMASK)
        finally:
            os.close(fd)

    def _fill(self, fd: int, content: IO[bytes]) -> None:
        while chunk := content.read(CHUNK):
            granted = self._quota.take(len(chunk))
            view = memoryview(chunk)[:granted]
            while view:
                view = view[os.write(fd, view) :]
            if granted < len(chunk):
                raise failed(self._quota.code)


def _verb(member: tarfile.TarInfo) -> str:
    if member.issym():
        return f"create symlink to '{member.linkname}'"
    if member.islnk():
        return f"hard link to '{member.linkname}'"
    if member.isdir():
        return "mkdir"
    return "mknod" if member.isdev() else "open"


def _nanoseconds(member: tarfile.TarInfo) -> int:
    """The mtime of a member: exact where the archive (PAX) gives it as text."""
    text = member.pax_headers.get("mtime", "")
    match = re.fullmatch(r"(-?\d+)(?:\.(\d{1,9})\d*)?", text)
    if match is None:
        return int(member.mtime * 1_000_000_000)
    fraction = int((match[2] or "0").ljust(9, "0"))
    seconds = int(match[1]) * 1_000_000_000
    return seconds - fraction if match[1].startswith("-") else seconds + fraction
