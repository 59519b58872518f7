"""Exact bytes from calls that give text. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from f7tfs.cluster.errors import Unsupported

LARGEST = 2 * 2**20
"""v2 reads twice as much at once, and its limit is 5 MiB of text."""
_SMALLEST = 4096
_LOST = "�"


def blocks_v2(start: int, stop: int) -> Iterator[tuple[int, int]]:
    """(offset, size) of views of v2 that hold [start, stop), the smallest first.

    v2 reads two blocks of that size from a multiple of it and cuts the decoded text, counting characters. With the
    offset at such a multiple nothing is cut at the beginning.
    """
    size = _SMALLEST
    while size <= LARGEST:
        offset = start // size * size
        if offset + size >= stop:
            yield offset, size
        size *= 2


def exact(text: str, offset: int, start: int, stop: int) -> bytes:
    """Bytes [start, stop) from a text that begins at the byte `offset`. Raises Unsupported where a byte was lost."""
    data = text.encode("utf-8", "surrogatepass")
    lost = text.find(_LOST)
    if lost >= 0 and len(text[:lost].encode("utf-8", "surrogatepass")) + offset < stop:
        raise Unsupported("it is not all text")
    return data[start - offset : stop - offset]
