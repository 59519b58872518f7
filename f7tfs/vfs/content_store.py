"""The directory of the content cache: its budget, what of it may be dropped, and the room on the local disk."""

from __future__ import annotations

import errno
import os
import uuid
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import trio

from f7tfs.vfs.content import Content
from f7tfs.vfs.nodes import Version

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
