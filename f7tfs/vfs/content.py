"""The content cache: one sparse local file for each remote file whose bytes are (partly) here.

A content belongs to one version of a remote file, or is new and waits to be sent. Bulk data goes through these files
and never through Python objects that hold a whole file.
"""

from __future__ import annotations

import contextlib
import errno
import os
import threading
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import trio

from f7tfs.vfs.extents import Extents
from f7tfs.vfs.nodes import Version


class Content:
    """The bytes of one file, as far as they are here. All methods are quick and do not await, unless async.

    Worker threads may `put`; everything else is for trio's thread, which alone changes `present`.
    """

    def __init__(self, path: Path, size: int, base: Version | None) -> None:
        self.path = path
        self.size = size
        self.base = base
        """The version these bytes were read from; None: they do not derive from what is on the cluster."""
        self.present = Extents()
        self.kept = 0
        """So many bytes at its beginning are what they were before it became dirty."""
        self.dirty = False
        self.users = 0
        self._fd = -1
        self._lock = threading.Lock()
        """Held where the file, `present`, the size or the descriptor changes, and by `put`."""
        self._holds = 0
        self._stills = 0
        self._discarded = False

    @property
    def complete(self) -> bool:
        """Whether all bytes are here."""
        return self.present.covers(0, self.size)

    @property
    def frozen(self) -> bool:
        """Somebody reads it and awaits meanwhile: it must not change."""
        return self._stills > 0

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Its file stays for the time of the block, though the content be discarded meanwhile.

        Whoever uses a content on both sides of an await holds it.
        """
        self._holds += 1
        try:
            yield
        finally:
            self._holds -= 1
            self._remove_if_due()

    @contextlib.contextmanager
    def still(self) -> Iterator[None]:
        """Held, and frozen too."""
        self._stills += 1
        try:
            with self.held():
                yield
        finally:
            self._stills -= 1

    def discard(self) -> None:
        """Remove the file, as soon as nobody holds it. Handles that have it open go on reading it."""
        self._discarded = True
        self._remove_if_due()

    def _remove_if_due(self) -> None:
        if self._discarded and not self._holds:
            self.path.unlink(missing_ok=True)

    def acquire(self) -> None:
        """Keep the file open until `release`: for as long as a handle uses it."""
        with self._lock:
            if self.users == 0:
                self._fd = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
            self.users += 1

    def release(self) -> None:
        with self._lock:
            self.users -= 1
            if self.users == 0:
                os.close(self._fd)
                self._fd = -1

    @contextlib.contextmanager
    def descriptor(self) -> Iterator[int]:
        """An open descriptor of the cache file."""
        if self._fd >= 0:
            yield self._fd
            return
        fd = os.open(self.path, os.O_RDWR | os.O_CLOEXEC)
        try:
            yield fd
        finally:
            os.close(fd)

    def read(self, offset: int, length: int) -> bytes:
        """At most `length` bytes; the caller has made sure that they are present."""
        with self.descriptor() as fd:
            return os.pread(fd, max(0, min(length, self.size - offset)), offset)

    def put(self, offset: int, data: bytes | memoryview) -> None:
        """Bytes that came from the cluster into the file; they are present once `arrived` was called.

        What is present already stays: it may have been written here since. For any thread.
        """
        with self._lock, self.descriptor() as fd:
            for start, stop in self.present.missing(offset, min(offset + len(data), self.size)):
                _write_all(fd, memoryview(data)[start - offset : stop - offset], start)

    def arrived(self, start: int, stop: int) -> None:
        """Bytes [start, stop) were `put`."""
        with self._lock:
            self.present.add(start, min(stop, self.size))

    def fill(self, offset: int, data: bytes) -> None:
        """Bytes that came from the cluster are here."""
        self.put(offset, data)
        self.arrived(offset, offset + len(data))

    def agrees(self, offset: int, data: bytes) -> bool:
        """Whether what is present of these bytes is what `data` has there."""
        at, stop = offset, offset + len(data)
        for low, high in [*self.present.missing(offset, stop), (stop, stop)]:
            if self.read(at, low - at) != data[at - offset : low - offset]:
                return False
            at = high
        return True

    def write(self, offset: int, data: bytes) -> None:
        """Bytes written by the user, beyond the end too: what lies between is zeros."""
        with self._lock, self.descriptor() as fd:
            _write_all(fd, memoryview(data), offset)
            if offset > self.size:
                self.present.add(self.size, offset)
            self.present.add(offset, offset + len(data))
            self.kept = min(self.kept, offset)
            self.size = max(self.size, offset + len(data))

    def truncate(self, size: int) -> None:
        """Cut, or grow by zeros."""
        with self._lock, self.descriptor() as fd:
            os.ftruncate(fd, size)
            self.kept = min(self.kept, size)
            if size < self.size:
                self.present.cut(size)
            else:
                self.present.add(self.size, size)
            self.size = size

    def resize(self, size: int) -> None:
        """The file on the cluster turns out to be of another size: what it has more is not present."""
        with self._lock:
            self.present.cut(size)
            self.size = size

    async def sync(self) -> None:
        """fsync the cache file."""
        with self.descriptor() as fd:
            await trio.to_thread.run_sync(os.fsync, fd)


def _write_all(fd: int, data: memoryview, offset: int) -> None:
    while data:
        written = os.pwrite(fd, data, offset)
        data, offset = data[written:], offset + written


JOURNAL_ROOM = 16 * 2**20
"""Bytes of the local disk without which nothing is changed: the journal and its log need a few of them."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """Content that may be dropped: its bytes here, and whom to tell."""

    size: int
    forget: Callable[[], None]


class ContentStore:
    """The directory of content files, its budget, and what of it may be dropped."""

    def __init__(self, directory: Path, budget: int, reserved: int) -> None:
        self._directory = directory
        self._budget = budget
        self._reserved = reserved
        self._clean: OrderedDict[Content, _Kept] = OrderedDict()
        self._used = 0
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    @property
    def used(self) -> int:
        """Bytes of clean content that no handle uses. Counted as they come and go: there may be 100,000 of them."""
        return self._used

    def create(self, size: int, base: Version | None) -> Content:
        """A new content of which nothing is present yet."""
        path = self._directory / uuid.uuid4().hex
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        os.close(fd)
        return Content(path, size, base)

    def adopt(self, name: str) -> Content:
        """The content that an earlier run left in the journal: all present, dirty. Raises FileNotFoundError."""
        path = self._directory / name
        content = Content(path, path.stat().st_size, None)
        content.present.add(0, content.size)
        content.dirty = True
        return content

    async def copy(self, content: Content) -> Content:
        """A copy that may change while the original is being sent."""
        twin = self.create(content.size, content.base)
        with content.held():
            await trio.to_thread.run_sync(_copy, content.path, twin.path)
        for start, stop in _ranges(content):
            twin.present.add(start, stop)
        return twin

    def keep(self, content: Content, forget: Callable[[], None]) -> None:
        """Clean content that nobody uses may stay while the budget allows; `forget` is called when it goes."""
        self.take(content)
        kept = self._clean[content] = _Kept(content.present.total(), forget)
        self._used += kept.size
        while self._used > self._budget and self._clean:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        oldest, kept = next(iter(self._clean.items()))
        self.take(oldest)
        if not oldest.dirty:
            kept.forget()
            oldest.discard()

    def take(self, content: Content) -> None:
        """Content that is in use again: it is not dropped."""
        if (kept := self._clean.pop(content, None)) is not None:
            self._used -= kept.size

    def discard(self, content: Content) -> None:
        """It is of no use any more."""
        self.take(content)
        content.discard()

    def make_room(self, size: int) -> None:
        """Drop clean content until `size` more bytes leave the local disk its reserve. Raises OSError ENOSPC."""
        self._make_free(size + self._reserved)

    def check_room(self) -> None:
        """Make sure that the journal can still be written, before anything is changed. Raises OSError ENOSPC."""
        self._make_free(min(JOURNAL_ROOM, self._reserved))

    def _make_free(self, size: int) -> None:
        while self._free() < size:
            if not self._clean:
                raise OSError(errno.ENOSPC, "the local disk that holds the content cache is full")
            self._drop_oldest()

    def _free(self) -> int:
        stats = os.statvfs(self._directory)
        return stats.f_bavail * stats.f_frsize

    def sweep(self, keep: set[str]) -> None:
        """Remove the files of an earlier run that the journal does not name."""
        for path in self._directory.iterdir():
            if path.name not in keep:
                path.unlink()


def _ranges(content: Content) -> list[tuple[int, int]]:
    at, ranges = 0, []
    for start, stop in [*content.present.missing(0, content.size), (content.size, content.size)]:
        if at < start:
            ranges.append((at, start))
        at = stop
    return ranges


def _copy(source: Path, target: Path) -> None:
    size = source.stat().st_size
    with source.open("rb") as read, target.open("r+b") as write:
        at = 0
        while at < size:
            copied = os.copy_file_range(read.fileno(), write.fileno(), size - at)
            if copied == 0:
                break
            at += copied
        write.truncate(size)
