"""What arrived of what an archive was to bring: each change is finished, or goes by itself next."""

from __future__ import annotations

import trio

from f7tfs.cluster.errors import ClusterError, Unavailable
from f7tfs.cluster.model import Entry
from f7tfs.vfs.change import Change
from f7tfs.vfs.changelog import ChangeLog
from f7tfs.vfs.delivery import Delivery
from f7tfs.vfs.nodes import Directory, File, Sent, Standing, Symlink
from f7tfs.vfs.sender import Sender


class Arrivals:
    """Told change by change, by what a listing after the archive shows."""

    def __init__(self, log: ChangeLog, sender: Sender, delivery: Delivery) -> None:
        self._log = log
        self._sender = sender
        self._delivery = delivery

    async def settle(
        self, change: Change, entry: Entry | None, sent: Sent | None, refused: ClusterError | None, looked: float
    ) -> None:
        """It is there as it was sent, or waits to be sent by itself, which finds out why.

        `looked`: the listing with that entry was not asked for before.
        """
        try:
            if entry is None or not self._arrived(change, entry):
                self._alone(change, refused)
            elif isinstance(change.node, File) and sent is not None:
                chmod = await self._settle_mode(change, entry)
                # No await from here on: the listing shows it as we left it, if nobody touched it since.
                seen = looked if not chmod and change.node.touched < looked else None
                change.node.standing = Standing(sent=(sent,))
                await self._delivery.finished(change, change.path, seen)
            else:
                await self._finish(change, entry)
        except ClusterError as error:
            self.put_off(change, error)

    def _arrived(self, change: Change, entry: Entry) -> bool:
        node = change.node
        if entry.kind is not node.kind:
            return False
        if isinstance(node, Symlink):
            return node.target in (entry.link_target, "") or entry.size == len(node.target.encode())
        return change.content is None or entry.size == change.content.size

    async def _finish(self, change: Change, entry: Entry) -> None:
        node = change.node
        if isinstance(node, Directory):
            await self._settle_mode(change, entry)
        node.on_cluster = True
        if isinstance(node, Directory):
            # Somebody may have put more into it: the next look tells.
            node.listed = float("-inf")
        await self._log.finish(change)

    async def _settle_mode(self, change: Change, entry: Entry) -> bool:
        """Whether a call was needed. Nothing is awaited between the last look at the mode that is asked for and this
        return."""
        attributes, mode = change.node.attributes, entry.mode
        while mode != attributes.mode:
            mode = attributes.mode
            await self._sender.chmod(change.path, mode)
        return mode != entry.mode

    def _alone(self, change: Change, refused: ClusterError | None) -> None:
        """It goes by itself next, at once where the archive as a whole says nothing of it, and finds out why."""
        if isinstance(refused, Unavailable):
            self.put_off(change, refused)
        else:
            change.attempts += 1
            change.tried = trio.current_time()
            self._log.touch(change)

    def put_off(self, change: Change, error: ClusterError) -> None:
        """It waits for another attempt, unless it is done with meanwhile."""
        if change.row in self._log.changes:
            self._log.put_off(change, error)
