"""Commands that read a file: base64, head, tail, dd, sha256sum, file; and the redirection that writes one."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import time
from collections.abc import Callable, Iterator

from f7tfs.sandbox.coreutils.failure import CommandFailed, CommandStalled, CommandTimedOut, OutputTooLarge, reason
from f7tfs.sandbox.root import Root

CHUNK = 1 << 20


def base64_limit(limit: int) -> int:
    """The largest file whose base64 text stays below `limit`: the largest n with 4*ceil(n/3) < limit."""
    return (limit - 1) // 4 * 3


class Reader:
    """Reads of files over a root, with the messages of the commands that the servers run for them."""

    def __init__(self, root: Root, *, limit: int, seconds: float) -> None:
        self._root = root
        self._limit = limit
        self._seconds = seconds

    def download(self, path: str) -> bytes:
        """What `base64 path` carries. Raises OutputTooLarge where its text would be too long."""
        fd = self._open(path, "base64: {path}: {reason}")
        try:
            info = os.fstat(fd)
            if stat.S_ISDIR(info.st_mode):
                raise CommandFailed(1, "base64: read error: Is a directory")
            limit = base64_limit(self._limit)
            if info.st_size > limit:
                raise OutputTooLarge
            return b"".join(_chunks(fd, 0, limit))
        finally:
            os.close(fd)

    def checksum(self, path: str) -> str:
        """SHA-256 in hex."""
        fd = self._open(path, "sha256sum: {path}: {reason}")
        try:
            if stat.S_ISDIR(os.fstat(fd).st_mode):
                raise CommandFailed(1, f"sha256sum: {path}: Is a directory")
            digest = hashlib.sha256()
            give_up = time.monotonic() + self._seconds
            for chunk in _chunks(fd, 0, None):
                digest.update(chunk)
                if time.monotonic() > give_up:
                    raise CommandTimedOut
            return digest.hexdigest()
        finally:
            os.close(fd)

    def view(self, path: str, offset: int, size: int) -> str:
        """v2's window: two blocks of `size` around the offset are read, decoded, and then sliced by characters."""
        fd = self._open(path, "dd: failed to open '{path}': {reason}")
        try:
            if stat.S_ISDIR(os.fstat(fd).st_mode):
                records = "0+0 records in\n0+0 records out\n0 bytes copied, 0.00339952 s, 0.0 kB/s"
                raise CommandFailed(1, f"dd: error reading '{path}': Is a directory\n{records}")
            skip = offset // size
            raw = b"".join(_chunks(fd, skip * size, 2 * size))
        finally:
            os.close(fd)
        if len(raw) >= self._limit:
            raise OutputTooLarge
        start = offset - skip * size
        return raw.decode("utf-8", "replace")[start : start + size]

    def head(self, path: str, *, count: int | None, lines: int | None, skip_end: bool = False) -> bytes:
        """The first bytes or lines (ten by default); with `skip_end` all but the last so many."""
        fd = self._open(path, "head: cannot open '{path}' for reading: {reason}")
        return self._cut("head", path, fd, lambda fd, size: _head(fd, size, count, lines, skip_end=skip_end))

    def tail(self, path: str, *, count: int | None, lines: int | None, skip_begin: bool = False) -> bytes:
        """The last bytes or lines; with `skip_begin` everything from the so-many-th on, counted from 1."""
        fd = self._open(path, "tail: cannot open '{path}' for reading: {reason}")
        return self._cut("tail", path, fd, lambda fd, size: _tail(fd, size, count, lines, skip_begin=skip_begin))

    def file_type(self, path: str) -> str:
        """A rough `file -b`. A missing path is no failure of that command."""
        try:
            with self._root.locate(path) as place:
                info = place.require()
                if stat.S_ISLNK(info.st_mode):
                    return f"symbolic link to {os.readlink(place.name, dir_fd=place.parent)}"
                special = _special_type(info.st_mode)
                if special:
                    return special
                if info.st_size == 0:
                    return "empty"
            fd = self._root.open_read(path)
        except OSError as error:
            return f"cannot open `{path}' ({reason(error)})"
        try:
            return _text_type(os.read(fd, 65536))
        finally:
            os.close(fd)

    # -- inside ----------------------------------------------------------------------------------

    def _open(self, path: str, message: str) -> int:
        try:
            fd = self._root.open_read(path)
        except OSError as error:
            raise CommandFailed(1, message.format(path=path, reason=reason(error))) from error
        if stat.S_ISFIFO(os.fstat(fd).st_mode):
            os.close(fd)
            raise CommandStalled
        return fd

    def _cut(self, command: str, path: str, fd: int, cut: Callable[[int, int], tuple[int, int]]) -> bytes:
        try:
            info = os.fstat(fd)
            if stat.S_ISDIR(info.st_mode):
                raise CommandFailed(1, f"{command}: error reading '{path}': Is a directory")
            start, stop = cut(fd, info.st_size)
            if stop - start >= self._limit:
                raise OutputTooLarge
            return b"".join(_chunks(fd, start, stop - start))
        finally:
            os.close(fd)


def _chunks(fd: int, start: int, count: int | None) -> Iterator[bytes]:
    position, left = start, count
    while left is None or left > 0:
        chunk = os.pread(fd, CHUNK if left is None else min(CHUNK, left), position)
        if not chunk:
            return
        position += len(chunk)
        left = None if left is None else left - len(chunk)
        yield chunk


def _head(fd: int, size: int, count: int | None, lines: int | None, *, skip_end: bool) -> tuple[int, int]:
    if count is not None:
        return 0, max(0, size - count) if skip_end else min(size, count)
    wanted = 10 if lines is None else lines
    return 0, _start_of_last_lines(fd, size, wanted) if skip_end else _end_of_first_lines(fd, size, wanted)


def _tail(fd: int, size: int, count: int | None, lines: int | None, *, skip_begin: bool) -> tuple[int, int]:
    if count is not None:
        return (min(size, max(0, count - 1)), size) if skip_begin else (max(0, size - count), size)
    wanted = 10 if lines is None else lines
    if skip_begin:
        return _end_of_first_lines(fd, size, max(0, wanted - 1)), size
    return _start_of_last_lines(fd, size, wanted), size


def _end_of_first_lines(fd: int, size: int, wanted: int) -> int:
    if wanted <= 0:
        return 0
    position = 0
    for chunk in _chunks(fd, 0, None):
        found = -1
        for _ in range(chunk.count(b"\n")):
            found = chunk.index(b"\n", found + 1)
            wanted -= 1
            if wanted == 0:
                return position + found + 1
        position += len(chunk)
    return size


def _start_of_last_lines(fd: int, size: int, wanted: int) -> int:
    if wanted <= 0 or size == 0:
        return size
    end = size - 1 if os.pread(fd, 1, size - 1) == b"\n" else size
    while end > 0:
        start = max(0, end - CHUNK)
        chunk = os.pread(fd, end - start, start)
        found = len(chunk)
        while (found := chunk.rfind(b"\n", 0, found)) >= 0:
            wanted -= 1
            if wanted == 0:
                return start + found + 1
        end = start
    return 0


def _special_type(mode: int) -> str:
    names = {
        stat.S_IFDIR: "directory",
        stat.S_IFIFO: "fifo (named pipe)",
        stat.S_IFSOCK: "socket",
        stat.S_IFBLK: "block special",
        stat.S_IFCHR: "character special",
    }
    return names.get(stat.S_IFMT(mode), "")


def _text_type(head: bytes) -> str:
    if head.startswith(b"\x1f\x8b"):
        return "gzip compressed data"
    if head.startswith(b"#!"):
        return f"{head[2:].splitlines()[0].decode('latin-1').strip()} script, ASCII text executable"
    if b"\0" in head:
        return "data"
    try:
        text = head.decode()
    except UnicodeDecodeError:
        return "data"
    kind = "ASCII text" if text.isascii() else "UTF-8 Unicode text"
    return kind if "\n" in text else f"{kind}, with no line terminators"


class Quota:
    """How many bytes can still be written; None is no bound."""

    def __init__(self) -> None:
        self.left: int | None = None
        self.code = errno.EDQUOT

    def take(self, wanted: int) -> int:
        """How many of the wanted bytes may be written; they are taken off."""
        if self.left is None:
            return wanted
        granted = min(wanted, self.left)
        self.left -= granted
        return granted


def write_file(root: Root, path: str, content: bytes, quota: Quota, *, opener: str, writer: str) -> None:
    """`writer > path`: truncates in place, then fills; a full file system leaves what fitted.

    `opener` and `writer` are the words before the message, of the shell that opens and the program that writes.
    """
    try:
        fd = root.open_write(path)
    except OSError as error:
        raise CommandFailed(1, f"{opener}: {path}: {reason(error)}") from error
    try:
        granted = quota.take(len(content))
        view = memoryview(content)[:granted]
        while view:
            view = view[os.write(fd, view) :]
    except OSError as error:
        raise CommandFailed(1, f"{writer}: write error: {reason(error)}") from error
    finally:
        os.close(fd)
    if granted < len(content):
        raise CommandFailed(1, f"{writer}: write error: {reason(quota.code)}")
