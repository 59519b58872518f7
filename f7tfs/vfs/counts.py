"""How often each cache had what was asked for."""

from __future__ import annotations

import enum
from collections import Counter


class Cache(enum.StrEnum):
    """What a miss costs is a call, or a part of one."""

    METADATA = "metadata"
    """Attributes and listings; a hit is what was known and is still believed."""
    NEGATIVE = "negative"
    """Names that are not there."""
    CONTENT = "content"
    """Reads of files."""
    WALKS = "walks"
    """Directories: a hit came with a subtree, a miss was listed by itself."""
    BULK = "bulk"
    """Small files: a hit came in an archive, a miss was fetched by itself."""


class CacheCounts:
    """Since the mount was made. What the kernel answers from its own caches is not seen here."""

    def __init__(self) -> None:
        self._hits: Counter[Cache] = Counter()
        self._misses: Counter[Cache] = Counter()

    def count(self, cache: Cache, *, hit: bool, number: int = 1) -> None:
        """Something was asked for."""
        (self._hits if hit else self._misses)[cache] += number

    def report(self) -> dict[str, dict[str, int]]:
        """By the name of the cache; JSON-able."""
        return {cache.value: {"hits": self._hits[cache], "misses": self._misses[cache]} for cache in Cache}
