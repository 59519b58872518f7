"""Makes on the cluster the changes of names and attributes that wait in the journal.

They were acknowledged some time ago, and may have been made already: an answer was lost, or the daemon was killed. So
each looks first at what is there. What somebody else made or changed meanwhile is neither removed nor replaced.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Awaitable, Callable

import trio

from f7tfs.cluster.errors import AlreadyExists, NotADirectory, NotFound
from f7tfs.cluster.model import Entry, Kind
from f7tfs.cluster.port import Cluster
from f7tfs.vfs.change import Change, ChangeKind
from f7tfs.vfs.changelog import ChangeLog
from f7tfs.vfs.journal import times_of
from f7tfs.vfs.looks import Looks
from f7tfs.vfs.metadata import Metadata
from f7tfs.vfs.names import conflict_name, locked
from f7tfs.vfs.nodes import Directory, File, Node, Sent, Standing, Symlink
from f7tfs.vfs.reachability import Reachability
from f7tfs.vfs.renamer import Renamer
from f7tfs.vfs.sender import NEW_DIRECTORY_MODE, Sender
from f7tfs.vfs.standing import either, standing_of, with_sent

logger = logging.getLogger(__name__)


class Replay:
    """One method for each kind of change."""

    def __init__(
        self,
        log: ChangeLog,
        cluster: Cluster,
        sender: Sender,
        renamer: Renamer,
        metadata: Metadata,
        looks: Looks,
        reachability: Reachability,
    ) -> None:
        self._log = log
        self._cluster = cluster
        self._sender = sender
        self._renamer = renamer
        self._metadata = metadata
        self._looks = looks
        self._reachability = reachability
        self._makers: dict[ChangeKind, Callable[[Change], Awaitable[None]]] = {
            ChangeKind.MKDIR: self._mkdir,
            ChangeKind.SYMLINK: self._symlink,
            ChangeKind.UNLINK: self._unlink,
            ChangeKind.RMDIR: self._rmdir,
            ChangeKind.RENAME: self._rename,
            ChangeKind.CHMOD: self._chmod,
        }

    async def make(self, change: Change) -> None:
        """Make it, and forget it. Raises ClusterError; it waits on then."""
        async with locked(change.node):
            if change.row not in self._log.changes or not self._log.may_go(change):
                return
            # No await since the look at what is in the way.
            change.in_flight = True
            self._log.touch(change)
            try:
                # What was made before it is forgotten first: after a kill it would not find what it made.
                await self._log.journal.settled()
                if change.kind is not ChangeKind.CHMOD:
                    await self._sender.end_older(*change.paths)
                await self._makers[change.kind](change)
            finally:
                change.in_flight = False
                for path in change.paths:
                    self._looks.outdate(path)
            self._reachability.found()
            await self._log.finish(change)

    # -- making ----------------------------------------------------------------------------------

    async def _mkdir(self, change: Change) -> None:
        node, made = change.node, True
        try:
            await self._cluster.make_directory(change.path)
        except AlreadyExists:
            # Ours, whose answer was lost, or somebody else's: a directory is a directory.
            found = await self._looks.at(change.path, trio.current_time())
            if found is None or found.kind is not Kind.DIRECTORY:
                raise
            made = False
        if node.attributes.mode != NEW_DIRECTORY_MODE or not made or change.uncertain_before:
            await self._set_mode(node, change.path)
        node.on_cluster = True
        if isinstance(node, Directory):
            node.listed = trio.current_time() if made and not change.uncertain_before else float("-inf")

    async def _symlink(self, change: Change) -> None:
        if not isinstance(node := change.node, Symlink):  # pragma: no cover -- only symlinks come here
            raise TypeError(node)
        found = await self._looks.at(change.path, change.tried)
        if found is None:
            await self._sender.symlink(change.path, node.target)
        elif not _is_that_link(found, node.target):
            raise AlreadyExists(f"{change.path}: somebody else made it meanwhile")
        node.on_cluster = True

    # -- removing --------------------------------------------------------------------------------

    async def _unlink(self, change: Change) -> None:
        if change.uncertain_before or not self._looks.is_fresh(change.path):
            found = await self._looks.at(change.path, change.tried)
            if found is None:
                return
            if not await self._looks.is_what_was_removed(change, change.path, found):
                self._leave(change, "somebody changed it meanwhile")
                return
        with contextlib.suppress(NotFound):
            await self._cluster.remove(change.path)

    async def _rmdir(self, change: Change) -> None:
        try:
            entries = await self._cluster.list_directory(change.path)
        except NotFound:
            return
        except NotADirectory:
            self._leave(change, "it is no directory any more")
            return
        if entries:
            self._leave(change, f"somebody put {entries[0].name} into it meanwhile")
            return
        with contextlib.suppress(NotFound):
            await self._cluster.remove(change.path)

    def _leave(self, change: Change, why: str) -> None:
        logger.warning("%s was removed here, and is kept on the cluster: %s", change.path, why)
        for directory, _name in change.dentries:
            self._metadata.expire(directory)

    # -- renaming --------------------------------------------------------------------------------

    async def _rename(self, change: Change) -> None:
        node, new = change.node, change.new_path
        if isinstance(node, File):
            # The one or the other is there while this goes on, and whatever comes of it.
            await self._log.arrives(new, either(standing_of(node), change.new_standing), change, node)
        source = await self._looks.at(change.path, change.tried)
        target = await self._looks.at(new, change.tried)
        if source is None and isinstance(node, File) and node.change is not None:
            # An earlier rename found that its content waits, and will be sent to the last place anyway; or so did an
            # earlier attempt, if it did not bring what was there.
            if change.uncertain_before:
                change.new_standing = either(node.standing, change.new_standing)
            _leave_to_content(node, change, target)
            await self._arrived(change)
            return
        if source is None:
            self._without_source(change, target)
            return
        if target is not None and not await self._looks.recognise(new, target, change.new_standing):
            new = conflict_name(new)
            logger.warning("%s was changed on the cluster meanwhile; %s became %s", change.new_path, change.path, new)
        node.arriving = change.dentries[1]
        mode = target.mode if target else None
        moved = await self._renamer.rename(
            node, change.path, new, mode, lambda sent: self._about_to_send(change, sent)
        )
        if not moved and isinstance(node, File):
            _leave_to_content(node, change, target)
        if new == change.new_path:
            await self._arrived(change)
        else:
            self._give_way(change)

    async def _about_to_send(self, change: Change, sent: Sent) -> None:
        change.new_standing = with_sent(change.new_standing, sent)
        await self._log.arrives(change.new_path, Standing(sent=(sent,)), change, change.node)

    def _without_source(self, change: Change, target: Entry | None) -> None:
        if target is not None and change.uncertain_before:
            self._settle_names(change)
            return
        node = change.node
        # A content that waits is brought to the new name anyway: only the old one was to be removed.
        if not (node.unlinked or (isinstance(node, File) and node.change is not None)):
            logger.warning("%s was renamed here, but is gone on the cluster", change.path)
        self._give_way(change)

    async def _arrived(self, change: Change) -> None:
        self._settle_names(change)
        node = change.node
        if isinstance(node, File) and node.version is None and node.change is None:
            await self._log.journal.set_time(times_of(node))

    def _settle_names(self, change: Change) -> None:
        later = [c for c in self._log.of(change.node) if c.kind is ChangeKind.RENAME and c is not change]
        change.node.arriving = None
        change.node.moved = later[0].dentries[0] if later else None

    def _give_way(self, change: Change) -> None:
        """Under the name that it has here stands something else, or nothing: the next listing tells."""
        self._settle_names(change)
        node = change.node
        if not (isinstance(node, File) and node.change is not None):
            self._metadata.tree.detach(node, float("-inf"))
        for directory, _name in change.dentries:
            self._metadata.expire(directory)

    # -- attributes ------------------------------------------------------------------------------

    async def _chmod(self, change: Change) -> None:
        with contextlib.suppress(NotFound):
            await self._set_mode(change.node, change.path)

    async def _set_mode(self, node: Node, path: str) -> None:
        mode = None
        while mode != node.attributes.mode:
            mode = node.attributes.mode
            await self._cluster.chmod(path, mode)
        if isinstance(node, File):
            node.remote_mode = mode


def _leave_to_content(node: File, change: Change, target: Entry | None) -> None:
    """The old name is gone, and a content that waits comes to the new one: over what stands there still."""
    node.on_cluster, node.standing = target is not None, change.new_standing
    node.remote_mode = None if target is None else target.mode


def _is_that_link(found: Entry, target: str) -> bool:
    if found.kind is not Kind.SYMLINK:
        return False
    return found.link_target == target or (not found.link_target and found.size == len(target.encode()))
