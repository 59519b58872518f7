"""How far ahead of a reader to fetch. Pure."""

from __future__ import annotations

BLOCK = 64 * 2**10
"""What is fetched begins and ends at multiples of this."""
RUN, LONGEST = 16 * 2**20, 64 * 2**20
"""One request fetches at most so much: the shorter where little is asked for, so that several fetch it.

A request costs its round trip and the server's look at it, whatever it carries, so few long ones are faster.
"""
SHARES = 4
"""Orders overlap: there is a new one when half of the last has been read. So twice as many requests are under way."""
FIRST = 256 * 2**10
"""Who has read less than this in order is not ahead of anything."""
SURE, FACTOR = 8 * 2**20, 4
"""Who has read so much in order, and never jumped, goes through the file: so many times as much ahead for them.

Some who want a header only read a lot of it: `file` 7 MiB, and the netCDF library 4 MiB.
"""
SLACK = 5 * 2**19
"""More than the kernel reads ahead by itself: of 512 KiB that are wanted it makes 1.5 to 2 MiB, if root mounted."""
MOST = 512 * 2**20
NEAR = 2 * 2**20
"""Requests of one sequential reader come in any order within so many bytes: the kernel sends several at once."""


class Sequence:
    """Watches the reads of one open file."""

    __slots__ = ("_asked", "_jumped", "_next", "_read", "_usual")

    def __init__(self) -> None:
        self._next = self._asked = self._read = self._usual = 0
        self._jumped = False

    def ahead(self, start: int, stop: int) -> int:
        """How many bytes beyond `stop` to ask for now: by how much was read in order, up to a bound.

        So a header is fetched alone, and one who jumps about costs at most twice what he reads.
        """
        if not self._next - NEAR <= start <= self._next + NEAR:
            self._jumped = True
            self._usual = max(self._read, self._usual // 2)
            self._next, self._asked, self._read = start, 0, 0
        self._next = max(self._next, stop)
        self._read += stop - start
        ahead = self._expected()
        if self._read < FIRST or self._asked - stop > ahead // 2:
            return 0
        self._asked = stop + ahead
        return ahead

    def _expected(self) -> int:
        """What is likely to be read next: where parts of one size are read, the rest of this part."""
        if not self._jumped:
            return min(self._read * (FACTOR if self._read >= SURE else 1), MOST)
        if self._read < self._usual + SLACK:
            return max(min(self._read, self._usual - self._read), 0)
        return min(self._read, MOST)


def runs(missing: list[tuple[int, int]], taken: set[int], size: int) -> list[tuple[int, int]]:
    """What to ask for: the blocks that hold the `missing` ranges and are not `taken`, joined up to RUN bytes each.

    Of much, up to a share of it, so that several requests carry it.
    """
    wanted: list[int] = []
    for start, stop in missing:
        wanted += [block for block in range(start // BLOCK, -(-stop // BLOCK)) if block not in taken]
    longest = min(max(RUN, len(wanted) * BLOCK // SHARES), LONGEST)
    found: list[tuple[int, int]] = []
    for block in dict.fromkeys(wanted):
        start, stop = block * BLOCK, min((block + 1) * BLOCK, size)
        if found and found[-1][1] == start and stop - found[-1][0] <= longest:
            found[-1] = (found[-1][0], stop)
        else:
            found.append((start, stop))
    return found
