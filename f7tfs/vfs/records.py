"""Uploads under way, one file each beside the journal: they go on after the daemon's death where they were.

The presigned URLs in them are secrets: the files are 0600, in a directory that is 0700.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import trio

from f7tfs.vfs.staged import write_private

LOCAL = "local-"
"""How the names of records begin that are of no content of the cache."""
LOCAL_SECONDS = 86400.0
logger = logging.getLogger(__name__)


class FileRecord:
    """The record of one content, by its name in the content cache. `places`: where each of them goes."""

    kept = True

    def __init__(self, path: Path, content: str, places: dict[str, str]) -> None:
        self.content = content
        self._path = path
        self._places = places
        self._lock = trio.Lock()

    @property
    def name(self) -> str:
        return self._path.name

    @property
    def place(self) -> str | None:
        """Where an earlier attempt was to bring it; None if there was none."""
        return self._places.get(self._path.name)

    def load(self) -> dict[str, Any]:
        """What an earlier attempt has left. One that makes no sense costs an upload from the start, no more."""
        try:
            found = json.loads(self._path.read_text())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            logger.warning("%s cannot be used: %s", self._path, error)
            return {}
        return found if isinstance(found, dict) else {}

    async def save(self, state: Mapping[str, Any]) -> None:
        # Parts that end at the same time write one after the other, each what is true by then.
        async with self._lock:
            self._places[self._path.name] = str(state.get("path"))
            await trio.to_thread.run_sync(write_private, self._path, json.dumps(dict(state)))

    async def clear(self) -> None:
        await trio.Path(self._path).unlink(missing_ok=True)
        self._places.pop(self._path.name, None)


class UploadRecords:
    """The directory of records, by the name of the content in the content cache."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._places: dict[str, str] = {}
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in directory.iterdir():
            self._places[path.name] = str(self._at(path.name).load().get("path"))

    def record(self, content: Path, digest: str) -> FileRecord:
        """For sending a content that is known by its `digest`."""
        return self._at(content.name, digest)

    def of(self, content: Path) -> list[FileRecord]:
        """What is left of uploads of a content: one at most."""
        return [self._at(content.name)] if content.name in self._places else []

    def to(self, path: str) -> list[FileRecord]:
        """What is left of uploads to a place."""
        return [self._at(name) for name, place in self._places.items() if place == path]

    def orphans(self, kept: set[str]) -> list[FileRecord]:
        """Records of contents that are no longer to be sent. A local file may be copied again soon."""
        return [self._at(name) for name in self._places if name not in kept and not self._is_young(name)]

    def _is_young(self, name: str) -> bool:
        return name.startswith(LOCAL) and (self._directory / name).stat().st_mtime > time.time() - LOCAL_SECONDS

    def _at(self, name: str, digest: str = "") -> FileRecord:
        return FileRecord(self._directory / name, digest, self._places)
