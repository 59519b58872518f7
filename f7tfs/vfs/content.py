"""The content cache: one sparse local file for each remote file whose bytes are (partly) here.

A content belongs to one version of a remote file, or is new and waits to be sent. Bulk data goes through these files
and never through Python objects that hold a whole file.
"""

from __future__ import annotations

import contextlib
import errno
import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import trio

from f7tfs.vfs.digest import STEP, RunningDigest, values
from f7tfs.vfs.extents import Extents
from f7tfs.vfs.nodes import Sent, Version


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
        self._revision = 0
        """Grows with each change of the bytes."""
        self._known: tuple[int, Sent] | None = None
        self._digest: RunningDigest | None = None
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
            self._changed(start)

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
            self._changed(offset)
            if self.size >= STEP:
                self._digest = self._digest or RunningDigest(self.path)
                self._digest.follow(self.size)

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
            self._changed(size)

    def resize(self, size: int) -> None:
        """The file on the cluster turns out to be of another size: what it has more is not present."""
        with self._lock:
            self.present.cut(size)
            self.size = size
            self._changed(size)

    def _changed(self, start: int) -> None:
        """Bytes from `start` on are others than before."""
        self._revision += 1
        if self._digest is not None:
            self._digest.changed(start)
        if not self.size:
            self._digest = None

    async def known_by(self) -> Sent:
        """Its size and SHA-256. Who sends it again, after a failure, does not read all of it for that again.

        It is complete, and does not change meanwhile.
        """
        if self._known is None or not self.is_known:
            revision, size = self._revision, self.size
            self._known = revision, Sent(size, await self._hexdigest(size))
        return self._known[1]

    @property
    def is_known(self) -> bool:
        """Whether `known_by` has nothing to read."""
        return self._known is not None and self._known[0] == self._revision

    def digest_to_take(self) -> tuple[int, int, RunningDigest]:
        """What of it, how much, and by what: for who takes many at once, and then says what it `took`."""
        self._digest = self._digest or RunningDigest(self.path)
        return self._revision, self.size, self._digest

    def took(self, revision: int, sent: Sent) -> None:
        """What it was known by then."""
        self._known = revision, sent

    async def _hexdigest(self, size: int) -> str:
        if self._digest is not None and (found := await self._digest.value(size)) is not None:
            return found
        digest = self._digest = RunningDigest(self.path)
        found = await digest.value(size)
        if found is None:
            raise OSError(errno.EIO, f"{self.path} changed, or was cut, while its checksum was taken")
        return found

    async def harden(self) -> None:
        """Make its bytes survive a power cut, and its name in the content cache. Raises OSError."""
        with self.held():
            for path in (self.path, self.path.parent):
                await trio.to_thread.run_sync(_fsync, path)


def _fsync(path: Path) -> None:
    # A descriptor of its own: that of a handle may be closed meanwhile.
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


async def take_digests(contents: Sequence[Content]) -> None:
    """Find out what each of them is known by, all in one thread."""
    asked = [(content, *content.digest_to_take()) for content in contents if not content.is_known]
    found = await values([(digest, size) for _, _, size, digest in asked])
    for (content, revision, size, _), digest in zip(asked, found, strict=True):
        if digest is not None:
            content.took(revision, Sent(size, digest))


def _write_all(fd: int, data: memoryview, offset: int) -> None:
    while data:
        written = os.pwrite(fd, data, offset)
        data, offset = data[written:], offset + written
