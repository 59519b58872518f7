"""A directory of this machine as the root of the cluster's file tree, and the rights of its one user in it.

Paths are resolved here component by component with directory descriptors and O_NOFOLLOW, so that neither `..` nor a
symlink leads out: `..` of the root is the root, and an absolute symlink starts again at the root, as under chroot.
The walk also checks the user's permission to search each directory, because a sandbox that runs as root would
otherwise never see a permission denied.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

READ, WRITE, SEARCH = 4, 2, 1
MAX_LINKS = 40
MAX_NAME = 255
MAX_PATH = 4096
DIRECTORY_FLAGS = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def failed(code: int) -> OSError:
    return OSError(code, os.strerror(code))


def proc_path(fd: int) -> str:
    """A path to exactly what a descriptor holds, for calls that have no descriptor form on O_PATH."""
    return f"/proc/self/fd/{fd}"


def parts(path: str) -> list[str]:
    """The components of a path, the first one last."""
    return [part for part in reversed(path.split("/")) if part and part != "."]


def pop_directories(stack: list[int], length: int) -> None:
    """Close directories from the end until so many are left; the root stays."""
    while len(stack) > max(1, length):
        os.close(stack.pop())


@dataclass(slots=True)
class Place:
    """Where a path leads: an open parent directory and a name in it. The name itself may not exist.

    `info` is of the entry itself (lstat); `name` is `.` where the path ends at the directory itself.
    """

    parent: int
    name: str
    info: os.stat_result | None
    slash: bool = False
    """The path had a trailing slash."""

    @property
    def exists(self) -> bool:
        return self.info is not None

    @property
    def mode(self) -> int:
        return 0 if self.info is None else self.info.st_mode

    @property
    def is_dir(self) -> bool:
        return stat.S_ISDIR(self.mode)

    @property
    def is_link(self) -> bool:
        return stat.S_ISLNK(self.mode)

    def require(self) -> os.stat_result:
        if self.info is None:
            raise failed(errno.ENOENT)
        return self.info


class Root:
    """The confined tree. Methods raise OSError with the errno that the cluster's kernel would give."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._fd = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self._uid = os.getuid()
        self._groups = {os.getgid(), *os.getgroups()}

    def close(self) -> None:
        os.close(self._fd)

    # -- rights ----------------------------------------------------------------------------------

    def owns(self, info: os.stat_result) -> bool:
        return info.st_uid == self._uid

    def allowed(self, info: os.stat_result, wanted: int) -> bool:
        """Whether the user has all of the wanted rights, by the mode bits alone."""
        if info.st_uid == self._uid:
            bits = info.st_mode >> 6
        elif info.st_gid in self._groups:
            bits = info.st_mode >> 3
        else:
            bits = info.st_mode
        return bits & wanted == wanted

    def require(self, info: os.stat_result, wanted: int) -> None:
        if not self.allowed(info, wanted):
            raise failed(errno.EACCES)

    def require_change(self, place: Place) -> None:
        """The right to add or remove an entry of the parent directory."""
        self.require(os.fstat(place.parent), WRITE | SEARCH)

    def require_removal(self, place: Place) -> None:
        """The right to remove this entry, with the sticky bit of its directory."""
        parent = os.fstat(place.parent)
        self.require(parent, WRITE | SEARCH)
        info = place.require()
        if parent.st_mode & stat.S_ISVTX and not (self.owns(info) or self.owns(parent)):
            raise failed(errno.EPERM)

    # -- resolution ------------------------------------------------------------------------------

    @contextlib.contextmanager
    def locate(self, path: str, *, follow: bool = False) -> Iterator[Place]:
        """Resolve a path. With `follow`, or with a trailing slash, a symlink at the end is followed too."""
        place = self._walk(path, follow=follow)
        try:
            yield place
        finally:
            os.close(place.parent)

    def _walk(self, path: str, *, follow: bool) -> Place:
        if len(os.fsencode(path)) >= MAX_PATH:
            raise failed(errno.ENAMETOOLONG)
        if not path:
            raise failed(errno.ENOENT)
        slash = path.endswith("/")
        stack = [os.dup(self._fd)]
        try:
            name, info = self._follow(stack, path, follow=follow or slash)
            parent = os.dup(stack[-1])
        finally:
            for fd in stack:
                os.close(fd)
        if slash and info is not None and not stat.S_ISDIR(info.st_mode):
            os.close(parent)
            raise failed(errno.ENOTDIR)
        return Place(parent, name, info, slash)

    def _follow(self, stack: list[int], path: str, *, follow: bool) -> tuple[str, os.stat_result | None]:
        """Walk a path; `stack` holds the open directories from the root to where it got."""
        todo = parts(path)
        links = 0
        while todo:
            part = todo.pop()
            self.require(os.fstat(stack[-1]), SEARCH)
            if part == "..":
                pop_directories(stack, len(stack) - 1)
                continue
            info = self._lstat(stack[-1], part)
            if info is not None and stat.S_ISLNK(info.st_mode) and (todo or follow):
                links += 1
                if links > MAX_LINKS:
                    raise failed(errno.ELOOP)
                target = os.readlink(part, dir_fd=stack[-1])
                if target.startswith("/"):
                    pop_directories(stack, 1)
                todo.extend(parts(target))
            elif not todo:
                return part, info
            elif info is None:
                raise failed(errno.ENOENT)
            else:
                stack.append(os.open(part, DIRECTORY_FLAGS, dir_fd=stack[-1]))
        return ".", os.fstat(stack[-1])

    @staticmethod
    def _lstat(parent: int, name: str) -> os.stat_result | None:
        if len(os.fsencode(name)) > MAX_NAME:
            raise failed(errno.ENAMETOOLONG)
        try:
            return os.stat(name, dir_fd=parent, follow_symlinks=False)
        except FileNotFoundError:
            return None

    # -- opening ---------------------------------------------------------------------------------

    def open_read(self, path: str) -> int:
        """Open a file or directory for reading, symlinks followed. Never blocks on a FIFO."""
        with self.locate(path, follow=True) as place:
            self.require(place.require(), READ)
            return os.open(
                place.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=place.parent
            )

    def open_directory(self, path: str) -> int:
        """Open a directory to list it: needs the right to read it."""
        with self.locate(path, follow=True) as place:
            return self.open_directory_at(place)

    def open_directory_at(self, place: Place) -> int:
        info = place.require()
        if not stat.S_ISDIR(info.st_mode):
            raise failed(errno.ENOTDIR)
        self.require(info, READ)
        return os.open(place.name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=place.parent)

    def open_write(self, path: str) -> int:
        """What `> path` opens: symlinks followed, an existing file truncated in place, a new one by the umask."""
        with self.locate(path, follow=True) as place:
            if place.info is None:
                if place.slash:
                    raise failed(errno.EISDIR)
                self.require_change(place)
            elif place.is_dir:
                raise failed(errno.EISDIR)
            else:
                self.require(place.info, WRITE)
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            return os.open(place.name, flags, 0o666, dir_fd=place.parent)

    def real_path(self, path: str) -> Path:
        """The path on this machine of an existing directory or file, symlinks resolved inside the root."""
        with self.locate(path, follow=True) as place:
            place.require()
            parent = Path(proc_path(place.parent)).readlink()
            return parent if place.name == "." else parent / place.name
