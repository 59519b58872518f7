"""Exact bytes from calls that give text.

v2 (`view`): bytes that are no UTF-8 come as U+FFFD, so a text is exact up to the first of these. v1 (`head`, `tail`)
refuses what is no UTF-8 as a whole. Both lose the bytes of a character that the edge of a window cuts.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator
from itertools import islice

from f7tfs.cluster.errors import CutCharacter, NotText, Unsupported

LARGEST_V2 = 2**21 + 2**18
"""v2 reads twice as much as it gives, and its limit is 5 MiB of text."""
LARGEST_V1 = 2**22
"""v1 gives as much from the beginning, or up to the end: it may have grown, up to 5 MiB, since its size was seen."""
_SMALLEST = 2**12
_LONGEST_CHARACTER = 4
_MOST_BLOCKS = 20_000
"""So far a view is looked for that begins at a certain byte."""
_NEAR = 12
"""Of so many bytes one after the other, some are characters' first, and views begin at most of them."""
_MOST_TRIES = 6
_RETRIED = 2**18
"""Where a character was cut, so much is read from a character's first byte: for more there are few views."""
_LOST = "\ufffd"
_DECODING = re.compile(r"codec can't decode bytes?(?: 0x[0-9a-f]+)? in position (\d+)(?:-\d+)?: (.+)")


class NotDecoded(Exception):
    """v1 could not decode what it was asked for: `position` in it, and Python's reason."""

    def __init__(self, position: int, reason: str) -> None:
        super().__init__(reason)
        self.position = position
        self.reason = reason


def not_decoded(message: str) -> NotDecoded | None:
    """What v1 says of that; None where it says something else."""
    found = _DECODING.search(message)
    return found and NotDecoded(int(found[1]), found[2])


def near_view(start: int, stop: int) -> tuple[int, int, int]:
    """(size, offset, stop) of a view of v2 from `start`, or somewhat before, to `stop`, or as far as one view goes.

    v2 reads two blocks of `size` bytes from a multiple of it, decodes them and gives `size` characters of that. With
    the offset at such a multiple nothing but the first character can be cut at the beginning.
    """
    farthest = start // LARGEST_V2
    reach = max(_reach(start, blocks) for blocks in (farthest, farthest + 1))
    stop = min(stop, reach)
    for blocks in range(start // max(stop - start, _SMALLEST), farthest - 1, -1):
        size = _size(start, blocks) if blocks else max(stop, _SMALLEST)
        if (blocks + 1) * size >= stop:
            return min(size, LARGEST_V2), blocks * size, stop
    blocks = farthest if _reach(start, farthest) >= stop else farthest + 1
    return _size(start, blocks), blocks * _size(start, blocks), stop


def _size(start: int, blocks: int) -> int:
    """The largest block of which so many end at or before `start`."""
    return min(start // blocks, LARGEST_V2) if blocks else LARGEST_V2


def _reach(start: int, blocks: int) -> int:
    return (blocks + 1) * _size(start, blocks)


def exact_views(start: int, stop: int) -> Iterator[tuple[int, int]]:
    """(size, offset) of views that hold [start, stop) and begin just there, or a few bytes before."""
    for offset in range(start, max(start - _NEAR, 0), -1):
        need = max(stop - offset, _SMALLEST, offset // _MOST_BLOCKS)
        for blocks in range(offset // need, offset // min(16 * need, LARGEST_V2), -1):
            if offset % blocks == 0:
                yield offset // blocks, offset
                break


async def read_views(view: Callable[[int, int], Awaitable[str]], start: int, stop: int) -> bytes:
    """Bytes [start, stop) by `view(size, offset)`; see `Cluster.read_window`."""
    size, offset, stop = near_view(start, stop)
    text = await view(size, offset)
    if not _is_cut(text):
        return exact(text, offset, start, stop)
    stop = min(stop, start + _RETRIED)
    for size, offset in islice(exact_views(start, stop), _MOST_TRIES):
        text = await view(size, offset)
        if not _is_cut(text):
            return exact(text, offset, start, stop)
    raise NotText("it begins within a character, or is no text")


def _is_cut(text: str) -> bool:
    return text.startswith(_LOST) and text.count(_LOST) <= 2 * _LONGEST_CHARACTER


def exact(text: str, offset: int, start: int, stop: int) -> bytes:
    """Bytes [start, stop) from a text that begins at the byte `offset`, as far as none was lost.

    Raises NotText where that is nothing.
    """
    lost = text.find(_LOST)
    # What has no such character was decoded from just these bytes.
    data = (text if lost < 0 else text[:lost]).encode()[start - offset : stop - offset]
    if lost >= 0 and not data:
        raise NotText("it is not all text")
    return data


async def read_ends(
    head: Callable[[int], Awaitable[str]], tail: Callable[[int], Awaitable[str]], start: int, stop: int, size: int
) -> bytes:
    """Bytes [start, stop) of a file of `size` bytes by v1's `head(bytes)` or `tail(offset)`."""
    if size - start <= LARGEST_V1:
        return await _read_end(tail, start, stop)
    if start < LARGEST_V1:
        return await _read_beginning(head, start, min(stop, LARGEST_V1))
    raise Unsupported("v1 gives no part of a file that is far from both of its ends")


async def _read_end(tail: Callable[[int], Awaitable[str]], start: int, stop: int) -> bytes:
    for offset in range(start, max(-1, start - _LONGEST_CHARACTER), -1):
        try:
            text = await tail(offset)
        except NotDecoded as error:
            if error.position == 0 and error.reason.startswith("invalid start byte"):
                continue
            if error.reason.startswith("unexpected end of data"):
                # What comes before that cannot be had alone.
                raise CutCharacter("it ends within a character") from None
            break
        return text.encode()[start - offset : stop - offset]
    raise NotText("it is not all text")


async def _read_beginning(head: Callable[[int], Awaitable[str]], start: int, stop: int) -> bytes:
    for count in range(stop, stop + _LONGEST_CHARACTER):
        try:
            text = await head(count)
        except NotDecoded as error:
            if error.reason.startswith("unexpected end of data"):
                continue
            break
        return text.encode()[start:stop]
    raise NotText("it is not all text")
