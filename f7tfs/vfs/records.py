"""Uploads under way, one file each beside the journal: they go on after the daemon's death where they were.

The presigned URLs in them are secrets: the files are 0600, in a directory that is 0700.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import trio

from f7tfs.vfs.staged import write_private

logger = logging.getLogger(__name__)


class FileRecord:
    """The record of one content."""

    kept = True

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = trio.Lock()

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
            await trio.to_thread.run_sync(write_private, self._path, json.dumps(dict(state)))

    async def clear(self) -> None:
        await trio.Path(self._path).unlink(missing_ok=True)


class UploadRecords:
    """The directory of records, by the name of the content in the content cache."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def record(self, content: Path) -> FileRecord:
        return FileRecord(self._directory / content.name)

    def orphans(self, kept: set[str]) -> list[FileRecord]:
        """Records of contents that are no longer to be sent."""
        return [FileRecord(path) for path in self._directory.iterdir() if path.name not in kept]
