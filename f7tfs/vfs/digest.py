"""The SHA-256 of a file, taken while it is being written."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Sequence
from pathlib import Path

import trio

STEP = 32 * 2**20
"""So much has to be new before it is taken: what is smaller is taken all at once, when it is asked for."""
PIECE = 2**20


class RunningDigest:
    """Follows one who writes in order, in a worker thread, a little behind.

    So what is large need not be read again, perhaps from the disk, before it can be sent; and of what was appended
    to, only what is new. Where bytes change that were taken already, it is of no use any more.

    All methods are for trio's thread.
    """

    def __init__(self, path: Path, step: int = STEP) -> None:
        self._path = path
        self._step = step
        self._hash = hashlib.sha256()
        self._taken = 0
        """So many bytes are in the hash. For who has the lock."""
        self._claimed = 0
        """So many are, or are being taken: they must not change."""
        self._broken = self._busy = False
        self._lock = threading.Lock()

    @property
    def taken(self) -> int:
        """So many bytes need not be read any more."""
        return self._taken

    def changed(self, start: int) -> None:
        """Bytes from `start` on are others, or are gone."""
        if start < self._claimed:
            self._broken = True

    def follow(self, size: int) -> None:
        """The file has `size` bytes now, written in order so far as it is known. Returns at once."""
        if not self._broken and not self._busy and size - self._claimed >= self._step:
            self._busy, self._claimed = True, size
            trio.lowlevel.start_thread_soon(lambda: self._follow(size), _nobody_asks, "digest of what is written")

    async def value(self, size: int) -> str | None:
        """In hex, of all `size` bytes of the file; None: they have changed since they were taken. Raises OSError."""
        (found,) = await values([(self, size)])
        return found

    def claim(self, size: int) -> None:
        """So many bytes are being taken."""
        self._claimed = size

    # -- in worker threads -----------------------------------------------------------------------

    def _follow(self, stop: int) -> None:
        try:
            with self._lock:
                self._take(stop)
        except OSError:
            # It was removed, most probably; if not, whoever asks for it is told.
            self._broken = True
        finally:
            self._busy = False

    def take(self, size: int) -> str | None:
        """What `value` returns."""
        with self._lock:
            self._take(size)
            return None if self._broken or self._taken != size else self._hash.hexdigest()

    def _take(self, stop: int) -> None:
        buffer = memoryview(bytearray(max(0, min(PIECE, stop - self._taken))))
        with self._path.open("rb", buffering=0) as file:
            while self._taken < stop and not self._broken:
                count = os.preadv(file.fileno(), [buffer[: stop - self._taken]], self._taken)
                if not count:
                    return
                self._hash.update(buffer[:count])
                self._taken += count


async def values(asked: Sequence[tuple[RunningDigest, int]]) -> list[str | None]:
    """What `value` says of each with its size, by one thread for all: most files are small."""
    for digest, size in asked:
        digest.claim(size)
    return await trio.to_thread.run_sync(lambda: [digest.take(size) for digest, size in asked]) if asked else []


def _nobody_asks(_result: object) -> None:
    """What became of it stands in the digest."""
