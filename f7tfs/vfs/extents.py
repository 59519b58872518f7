"""A set of byte ranges: which parts of a file are in the local cache."""

from __future__ import annotations

from bisect import bisect_left, bisect_right


class Extents:
    """Disjoint half-open ranges [start, stop), kept sorted and merged."""

    __slots__ = ("_starts", "_stops")

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._stops: list[int] = []

    def add(self, start: int, stop: int) -> None:
        """Add a range, merging it with those it touches."""
        if start >= stop:
            return
        low = bisect_left(self._stops, start)
        high = bisect_right(self._starts, stop)
        if low < high:
            start = min(start, self._starts[low])
            stop = max(stop, self._stops[high - 1])
        self._starts[low:high] = [start]
        self._stops[low:high] = [stop]

    def cut(self, size: int) -> None:
        """Forget everything at and beyond `size`."""
        keep = bisect_left(self._starts, size)
        del self._starts[keep:], self._stops[keep:]
        if self._stops and self._stops[-1] > size:
            self._stops[-1] = size

    def missing(self, start: int, stop: int) -> list[tuple[int, int]]:
        """The parts of [start, stop) that are not in the set."""
        gaps: list[tuple[int, int]] = []
        at = start
        for index in range(bisect_right(self._stops, start), len(self._starts)):
            if self._starts[index] >= stop:
                break
            if self._starts[index] > at:
                gaps.append((at, self._starts[index]))
            at = max(at, self._stops[index])
        if at < stop:
            gaps.append((at, stop))
        return gaps

    def covers(self, start: int, stop: int) -> bool:
        """Whether all of [start, stop) is in the set."""
        return start >= stop or not self.missing(start, stop)

    def total(self) -> int:
        """Bytes in the set."""
        return sum(self._stops) - sum(self._starts)
