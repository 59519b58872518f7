"""rename: of what is on the cluster, and of what is still in the journal."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Sequence

import trio

from f7tfs.cluster.errors import (
    AlreadyExists,
    ClusterError,
    DirectoryNotEmpty,
    IsADirectory,
    NotADirectory,
    NotFound,
    Uncertain,
    Unsupported,
)
from f7tfs.vfs.cache import ContentCache
from f7tfs.vfs.change import Change, ChangeKind, Order, State, is_at_or_below
from f7tfs.vfs.changelog import ChangeLog, Moved, is_final
from f7tfs.vfs.delivery import Delivery
from f7tfs.vfs.journal import times_of
from f7tfs.vfs.making import Making
from f7tfs.vfs.metadata import Metadata
from f7tfs.vfs.names import join, locked
from f7tfs.vfs.nodes import UNKNOWN_MODE, Directory, File, Node, Sent, Standing, Symlink
from f7tfs.vfs.presently import Attempt, Presently
from f7tfs.vfs.removing import Removing
from f7tfs.vfs.renamer import Renamer
from f7tfs.vfs.standing import either, in_doubt, standing_of
from f7tfs.vfs.uploads import Uploads

logger = logging.getLogger(__name__)

RENAME_NOREPLACE = 1


class Renaming:
    """What the cluster has is renamed there, at once or later; what it has not gets its name here, for nothing."""

    def __init__(
        self,
        log: ChangeLog,
        metadata: Metadata,
        cache: ContentCache,
        uploads: Uploads,
        delivery: Delivery,
        removing: Removing,
        making: Making,
        renamer: Renamer,
        presently: Presently,
    ) -> None:
        self._log = log
        self._metadata = metadata
        self._cache = cache
        self._uploads = uploads
        self._delivery = delivery
        self._removing = removing
        self._making = making
        self._renamer = renamer
        self._presently = presently

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
            attempt = await self._rename_now(node, new_parent, new_name, target)
        else:
            await self._make_room(target, new_parent, new_name)
            try:
                attempt = await self._rename_now(node, new_parent, new_name, None)
            except ClusterError as error:
                if is_final(error):
                    await self._bring_back(target, new_parent, new_name)
                raise
            target = None
        if attempt is not Attempt.MADE:
            await self._journal(node, new_parent, new_name, target, tried=attempt is Attempt.UNCERTAIN)
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

    # -- at once ---------------------------------------------------------------------------------

    async def _rename_now(self, node: Node, parent: Directory, name: str, target: File | None) -> Attempt:
        """MADE: on the cluster, and here."""
        if not self._presently.expected(node.path):
            return Attempt.NONE
        async with locked(node, target):
            if in_doubt(node) or (target is not None and in_doubt(target)):
                return Attempt.NONE
            if node.on_cluster:
                if isinstance(node, File) and node.change is not None and self._presently.may_journal:
                    # What is out of date there is not moved: after a kill it would stand under the new name.
                    return Attempt.NONE
                return await self._rename_sent(node, parent, name, target)
            if isinstance(node, File) and node.change is not None and self._is_only_here(node):
                return await self._send_as(node, node.change, parent, name, target)
        return Attempt.NONE

    async def _rename_sent(self, node: Node, parent: Directory, name: str, target: File | None) -> Attempt:
        moved, made = True, ("", "")

        async def about_to_send(sent: Sent) -> None:
            await self._log.arrives(made[1], Standing(sent=(sent,)), None, node)

        async def call(places: Sequence[str]) -> None:
            nonlocal moved, made
            old, new = made = places[0], places[1]
            node.arriving = (parent, name)
            if isinstance(node, File):
                # What waits at the new place falls with it, but not yet.
                await self._log.arrives(new, standing_of(node), None, node)
            moved = await self._renamer.rename(node, old, new, target.remote_mode if target else None, about_to_send)

        async def effect() -> None:
            if not moved and isinstance(node, File):
                self._stand_in_for(node, target)
            await self._move(node, parent, name, target, self._log.renamed(*made))

        attempt = Attempt.NONE
        try:
            attempt = await self._presently.make(
                lambda: [node.path, join(parent, name)],
                call,
                effect,
                lambda change: _comes_along(change, node.path) or _falls_with(change, target),
                held=_files(node, target),
                dentries=_dentries(node, parent, name),
            )
        finally:
            if made[0] and attempt is not Attempt.UNCERTAIN:
                node.arriving = None
        return attempt

    async def _send_as(
        self, node: File, change: Change, parent: Directory, name: str, target: File | None
    ) -> Attempt:
        """It exists only here: it is sent under its new name.

        What stands there is given up only when the cluster has the new content, or cannot be reached.
        """
        before, made = node.standing, ("", "")
        if change.state is not State.READY or not self._uploads.wants_to_go(change, name):
            return Attempt.NONE

        async def call(places: Sequence[str]) -> None:
            nonlocal made
            made = places[0], places[1]
            self._stand_in_for(node, target)
            await self._delivery.transfer(change, made[1], node.remote_mode)

        async def effect() -> None:
            await self._move(node, parent, name, target, self._log.renamed(*made))
            await self._delivery.finished(change, change.path)

        try:
            # Until the journal knows that it arrived: what is written meanwhile is another content.
            with change.content.still() if change.content else contextlib.nullcontext():
                attempt = await self._presently.make(
                    lambda: [node.path, join(parent, name)],
                    call,
                    effect,
                    lambda other: other is change or _falls_with(other, target),
                    held=(node, target),
                    dentries=_dentries(node, parent, name),
                )
        except ClusterError:
            node.standing, node.on_cluster, node.remote_mode = before, False, None
            raise
        if attempt is Attempt.UNCERTAIN:
            await self._move(node, parent, name, target, self._log.renamed(*made))
            self._log.put_off(change, Uncertain("the answer to its upload was lost"))
            return Attempt.MADE
        return attempt

    # -- in the journal --------------------------------------------------------------------------

    async def _journal(self, node: Node, parent: Directory, name: str, target: File | None, *, tried: bool) -> None:
        if target is not None and not isinstance(node, File) and self._is_only_here(node):
            # It may be on its way to the cluster after this.
            await self._removing.journal(target)
            target = None
        if self._is_only_here(node):
            if isinstance(node, File):
                self._stand_in_for(node, target)
            along, _ = self._along(node)
            await self._move(node, parent, name, target, self._log.put_last(along, node.path, join(parent, name)))
            return
        old, new, was = node.path, join(parent, name), (node.parent or parent, node.name)
        new_standing = Standing() if target is None else self._log.standing_of(target)
        if tried and isinstance(node, File):
            new_standing = either(new_standing, standing_of(node))
        change = self._log.register(
            ChangeKind.RENAME,
            node,
            old,
            new_path=new,
            standing=standing_of(node) if isinstance(node, File) else None,
            new_standing=new_standing,
            dentries=(was, (parent, name)),
        )
        change.attempts = int(tried)
        node.moved = node.moved or was
        along, _ = self._along(node)
        below = [each for each in along if each.node is not node]
        await self._move(node, parent, name, target, self._log.put_last(below, old, new), change)

    def _is_only_here(self, node: Node) -> bool:
        """Whether the cluster has nothing of it, for certain, and all that waits can wait under another name."""
        if node.on_cluster:
            return False
        along, stays = self._along(node)
        own = any(change.node is node for change in along) and not self._log.may_be_there(node)
        return own and not any(change.node.is_below(node) for change in stays) and not any(c.uncertain for c in along)

    def _along(self, node: Node) -> tuple[list[Change], list[Change]]:
        """The changes at and below its place that can be made after its rename as well, and those that cannot.

        Those cannot that are about what had its name before, or leave it, and what has to be made before one of them.
        """
        along: list[Change] = []
        stays: list[Change] = []
        places = Order()
        for change in reversed(self._log.meeting([node.path])):
            mine = change.node.is_below(node) and _comes_along(change, node.path)
            if mine and places.free(change.paths):
                along.insert(0, change)
            elif any(is_at_or_below(place, node.path) for place in change.paths):
                stays.append(change)
                if change.blocks:
                    places.note(change.paths)
        return along, stays

    async def _move(
        self,
        node: Node,
        parent: Directory,
        name: str,
        target: File | None,
        moved: Moved,
        added: Change | None = None,
    ) -> None:
        """Rename here, in the tree and in the journal.

        The caller has just registered `added` and `moved` what goes along: the tree and the changes say the same.
        """
        old, old_parent, now = node.path, node.parent, trio.current_time()
        # Before anybody begins to send it, now that it need not be.
        gone = [] if target is None else self._delivery.give_up(target)
        if target is not None:
            self._metadata.tree.detach(target, now)
        self._metadata.tree.move(node, parent, name, now)
        node.attributes.changed()
        directories = {parent.number: parent, (old_parent or parent).number: old_parent or parent}.values()
        for directory in directories:
            directory.entries_changed()
        for _, change in moved:
            if change.node is node:
                self._log.move_mark(change, (parent, name))
        waits = isinstance(node, File) and node.change is not None
        node.written_here = True
        times, number = None if waits else times_of(node), self._metadata.kept.number_to_keep(node)
        await self._log.journal.renamed(old, node.path, moved, added, gone, times=times, number=number)
        self._log.tell()
        await self._metadata.kept.entries_changed(*directories)
        if target is not None:
            self._metadata.kept.give_back(target)
            await self._delivery.given_up(gone)
            self._cache.idle(target)

    def _stand_in_for(self, node: File, target: File | None) -> None:
        """What stands at the node's place on the cluster is what `target` was there."""
        node.on_cluster = target is not None and target.on_cluster
        node.remote_mode = None if target is None else target.remote_mode
        if target is not None and any(c.uncertain or c.kind is ChangeKind.CHMOD for c in self._log.of(target)):
            node.remote_mode = UNKNOWN_MODE
        node.standing = Standing() if target is None else self._log.standing_of(target)


def _files(*nodes: Node | None) -> tuple[File, ...]:
    """Those that have a lock."""
    return tuple(node for node in nodes if isinstance(node, File))


def _dentries(node: Node, parent: Directory, name: str) -> tuple[tuple[Directory, str], ...]:
    """The names that change with a rename."""
    return ((node.parent or parent, node.name), (parent, name))


def _comes_along(change: Change, old: str) -> bool:
    """Whether a change can be made as well after the rename of what it concerns: all of its places move."""
    return not change.in_flight and all(is_at_or_below(place, old) for place in change.paths)


def _falls_with(change: Change, target: File | None) -> bool:
    """Whether a change need not be made once something else stands at its file's place."""
    return target is not None and change.node is target and change.content is not None and not change.in_flight
