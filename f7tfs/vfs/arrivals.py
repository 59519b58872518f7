"""What arrived of what an archive was to bring: each change is finished, or goes by itself next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import trio

from f7tfs.cluster.errors import ClusterError, Unavailable
from f7tfs.cluster.model import Entry, Kind
from f7tfs.vfs.change import Change
from f7tfs.vfs.changelog import ChangeLog
from f7tfs.vfs.delivery import Arrival, Delivery
from f7tfs.vfs.nodes import Directory, File, Sent, Standing, Symlink
from f7tfs.vfs.sender import Sender

TOGETHER = 100
"""So many that arrived are put down at once: more would keep others waiting for the event loop."""


@dataclass(slots=True)
class Made:
    """What has arrived, and is not put down in the journal yet. Nothing is awaited until it is."""

    delivery: Delivery
    arrivals: list[Arrival] = field(default_factory=list)
    others: list[Change] = field(default_factory=list)

    @property
    def full(self) -> bool:
        """Whether to put it down though there is more."""
        return len(self.arrivals) + len(self.others) >= TOGETHER

    async def put_down(self) -> None:
        """In one transaction."""
        arrivals, others = self.arrivals, self.others
        if arrivals or others:
            self.arrivals, self.others = [], []
            await self.delivery.put_down(arrivals, others)


class Arrivals:
    """Told by what a listing after the archive shows."""

    def __init__(self, log: ChangeLog, sender: Sender, delivery: Delivery) -> None:
        self._log = log
        self._sender = sender
        self._delivery = delivery

    async def settle(
        self,
        changes: Sequence[Change],
        found: Mapping[str, Entry],
        sent: Mapping[Change, Sent],
        refused: ClusterError | None,
        looked: float,
    ) -> None:
        """Each is there as it was sent, or waits to be sent by itself, which finds out why.

        `looked`: the listing with those entries was not asked for before.
        """
        made = Made(self._delivery)
        for change in changes:
            entry = found.get(change.path)
            if entry is None or not self._arrived(change, entry):
                self._alone(change, refused)
                continue
            try:
                chmod = await self._settle_mode(change, entry, made)
            except ClusterError as error:
                self.put_off(change, error)
                continue
            # No await from here on: the listing shows it as we left it, if nobody touched it since.
            seen = looked if not chmod and change.node.touched < looked else None
            self._made(change, sent.get(change), seen, made)
            if made.full:
                await made.put_down()
        await made.put_down()

    def _made(self, change: Change, sent: Sent | None, seen: float | None, made: Made) -> None:
        node = change.node
        if isinstance(node, File) and sent is not None:
            node.standing = Standing(sent=(sent,))
            made.arrivals.append(self._delivery.arrived(change, change.path, seen))
            return
        node.on_cluster = True
        if isinstance(node, Directory):
            # Somebody may have put more into it: the next look tells.
            node.listed = float("-inf")
        self._log.take_out(change)
        made.others.append(change)

    def _arrived(self, change: Change, entry: Entry) -> bool:
        node = change.node
        if entry.kind is not node.kind:
            return False
        if isinstance(node, Symlink):
            return node.target in (entry.link_target, "") or entry.size == len(node.target.encode())
        return change.content is None or entry.size == change.content.size

    async def _settle_mode(self, change: Change, entry: Entry, made: Made) -> bool:
        """Whether a call was needed. Nothing is awaited between the last look at the mode that is asked for and this
        return."""
        attributes, mode = change.node.attributes, entry.mode
        while mode != attributes.mode and entry.kind is not Kind.SYMLINK:
            mode = attributes.mode
            # What was made is put down before anybody can change it again.
            await made.put_down()
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
