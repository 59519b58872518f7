"""Names that desktops and indexers look for in every directory: no reason to ask the cluster for a listing."""

from __future__ import annotations

import re

SOUGHT = re.compile(
    r"\.Trash(-\d+)?|autorun\.inf|\.xdg-volume-info|desktop\.ini|Thumbs\.db|\.DS_Store", re.IGNORECASE
)


def is_sought_by_crawlers(name: str) -> bool:
    """Whether it counts as absent as long as no listing has shown it."""
    return SOUGHT.fullmatch(name) is not None
