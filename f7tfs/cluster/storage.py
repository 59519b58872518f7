"""What both versions share about object storage."""

from __future__ import annotations

import hashlib
import logging
import posixpath
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import trio

from f7tfs.cluster.errors import (
    IsADirectory,
    NotADirectory,
    NotFound,
    Refused,
    RemoteFailure,
    TimedOut,
    TooLarge,
    Unavailable,
    Uncertain,
    Unsupported,
)
from f7tfs.cluster.lookup import StatCall, kind_of
from f7tfs.cluster.model import Kind, StagedObject, Stat
from f7tfs.cluster.port import Progress
from f7tfs.cluster.translate import one_line
from f7tfs.firecrest import errors as firecrest
from f7tfs.firecrest.s3 import ObjectStorage

logger = logging.getLogger(__name__)

EARLY = 60.0
"""A presigned URL is used no more so many seconds before its end."""

_EXPIRED = frozenset({403, 404, 410})
"""An expired signature is a 403."""


@contextmanager
def translated_storage() -> Iterator[None]:
    """Errors of object storage leave this block as ClusterError."""
    try:
        yield
    except firecrest.RequestTimedOut as error:
        raise TimedOut(one_line(error.message)) from error
    except firecrest.ConnectionFailed as error:
        raise Unavailable(one_line(error.message)) from error
    except firecrest.FirecrestException as error:
        raise _refused(error) from error


def _refused(error: firecrest.FirecrestException) -> Exception:
    text = f"object storage answered {error.status}: {one_line(error.message)}"
    if isinstance(error, firecrest.StorageDownloadException) and error.status in _EXPIRED:
        return NotFound(text)
    if error.status == 413 or "EntityTooLarge" in error.message:
        return TooLarge(text)
    if error.status is not None and error.status >= 500:
        return Unavailable(text)
    return RemoteFailure(text)


async def fetch(
    storage: ObjectStorage, staged: StagedObject, start: int, stop: int, sink: Callable[[int, memoryview], object]
) -> None:
    """Bytes [start, stop) of a staged object. Raises NotFound when it has expired."""
    if time.time() >= staged.expires:
        raise NotFound(f"{staged.path}: its staged copy has expired")
    with translated_storage():
        await storage.fetch(staged.url, start, min(stop, staged.size), sink)


async def size_of_copy(storage: ObjectStorage, url: str) -> int | None:
    """The size of what is being staged, None while it is not there. A refusal says nothing about the file itself."""
    try:
        with translated_storage():
            return await storage.size(url)
    except NotFound as error:
        raise Unavailable(f"the staged copy cannot be read: {error}") from error


def check_source(path: str, found: Stat) -> None:
    """Refuse what neither version stages right."""
    if found.kind is Kind.DIRECTORY:
        raise IsADirectory(path)
    if found.kind is not Kind.FILE or found.size == 0:
        raise Unsupported(f"{path}: only a regular file that is not empty can be staged")


async def check_target(stat: StatCall, path: str) -> None:
    """Refuse before a long upload what would be refused after it. One call, or two where `path` is new."""
    found = await kind_of(stat, path)
    if found is Kind.DIRECTORY:
        raise IsADirectory(path)
    if found is None:
        await check_parent(stat, path)


async def check_parent(stat: StatCall, path: str) -> None:
    """Refuse a place that nothing can be at. One call."""
    if (await stat(posixpath.dirname(path))).kind not in {Kind.DIRECTORY, Kind.SYMLINK}:
        raise NotADirectory(path)


def digest_of(source: Path) -> str:
    """SHA-256 in hex of a local file. Blocking."""
    with source.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class ContentCheck:
    """Compares what has arrived with what was sent. `checksum`: by a call; `by_job`: however long it takes.

    Both give the SHA-256 in hex of a path; `by_job` is told its size too.
    """

    def __init__(
        self, checksum: Callable[[str], Awaitable[str]], by_job: Callable[[str, int], Awaitable[str]]
    ) -> None:
        self._checksum = checksum
        self._by_job = by_job

    async def __call__(self, path: str, there: str, source: Path) -> None:
        """Compare the content `there` with the local file that was sent to `path`. Raises RemoteFailure."""
        wanted = await trio.to_thread.run_sync(digest_of, source)
        found = await self._found(path, there, (await trio.Path(source).stat()).st_size)
        if found not in {None, wanted}:
            raise RemoteFailure(f"{path}: what arrived has another checksum")

    async def _found(self, path: str, there: str, size: int) -> str | None:
        try:
            return await self._checksum(there)
        except TimedOut:
            logger.info("%s is too large for a checksum in the time of one call: a job makes it", path)
        try:
            return await self._by_job(there, size)
        except (Refused, Uncertain) as error:
            logger.warning("%s has the right size; its checksum could not be compared: %s", path, error)
            return None


class Meter:
    """Adds up what moves in one phase and tells the sum."""

    def __init__(self, progress: Progress, phase: str) -> None:
        self._progress = progress
        self._phase = phase
        self._done = 0

    def moved(self, count: int) -> None:
        """So many more bytes; fewer than none where an attempt failed."""
        self._done += count
        self._progress(self._phase, self._done)


def no_progress(_phase: str, _done: int) -> None:
    """For callers that do not want to know."""
