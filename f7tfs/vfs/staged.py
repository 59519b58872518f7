"""Which files have a copy in object storage, of which version, and until when: remembered across restarts.

The URLs are secrets: the file is 0600, in a directory that is 0700.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trio

from f7tfs.cluster.model import StagedObject
from f7tfs.vfs.content import Content
from f7tfs.vfs.nodes import Version

logger = logging.getLogger(__name__)

MARGIN = 60.0
"""A copy is used no more so many seconds before its URL expires."""
MOST = 200


@dataclass(eq=False, slots=True)
class _Copy:
    staged: StagedObject
    version: Version | None
    owner: Content | None
    """For whom it was made: to others only a settled version proves that it is what they want."""


class StagedCopies:
    """By path on the cluster; at most one for each."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = trio.Lock()
        self._copies: dict[str, _Copy] = _load(path)

    def find(self, path: str, content: Content) -> StagedObject | None:
        """The copy of what `content` is the content of, while it can be read."""
        copy = self._copies.get(path)
        if copy is None or copy.staged.expires - MARGIN <= time.time():
            return None
        base = content.base
        if copy.owner is content and copy.version == base:
            return copy.staged
        if copy.version is None or base is None or copy.version != base:
            return None
        if not (copy.version.settled and base.settled):
            return None
        copy.owner = content
        return copy.staged

    async def add(self, path: str, content: Content, staged: StagedObject) -> list[StagedObject]:
        """Remember a copy; what need not be kept at the server any longer because of it."""
        old = [self._copies.pop(key).staged for key in self._outdated(path)]
        self._copies[path] = _Copy(staged, content.base, content)
        await self._save()
        return old

    def _outdated(self, path: str) -> list[str]:
        now = time.time()
        old = [key for key, copy in self._copies.items() if key == path or copy.staged.expires <= now]
        left = [key for key in self._copies if key not in old]
        return old + left[: max(0, len(left) - MOST + 1)]

    async def drop(self, content: Content) -> StagedObject | None:
        """Forget the copy that was made for a content, or found for it."""
        for path, copy in self._copies.items():
            if copy.owner is content:
                del self._copies[path]
                await self._save()
                return copy.staged
        return None

    async def _save(self) -> None:
        kept = [
            {"staged": dataclasses.asdict(copy.staged), "version": dataclasses.asdict(copy.version)}
            for copy in self._copies.values()
            if copy.version is not None and copy.version.settled
        ]
        async with self._lock:
            await trio.to_thread.run_sync(write_private, self._path, json.dumps(kept))


def write_private(path: Path, text: str) -> None:
    """Replace a file at once, readable for its owner only. Blocking.

    When this returns, a power cut does not bring back what was there before.
    """
    beside = path.with_name(path.name + ".new")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _load(path: Path) -> dict[str, _Copy]:
    """What an earlier run remembered; a file that makes no sense costs a new staging, and nothing else."""
    try:
        found = [_copy(item) for item in json.loads(path.read_text())]
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError) as error:
        logger.warning("%s cannot be used: %s", path, error)
        return {}
    now = time.time()
    return {copy.staged.path: copy for copy in found if copy.staged.expires - MARGIN > now}


def _copy(item: dict[str, Any]) -> _Copy:
    return _Copy(StagedObject(**item["staged"]), Version(**item["version"]), None)
