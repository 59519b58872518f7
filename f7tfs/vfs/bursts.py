"""Notices bursts: one change after the other below one directory, as `rm -r`, `cp -r` and `tar x` make them. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from f7tfs.vfs.nodes import Directory

FEWEST = 3
"""So many changes are made before their like count as a burst."""
PAUSE_SECONDS = 2.0
"""A burst ends where so long nothing more comes; single changes wait for the cluster in between."""
WATCHED = 8
"""So many programs are told apart."""


@dataclass(eq=False, slots=True)
class _Burst:
    zone: Directory
    """All changes so far lie at or below it. It grows by one level at a time, so that one burst is one program's."""
    count: int
    last: float


class Bursts:
    """One of these for each kind of change that is to be gathered. `pause`: seconds, see PAUSE_SECONDS."""

    def __init__(self, pause: float = PAUSE_SECONDS) -> None:
        self._pause = pause
        self._bursts: list[_Burst] = []

    def note(self, directory: Directory, now: float) -> bool:
        """A change is about to be made in `directory`; whether it belongs to a burst. `now`: monotonic."""
        self._bursts = [burst for burst in self._bursts if now - burst.last <= self._pause][-WATCHED:]
        burst = next((burst for burst in reversed(self._bursts) if _joins(burst, directory)), None)
        if burst is None:
            self._bursts.append(burst := _Burst(directory, 0, now))
        burst.count, burst.last = burst.count + 1, now
        return burst.count > FEWEST


def _joins(burst: _Burst, directory: Directory) -> bool:
    """Whether a change in `directory` goes on with a burst, whose zone grows by it where it lies beside or above."""
    zone = burst.zone
    if directory.is_below(zone):
        return True
    if zone.parent is not None and zone.parent in (directory, directory.parent):
        burst.zone = zone.parent
        return True
    return False
