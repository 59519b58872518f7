"""`ls -l` and `stat`."""

from __future__ import annotations

import datetime as dt
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from f7tfs.sandbox.coreutils.failure import CommandFailed, OutputTooLarge, reason
from f7tfs.sandbox.identity import Identity
from f7tfs.sandbox.quoting import listed_name
from f7tfs.sandbox.root import SEARCH, Place, Root


@dataclass(frozen=True, slots=True)
class Line:
    """One line of `ls -l`. `name` and `target` are as shown, so mangled by the locale."""

    name: str
    kind: str
    target: str
    user: str
    group: str
    permissions: str
    modified: str
    size: str
    device: str = ""
    """`major, minor` of a device node, whose line the servers cannot parse."""

    @property
    def text(self) -> str:
        """The raw line with the name in C quotes."""
        size = self.device or self.size
        return f'{self.kind}{self.permissions} 1 {self.user} {self.group} {size} {self.modified} "{self.name}"'


@dataclass(frozen=True, slots=True)
class ListOptions:
    hidden: bool = False
    numeric: bool = False
    recursive: bool = False
    dereference: bool = False


class Lister:
    """`ls` and `stat` over a root, with the cluster's names, zone and locale."""

    def __init__(self, root: Root, identity: Identity, zone: str, *, utf8: bool, limit: int) -> None:
        self._root = root
        self._identity = identity
        self._zone = ZoneInfo(zone)
        self._utf8 = utf8
        self._limit = limit

    # -- stat ------------------------------------------------------------------------------------

    def stat(self, path: str, *, dereference: bool = False) -> dict[str, int]:
        try:
            with self._root.locate(path, follow=dereference) as place:
                info = place.require()
        except OSError as error:
            raise CommandFailed(1, f"stat: cannot statx '{path}': {reason(error)}") from error
        return {
            "mode": info.st_mode,
            "ino": info.st_ino,
            "dev": info.st_dev,
            "nlink": info.st_nlink,
            "uid": self._identity.uid(info.st_uid),
            "gid": self._identity.gid(info.st_gid),
            "size": info.st_size,
            "atime": _seconds(info.st_atime_ns),
            "ctime": _seconds(info.st_ctime_ns),
            "mtime": _seconds(info.st_mtime_ns),
        }

    # -- ls --------------------------------------------------------------------------------------

    def entries(self, path: str, options: ListOptions | None = None) -> list[Line]:
        """Everything `ls` lists, without `.` and `..`. Fails as a whole where `ls` ends with a status."""
        options = options or ListOptions()
        errors: list[str] = []
        lines: list[Line] = []
        size = 0
        for line in self._lines(path, options, errors):
            lines.append(line)
            size += len(line.text.encode("utf-8", "surrogateescape")) + 1
            if size >= self._limit:
                raise OutputTooLarge
        if errors:
            # Trouble with the argument itself is worse to `ls` than with what is below it.
            serious = not lines and errors[0].startswith(f"ls: cannot open directory '{path}'")
            raise CommandFailed(2 if serious else 1, "\n".join(errors))
        return lines

    def one(self, path: str) -> Line:
        """The line of an entry itself, its name being the path as given (`ls -d`)."""
        try:
            with self._root.locate(path) as place:
                return self._line(path, place.require(), place.parent, place.name, numeric=False)
        except OSError as error:
            raise CommandFailed(2, f"ls: cannot access '{path}': {reason(error)}") from error

    def _lines(self, path: str, options: ListOptions, errors: list[str]) -> Iterator[Line]:
        try:
            with self._root.locate(path, follow=options.dereference) as place:
                info = place.require()
                if not place.is_dir:
                    yield self._line(path, info, place.parent, place.name, numeric=options.numeric)
                    return
                fd = self._open(path, place, errors)
        except OSError as error:
            raise CommandFailed(2, f"ls: cannot access '{path}': {reason(error)}") from error
        if fd is not None:
            yield from self._directory(fd, path, "", options, errors)

    def _open(self, path: str, place: Place, errors: list[str]) -> int | None:
        try:
            return self._root.open_directory_at(place)
        except OSError as error:
            errors.append(f"ls: cannot open directory '{path}': {reason(error)}")
            return None

    def _directory(self, fd: int, path: str, prefix: str, options: ListOptions, errors: list[str]) -> Iterator[Line]:
        """Lists an open directory, which it closes, then those below it."""
        below: list[str] = []
        try:
            names = sorted(os.listdir(fd), key=os.fsencode)
            searchable = self._root.allowed(os.fstat(fd), SEARCH)
            for name in names:
                if name.startswith(".") and not options.hidden:
                    continue
                shown = f"{path.rstrip('/')}/{name}"
                info = self._info(fd, name, shown, options, errors) if searchable else None
                if not searchable:
                    errors.append(f"ls: cannot access '{shown}': Permission denied")
                if info is None:
                    continue
                yield self._line(prefix + name, info, fd, name, numeric=options.numeric)
                if options.recursive and stat.S_ISDIR(info.st_mode):
                    below.append(name)
            for name in below:
                yield from self._below(fd, name, f"{path.rstrip('/')}/{name}", prefix, options, errors)
        finally:
            os.close(fd)

    def _below(
        self, parent: int, name: str, path: str, prefix: str, options: ListOptions, errors: list[str]
    ) -> Iterator[Line]:
        try:
            info = os.stat(name, dir_fd=parent, follow_symlinks=False)
        except FileNotFoundError:
            return
        fd = self._open(path, Place(parent, name, info), errors)
        if fd is not None:
            yield from self._directory(fd, path, f"{prefix}{name}/", options, errors)

    def _info(self, fd: int, name: str, path: str, options: ListOptions, errors: list[str]) -> os.stat_result | None:
        try:
            info = os.stat(name, dir_fd=fd, follow_symlinks=False)
        except FileNotFoundError:
            return None  # removed while it was being listed; the real one complains only if it was a race with lstat
        if not (options.dereference and stat.S_ISLNK(info.st_mode)):
            return info
        try:
            with self._root.locate(path, follow=True) as place:
                return place.require()
        except OSError as error:
            errors.append(f"ls: cannot access '{path}': {reason(error)}")
            return None

    def _line(self, name: str, info: os.stat_result, parent: int, entry: str, *, numeric: bool) -> Line:
        mode = stat.filemode(info.st_mode)
        target = os.readlink(entry, dir_fd=parent) if stat.S_ISLNK(info.st_mode) else ""
        identity = self._identity
        device = stat.S_ISBLK(info.st_mode) or stat.S_ISCHR(info.st_mode)
        return Line(
            name=listed_name(name, utf8=self._utf8),
            kind=mode[0],
            target=listed_name(target, utf8=self._utf8),
            user=str(identity.uid(info.st_uid)) if numeric else identity.user(info.st_uid),
            group=str(identity.gid(info.st_gid)) if numeric else identity.group(info.st_gid),
            permissions=mode[1:],
            modified=self._local(_seconds(info.st_mtime_ns)),
            size=str(info.st_size),
            device=f"{os.major(info.st_rdev)}, {os.minor(info.st_rdev)}" if device else "",
        )

    def _local(self, seconds: int) -> str:
        return dt.datetime.fromtimestamp(seconds, self._zone).strftime("%Y-%m-%dT%H:%M:%S")


def _seconds(nanoseconds: int) -> int:
    return nanoseconds // 1_000_000_000
