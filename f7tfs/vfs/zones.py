"""The cluster's time zone: listings give local time without saying which.

A zone is kept as a name and not as an offset, since one offset is wrong on the other side of a clock change.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

Zone = dt.tzinfo

# Tried before all others where nothing else is known: many zones share an offset, and sites are there.
LIKELY = ("UTC", "Europe/Zurich", "Europe/Helsinki", "Europe/London", "Europe/Lisbon")
# Offsets of real zones are multiples of this.
QUARTER = 900


def epoch(modified: str, zone: Zone) -> int:
    """Epoch seconds of a listing's raw time; 0 where it cannot be read."""
    try:
        local = dt.datetime.fromisoformat(modified)
        return int(local.replace(tzinfo=local.tzinfo or zone).timestamp())
    except (ValueError, OverflowError):
        return 0


def named_zone(name: str) -> Zone | None:
    """The zone of an IANA name, or of the `UTC+HH:MM` form that `zone_name` writes; None if it is neither."""
    if name.startswith(("UTC+", "UTC-")):
        hours, _, minutes = name[4:].partition(":")
        if hours.isdigit() and minutes.isdigit():
            offset = dt.timedelta(hours=int(hours), minutes=int(minutes))
            return dt.timezone(offset if name[3] == "+" else -offset)
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def zone_name(zone: Zone) -> str:
    """What `named_zone` makes the same zone of."""
    return str(zone)


def local_zone_name() -> str | None:
    """The IANA name of this machine's zone, where it can be told."""
    if name := os.environ.get("TZ", "").lstrip(":"):
        return name
    try:
        target = Path("/etc/localtime").resolve().as_posix()
    except OSError:
        return None
    _, marker, name = target.partition("/zoneinfo/")
    return name if marker else None


def infer_zone(samples: Sequence[tuple[str, int]], preferred: Iterable[str] = LIKELY) -> Zone | None:
    """The zone in which every sample's raw time is its epoch time; None without samples.

    Where no named zone fits (a file changed between the two looks) the offset of the first sample is used,
    rounded to a quarter of an hour.
    """
    if not samples:
        return None
    for name in _candidates(preferred):
        zone = named_zone(name)
        if zone is not None and all(epoch(modified, zone) == seconds for modified, seconds in samples):
            return zone
    modified, seconds = samples[0]
    offset = round((epoch(modified, dt.UTC) - seconds) / QUARTER) * QUARTER
    return dt.timezone(dt.timedelta(seconds=offset))


def _candidates(preferred: Iterable[str]) -> Iterator[str]:
    yield from preferred
    yield from sorted(available_timezones())
