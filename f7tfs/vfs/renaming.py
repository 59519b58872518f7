"""rename: what stands in its way, and whether it is made at once or follows by way of the journal."""

from __future__ import annotations

import logging

from f7tfs.cluster.errors import (
    AlreadyExists,
    ClusterError,
    DirectoryNotEmpty,
    IsADirectory,
    NotADirectory,
    NotFound,
    Unsupported,
)
from f7tfs.vfs.change import State
from f7tfs.vfs.changelog import is_final
from f7tfs.vfs.making import Making
from f7tfs.vfs.metadata import Metadata
from f7tfs.vfs.nodes import Directory, File, Node, Symlink
from f7tfs.vfs.presently import Attempt
from f7tfs.vfs.removing import Removing
from f7tfs.vfs.renaming_at_once import RenamingAtOnce
from f7tfs.vfs.renaming_here import RenamingHere
from f7tfs.vfs.uploads import Uploads

logger = logging.getLogger(__name__)

RENAME_NOREPLACE = 1


class Renaming:
    """What the cluster has is renamed there, at once or later; what it has not gets its name here, for nothing."""

    def __init__(
        self,
        metadata: Metadata,
        uploads: Uploads,
        removing: Removing,
        making: Making,
        at_once: RenamingAtOnce,
        here: RenamingHere,
    ) -> None:
        self._metadata = metadata
        self._uploads = uploads
        self._removing = removing
        self._making = making
        self._at_once = at_once
        self._here = here

    async def rename(self, parent: Directory, name: str, new_parent: Directory, new_name: str, flags: int) -> None:
        """As rename(2); of the flags only RENAME_NOREPLACE."""
        if flags & ~RENAME_NOREPLACE:
            raise Unsupported("the API cannot exchange two names")
        node = await self._metadata.lookup(parent, name)
        target = await self._target(new_parent, new_name)
        if target is node:
            return
        if target is not None:
            if flags & RENAME_NOREPLACE:
                raise AlreadyExists(target.path)
            await self._check_replaceable(node, target)
            await self._removing.keep_readable(target)
        if target is None or isinstance(target, File):
            attempt = await self._at_once.attempt(node, new_parent, new_name, target)
        else:
            await self._make_room(target, new_parent, new_name)
            try:
                attempt = await self._at_once.attempt(node, new_parent, new_name, None)
            except ClusterError as error:
                if is_final(error):
                    await self._bring_back(target, new_parent, new_name)
                raise
            target = None
        if attempt is not Attempt.MADE:
            await self._here.journal(node, new_parent, new_name, target, tried=attempt is Attempt.UNCERTAIN)
        if isinstance(node, File) and node.change is not None and node.change.state is State.READY:
            await self._uploads.close(node)

    async def _make_room(self, target: Node, parent: Directory, name: str) -> None:
        """The API's renames move into a directory, and what is sent to a symlink's place is written through it."""
        if isinstance(target, Directory):
            await self._removing.rmdir(parent, name)
        else:
            await self._removing.unlink(parent, name)

    async def _bring_back(self, target: Node, parent: Directory, name: str) -> None:
        """What was removed for a rename that is refused: an empty directory or a link, made again."""
        try:
            if isinstance(target, Directory):
                await self._making.mkdir(parent, name, target.attributes.mode)
            elif isinstance(target, Symlink):
                await self._making.symlink(parent, name, target.target)
        except ClusterError as error:
            logger.warning("%s was removed for a rename that is refused, and cannot be made again: %s", name, error)

    async def _target(self, parent: Directory, name: str) -> Node | None:
        try:
            return await self._metadata.lookup(parent, name)
        except NotFound:
            return None

    async def _check_replaceable(self, node: Node, target: Node) -> None:
        if not isinstance(target, Directory):
            if isinstance(node, Directory):
                raise NotADirectory(target.path)
            return
        if not isinstance(node, Directory):
            raise IsADirectory(target.path)
        await self._metadata.ensure_listed(target)
        if target.children:
            raise DirectoryNotEmpty(target.path)
