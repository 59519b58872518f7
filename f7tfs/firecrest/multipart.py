"""Multipart bodies, built by hand: HTTP libraries escape file names in a way that the servers keep literally."""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import quote

import trio

Body = Callable[[], AsyncGenerator[bytes, None]]
"""Gives the bytes of a body, anew for each attempt: it need not be in memory as a whole."""

BLOCK = 2**20


@dataclass(frozen=True, slots=True)
class Slice:
    """Bytes [start, stop) of a local file, which are read in blocks as they are sent."""

    source: Path
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    def shortened(self) -> OSError:
        return OSError(f"{self.source} has become shorter while it was uploaded")


async def whole(source: Path) -> Slice:
    """All of a local file, as it is now."""
    return Slice(source, 0, (await trio.Path(source).stat()).st_size)


async def _blocks_of(content: Slice) -> AsyncGenerator[bytes, None]:
    """Raises OSError when the file has become shorter."""
    start, stop = content.start, content.stop
    descriptor = os.open(content.source, os.O_RDONLY | os.O_CLOEXEC)
    try:
        while start < stop:
            block = await trio.to_thread.run_sync(os.pread, descriptor, min(BLOCK, stop - start), start)
            if not block:
                raise content.shortened()
            yield block
            start += len(block)
    finally:
        os.close(descriptor)


@dataclass(frozen=True, slots=True)
class Form:
    """What comes before the file's bytes and after them, so that the bytes can be streamed."""

    head: bytes
    tail: bytes
    content_type: str

    async def around(self, content: bytes | Path | Slice) -> tuple[bytes | Body, dict[str, str]]:
        """The whole body, and its headers. A local file is read in blocks as they are sent."""
        if isinstance(content, bytes):
            return b"".join((self.head, content, self.tail)), self.headers(len(content))
        if isinstance(content, Path):
            content = await whole(content)
        return partial(self._blocks, content), self.headers(len(content))

    async def _blocks(self, content: Slice) -> AsyncGenerator[bytes, None]:
        yield self.head
        async with aclosing(_blocks_of(content)) as blocks:
            async for block in blocks:
                yield block
        yield self.tail

    def headers(self, size: int) -> dict[str, str]:
        """The headers of a request whose file has `size` bytes."""
        length = len(self.head) + size + len(self.tail)
        return {"Content-Type": self.content_type, "Content-Length": str(length)}


def raw_filename(name: str) -> str:
    """`filename` in UTF-8 with backslash escapes: what FirecREST v2 and object stores read exactly."""
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'filename="{escaped}"'


def extended_filename(name: str) -> str:
    """`filename`, and for other than ASCII also `filename*` of RFC 5987: what FirecREST v1 reads exactly."""
    raw = raw_filename(name)
    return raw if name.isascii() else f"{raw}; filename*=utf-8''{quote(name, safe='')}"


def form(fields: Mapping[str, str], filename: str, field: str = "file", boundary: str | None = None) -> Form:
    """A form of `fields` and then one file; `filename` is the header parameter of one of the functions above."""
    boundary = boundary or secrets.token_hex(16)
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    parts.append(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{field}"; {filename}\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    return Form(
        "".join(parts).encode(), f"\r\n--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"
    )
