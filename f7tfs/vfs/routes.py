"""The planner: by which route something is read, written or renamed. Pure; its table is tested."""

from __future__ import annotations

import enum

from f7tfs.cluster.model import Features, Kind, Limits


class ReadRoute(enum.Enum):
    """How the content of a file comes here."""

    NOTHING = "nothing to fetch"
    DIRECT = "one direct download"
    STAGED = "ranges of a staged object"


class WriteRoute(enum.Enum):
    """How the content of a file goes there."""

    DIRECT = "one direct upload"
    ARCHIVE = "a small archive, extracted there"
    PIECES = "direct uploads of pieces, and one job that joins them"
    STAGED = "a staged upload"
    COMPRESSED = "a direct upload of an archive, extracted aside and put in its place"
    APPEND = "direct uploads of what was appended, and one job that adds it"

    @property
    def quick(self) -> bool:
        """Whether it takes a few calls, and no job or task."""
        return self in {WriteRoute.DIRECT, WriteRoute.ARCHIVE}


class RenameRoute(enum.Enum):
    """How something on the cluster gets its new name."""

    CALL = "one rename call"
    REWRITE = "written under the new name, then removed under the old"
    JOB = "a job that moves it"


def plan_read(size: int, limits: Limits) -> ReadRoute:
    """`size`: bytes, as last seen."""
    if size == 0:
        return ReadRoute.NOTHING
    return ReadRoute.DIRECT if size <= limits.direct_read else ReadRoute.STAGED


MOST_PIECES = 41
"""200 MiB, since one carries a little less than 5 MiB.

n pieces are about n + 13 calls and one job, and nothing that looks again. A staged upload on v2 is about 30 calls and
two jobs, and another 60 s where the object comes after the ingest job has looked. At 200 MB it takes more than
twice as long, and up to 80 MB more calls (measured by scripts/bench_middle.py). Above the bound its calls stay as
few, and a minute of waiting is less beside the way of the bytes.
"""


MOST_EXTRACTED = 64 * 2**20
SLOWEST_EXTRACTION = MOST_EXTRACTED / 5
"""Bytes in a second. The server stops a command after its time, mostly 5 s: within that 64 MiB have to be written.

`tar -xz` writes more than 50 MB/s even where a parallel file system is busy: that leaves four times as much. What is
larger would seldom be small enough when it is compressed.
"""


def may_go_compressed(size: int, limits: Limits, features: Features) -> bool:
    """Whether it pays to find out how small a content of `size` bytes becomes."""
    most = min(MOST_EXTRACTED, SLOWEST_EXTRACTION * limits.command_seconds)
    return features.compressed and limits.direct_write < size <= most


def plan_write(size: int, limits: Limits, features: Features, kept: int = 0, packed: int | None = None) -> WriteRoute:
    """`size`: bytes of the new content; `kept`: so many at its beginning are what the cluster has there.

    `packed`: bytes of an archive of it; None: there is none.
    """
    if size == 0 and not features.empty_write:
        return WriteRoute.ARCHIVE
    if size <= limits.direct_write:
        return WriteRoute.DIRECT
    if 0 < kept < size <= kept + MOST_PIECES * limits.direct_write:
        return WriteRoute.APPEND
    if packed is not None and packed <= limits.direct_write and may_go_compressed(size, limits, features):
        return WriteRoute.COMPRESSED
    if features.pieces and size <= MOST_PIECES * limits.direct_write:
        return WriteRoute.PIECES
    return WriteRoute.STAGED


def plan_rename(kind: Kind, size: int, limits: Limits, features: Features) -> RenameRoute:
    """For something that is on the cluster; what is only in the journal is renamed there."""
    if features.cheap_rename:
        return RenameRoute.CALL
    rewritable = kind is Kind.FILE and size <= min(limits.direct_read, limits.direct_write)
    return RenameRoute.REWRITE if rewritable else RenameRoute.JOB
