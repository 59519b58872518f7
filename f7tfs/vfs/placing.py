"""Where a content goes: what somebody else wrote at its place meanwhile is neither replaced nor lost."""

from __future__ import annotations

import logging
from dataclasses import replace

import trio

from f7tfs.cluster.errors import PermissionDenied, TooLarge
from f7tfs.vfs.change import Change
from f7tfs.vfs.looks import Looks
from f7tfs.vfs.metadata import Metadata
from f7tfs.vfs.names import conflict_name
from f7tfs.vfs.nodes import File, Sent, Version
from f7tfs.vfs.options import VfsOptions
from f7tfs.vfs.sleep import Sleep
from f7tfs.vfs.standing import in_doubt

logger = logging.getLogger(__name__)


class Placing:
    """Looks before a content is sent, where what stands at its place is not known for certain."""

    def __init__(self, metadata: Metadata, looks: Looks, options: VfsOptions) -> None:
        self._metadata = metadata
        self._looks = looks
        self._options = options
        self._sleep = Sleep()

    async def place(self, change: Change, node: File) -> tuple[str, Sent | None]:
        """Where the content goes: its own place, or beside it where someone changed the file meanwhile.

        And which content of ours was found there, where it was looked at.
        """
        content = change.content
        if content is None:  # pragma: no cover -- only changes of contents come here
            raise TypeError(change.kind)
        late = change.attempts > 0 or change.recovered or self._waited(change)
        if not late and (content.base is None or await self._seen_unchanged(change, node)):
            return change.path, None
        found = await self._looks.at(change.path, change.tried)
        ours = await self._looks.recognise(change.path, found, node.standing)
        if not ours and found is not None and node.standing.sent:
            ours = await self._looks.is_beginning(change.path, found, content)
        if ours:
            # Whatever it is, it may be replaced: by this attempt, or the next.
            version = Version(found.modified, found.size) if found else None
            node.standing = replace(node.standing, version=version)
            node.remote_mode = found.mode if found else None
            return change.path, ours if isinstance(ours, Sent) else None
        path = conflict_name(change.path)
        logger.warning("%s was changed on the cluster meanwhile; what was written here is in %s", change.path, path)
        return path, None

    def _waited(self, change: Change) -> bool:
        earliest = trio.current_time() - self._options.attribute_timeout
        return change.made < max(earliest, self._sleep.woke())

    async def _seen_unchanged(self, change: Change, node: File) -> bool:
        """By the listing that the metadata cache has, which is asked for again only where it is old."""
        if node.parent is None or node.path != change.path:
            return False
        try:
            await self._metadata.ensure_listed(node.parent)
        except (TooLarge, PermissionDenied):
            # The file is looked at by itself.
            return False
        return not in_doubt(node)
