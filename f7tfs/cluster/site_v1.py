"""What v1's parameters say of a site. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from f7tfs.cluster.model import FileSystem, Limits
from f7tfs.cluster.parsing import direct_read_of

_ENVELOPE = 2048
"""The limit of an upload is on the whole body: so much is left for the form around the content."""


@dataclass(frozen=True, slots=True)
class SiteV1:
    """One system: its name, limits and file systems."""

    name: str
    limits: Limits
    file_systems: tuple[FileSystem, ...]
    url_seconds: float
    """How long a presigned URL lives."""


def site_of(name: str, parameters: Mapping[str, Sequence[Mapping[str, Any]]]) -> SiteV1:
    """From the answer of status/parameters, whose values are texts."""
    values = {str(item.get("name")): item.get("value") for service in parameters.values() for item in service}
    size = int(float(str(values.get("UTILITIES_MAX_FILE_SIZE") or 5)) * 2**20)
    return SiteV1(
        name=name,
        limits=Limits(
            direct_read=direct_read_of(size),
            direct_write=size - _ENVELOPE,
            command_seconds=float(str(values.get("UTILITIES_TIMEOUT") or 5)),
            # What object storage takes in one form.
            largest_write=int(float(str(values.get("STORAGE_MAX_FILE_SIZE") or 0)) * 2**20) or None,
        ),
        file_systems=tuple(_file_systems(name, values.get("FILESYSTEMS") or [])),
        url_seconds=float(str(values.get("STORAGE_TEMPURL_EXP_TIME") or 3600)),
    )


def _file_systems(name: str, items: Any) -> list[FileSystem]:
    for item in items:
        if isinstance(item, Mapping) and item.get("system") == name:
            mounted = [str(path) for path in item.get("mounted") or []]
            return [FileSystem(path, index == 0) for index, path in enumerate(mounted)]
    return []
