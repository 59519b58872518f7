"""Local files that are sent or written. Their errors are ordinary OSErrors."""

from __future__ import annotations

import os
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TypeAlias

import trio

from f7tfs.firecrest.errors import StorageDownloadException
from f7tfs.firecrest.multipart import BLOCK
from f7tfs.firecrest.s3 import ObjectStorage

LocalPath: TypeAlias = str | os.PathLike[str]


async def size_of(source: LocalPath) -> int:
    """The size of a local file, in bytes."""
    return (await trio.Path(source).stat()).st_size


def name_of(source: LocalPath | BinaryIO) -> str:
    """The last part of a file's name; empty for an open one that has none."""
    named = source if isinstance(source, str | os.PathLike) else getattr(source, "name", "")
    return Path(named).name if isinstance(named, str | os.PathLike) else ""


class Source:
    """A local file that is sent, of `size` bytes; an open one is copied to a temporary file when it is needed."""

    def __init__(self, given: LocalPath | BinaryIO, size: int) -> None:
        self._given = given
        self.size = size

    async def path(self) -> Path:
        """Where it lies. Raises OSError when an open file has fewer bytes than were told."""
        if isinstance(self._given, str | os.PathLike):
            return Path(self._given)
        self._given = await trio.to_thread.run_sync(_spooled, self._given, self.size)
        weakref.finalize(self, self._given.unlink, missing_ok=True)
        return self._given


async def source_of(given: LocalPath | BinaryIO, size: int | None) -> Source:
    """A path as it is, or the next `size` bytes of an open file. Raises OSError, ValueError."""
    if isinstance(given, str | os.PathLike):
        return Source(given, await size_of(given))
    if size is None:
        raise ValueError("file_size is needed for an open file")
    return Source(given, size)


def _spooled(file: BinaryIO, size: int) -> Path:
    with tempfile.NamedTemporaryFile(prefix="f7tfs-", delete=False) as copy:
        path = Path(copy.name)
        try:
            left = size
            while left and (block := file.read(min(left, BLOCK))):
                copy.write(block)
                left -= len(block)
        except BaseException:
            path.unlink()
            raise
    if left:
        path.unlink()
        raise OSError(f"the open file ended {left} bytes early")
    return path


async def content_of(source: LocalPath | BinaryIO) -> bytes | Path:
    """What is to be sent: a path as it is, an open file's content. Raises OSError where there is no such file."""
    if isinstance(source, str | os.PathLike):
        await size_of(source)
        return Path(source)
    return await trio.to_thread.run_sync(source.read)


async def write_small(target: LocalPath | BinaryIO, content: bytes) -> None:
    """Write all of `content` into a new file or an open one."""
    if isinstance(target, str | os.PathLike):
        await trio.Path(target).write_bytes(content)
    else:
        await trio.to_thread.run_sync(target.write, content)


async def fetch_object(storage: ObjectStorage, url: str, target: LocalPath | BinaryIO) -> int:
    """Write an object to a local file as it arrives; its size. Raises FirecrestException."""
    size = await storage.size(url)
    if size is None:
        raise StorageDownloadException(message="there is no such object in object storage")
    with _opened(target) as file:
        base = file.tell() if file.seekable() else None

        def sink(position: int, block: memoryview) -> None:
            if base is not None:
                file.seek(base + position)
            file.write(block)

        await storage.fetch(url, 0, size, sink)
    return size


@contextmanager
def _opened(target: LocalPath | BinaryIO) -> Iterator[BinaryIO]:
    if isinstance(target, str | os.PathLike):
        with Path(target).open("wb") as file:
            yield file
    else:
        yield target
