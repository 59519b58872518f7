"""A rename here, in the tree and in the journal; the cluster follows, where it has to."""

from __future__ import annotations

import trio

from f7tfs.vfs.cache import ContentCache
from f7tfs.vfs.change import Change, ChangeKind, Order, is_at_or_below
from f7tfs.vfs.changelog import ChangeLog, Moved
from f7tfs.vfs.delivery import Delivery
from f7tfs.vfs.journal import times_of
from f7tfs.vfs.metadata import Metadata
from f7tfs.vfs.names import join
from f7tfs.vfs.nodes import UNKNOWN_MODE, Directory, File, Node, Standing
from f7tfs.vfs.removing import Removing
from f7tfs.vfs.standing import either, standing_of


class RenamingHere:
    """What the cluster has not gets its name here, for nothing; of the rest, the journal keeps what is to be done."""

    def __init__(
        self, log: ChangeLog, metadata: Metadata, cache: ContentCache, delivery: Delivery, removing: Removing
    ) -> None:
        self._log = log
        self._metadata = metadata
        self._cache = cache
        self._delivery = delivery
        self._removing = removing

    async def journal(self, node: Node, parent: Directory, name: str, target: File | None, *, tried: bool) -> None:
        """Rename here, over `target` if there is one; on the cluster it follows, if it is there at all.

        `tried`: it was tried at once, and may have been made.
        """
        if target is not None and not isinstance(node, File) and self.is_only_here(node):
            # It may be on its way to the cluster after this.
            await self._removing.journal(target)
            target = None
        if self.is_only_here(node):
            if isinstance(node, File):
                self.stand_in_for(node, target)
            along, _ = self._along(node)
            await self.move(node, parent, name, target, self._log.put_last(along, node.path, join(parent, name)))
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
        await self.move(node, parent, name, target, self._log.put_last(below, old, new), change)

    def is_only_here(self, node: Node) -> bool:
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
            mine = change.node.is_below(node) and comes_along(change, node.path)
            if mine and places.free(change.paths):
                along.insert(0, change)
            elif any(is_at_or_below(place, node.path) for place in change.paths):
                stays.append(change)
                if change.blocks:
                    places.note(change.paths)
        return along, stays

    async def move(
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
        alone = not isinstance(node, Directory)
        await self._log.journal.renamed(old, node.path, moved, added, gone, times=times, number=number, alone=alone)
        self._log.tell()
        await self._metadata.kept.entries_changed(*directories)
        if target is not None:
            self._metadata.kept.give_back(target)
            await self._delivery.given_up(gone)
            self._cache.idle(target)

    def stand_in_for(self, node: File, target: File | None) -> None:
        """What stands at the node's place on the cluster is what `target` was there."""
        node.on_cluster = target is not None and target.on_cluster
        node.remote_mode = None if target is None else target.remote_mode
        if target is not None and any(c.uncertain or c.kind is ChangeKind.CHMOD for c in self._log.of(target)):
            node.remote_mode = UNKNOWN_MODE
        node.standing = Standing() if target is None else self._log.standing_of(target)


def comes_along(change: Change, old: str) -> bool:
    """Whether a change can be made as well after the rename of what it concerns: all of its places move."""
    return not change.in_flight and all(is_at_or_below(place, old) for place in change.paths)
