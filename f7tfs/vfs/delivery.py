"""The way of one content to the cluster: every attempt at it, and what is noted of it before and after.

It is sent under the lock of its node, from a content that nobody may change meanwhile: whoever writes during an
upload writes into a copy, which is a change of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import trio

from f7tfs.cluster.errors import ClusterError
from f7tfs.vfs.cache import ContentCache
from f7tfs.vfs.change import Change, ChangeKind, State
from f7tfs.vfs.changelog import ChangeLog
from f7tfs.vfs.content import Content
from f7tfs.vfs.journal import SetTime, times_of
from f7tfs.vfs.looks import Looks
from f7tfs.vfs.metadata import Metadata
from f7tfs.vfs.nodes import File, Sent, Standing
from f7tfs.vfs.placing import Placing
from f7tfs.vfs.reachability import Reachability
from f7tfs.vfs.sender import Sender
from f7tfs.vfs.standing import with_sent


@dataclass(frozen=True, slots=True)
class Arrival:
    """A content that the cluster has, which the journal has not been told yet."""

    change: Change
    set_time: SetTime
    beside: bool
    """It was brought to another place than its own, as what lies there is another's."""


class Delivery:
    """Sends the contents that wait, and ends their changes: where one arrived, and where nobody wants it any more."""

    def __init__(
        self,
        log: ChangeLog,
        sender: Sender,
        metadata: Metadata,
        cache: ContentCache,
        reachability: Reachability,
        looks: Looks,
        placing: Placing,
    ) -> None:
        self._log = log
        self._sender = sender
        self._metadata = metadata
        self._cache = cache
        self._reachability = reachability
        self._looks = looks
        self._placing = placing

    async def send(self, change: Change, *, even_open: bool = False) -> None:
        """Bring it to the cluster, after whatever has to be there before it. Raises ClusterError."""
        node = _file(change)
        while True:
            # Not under the lock: what is in the way may need it.
            await self._log.turn(change, even_open=even_open)
            async with node.lock:
                if change.row not in self._log.changes or (change.state is not State.READY and not even_open):
                    return
                if node.unlinked and change.attempts:
                    await self._drop(change, node)
                    return
                if not self._log.may_go(change):
                    continue
                # No await since the look at what is in the way.
                change.in_flight = True
                self._log.touch(change)
                try:
                    await self._send(change, node)
                except ClusterError:
                    if node.unlinked:
                        await self._drop(change, node)
                    raise
                finally:
                    change.in_flight = False
                    self._log.tell()
                return

    async def _drop(self, change: Change, node: File) -> None:
        """It was removed, or replaced, while it was on its way. What may have arrived, those behind it know."""
        self._forget(change)
        await self._log.finish(change)
        self._discard(change)
        self._cache.idle(node)
        await self._end(change)

    async def _send(self, change: Change, node: File) -> None:
        path, there = await self._placing.place(change, node)
        before = node.standing
        await self.transfer(change, path, node.remote_mode if path == change.path else None, there)
        if path != change.path:
            node.standing = before
        self._reachability.found()
        await self.finished(change, path)

    async def transfer(self, change: Change, path: str, remote_mode: int | None, there: Sent | None = None) -> None:
        """Write the content of a change to `path`, unless it is what was found `there`. The caller holds the lock.

        When this returns, nothing has been awaited since the mode there was what is asked for.
        """
        node, content = _file(change), _content(change)
        try:
            with content.still():
                await self._transfer(change, node, content, path, remote_mode, there)
        finally:
            # Though it failed, it may have arrived.
            self._looks.outdate(path)

    async def _transfer(
        self, change: Change, node: File, content: Content, path: str, remote_mode: int | None, there: Sent | None
    ) -> None:
        # Put down first: if the answer is lost, it is told from another's doing by this.
        sent = await content.known_by()
        node.standing = with_sent(node.standing, sent)
        await self._log.arrives(path, Standing(sent=(sent,)), change, node)
        self._looks.outdate(path)
        mode = remote_mode if sent == there else None
        if mode is None:
            mode = await self._sender.put(path, content, sent, node.attributes, remote_mode)
        else:
            # An earlier attempt has brought it, and may have left something.
            await self._sender.forget(content)
        while mode != node.attributes.mode:
            mode = node.attributes.mode
            await self._sender.chmod(path, mode)
        # All that was sent before has been replaced.
        node.standing = Standing(sent=(sent,))

    # -- what arrived ----------------------------------------------------------------------------

    async def finished(self, change: Change, path: str, seen: float | None = None) -> None:
        """The cluster has the content of a change, at `path`.

        `seen`: listings asked for after this moment (monotonic) show it; None: those that are asked for from now on.
        """
        await self.put_down([self.arrived(change, path, seen)])

    def arrived(self, change: Change, path: str, seen: float | None = None) -> Arrival:
        """The same, here; next the caller has it `put_down`.

        No await before the node says so: a chmod in between would be lost.
        """
        node, content = _file(change), _content(change)
        current, in_place = node.content is content, path == change.path
        if current:
            content.dirty, content.base = False, None
        self._forget(change)
        if in_place:
            node.on_cluster, node.version, node.written_here = True, None, True
            node.remote_mode = node.attributes.mode
        if node.parent is not None:
            node.parent.entries_made(trio.current_time())
        node.touched = trio.current_time() if seen is None else seen
        self._looks.outdate(path)
        self._looks.arrived(path)
        where = node.path if in_place else path
        set_time = replace(times_of(node, where), size=content.size, modified=None)
        return Arrival(change, set_time, beside=current and not in_place)

    async def put_down(self, arrivals: Sequence[Arrival], others: Sequence[Change] = ()) -> None:
        """Tell the journal, in one transaction, what arrived, and which `others` were made with it."""
        changes = [*(arrival.change for arrival in arrivals), *others]
        # The rows go first: one whose content is gone would be a loss.
        await self._log.finish(*changes, set_times=[arrival.set_time for arrival in arrivals])
        for arrival in arrivals:
            self._discard(arrival.change)
            node = _file(arrival.change)
            if arrival.beside:
                self._settle_conflict(node)
            self._cache.idle(node)

    def _settle_conflict(self, node: File) -> None:
        """What was written here lies beside; under the name itself stands what the cluster has."""
        self._cache.drop(node)
        if node.version is not None:
            node.attributes.size = node.version.size
        node.version, node.standing = None, Standing(known=False)
        if node.parent is not None:
            self._metadata.expire(node.parent)

    # -- what is given up ------------------------------------------------------------------------

    def give_up(self, node: File) -> list[Change]:
        """What was not sent of a file that is removed or replaced, forgotten here. The caller holds its lock.

        And tells the journal, and comes back with these changes to `given_up`.
        """
        changes = [c for c in self._log.of(node) if c.kind is ChangeKind.CONTENT and not c.in_flight]
        for change in changes:
            self._forget(change)
        if node.content is not None and node.change is None:
            node.content.dirty = False
        return changes

    async def given_up(self, changes: Sequence[Change]) -> None:
        """The journal has forgotten them."""
        for change in changes:
            self._discard(change)
            await self._end(change)

    # -- the end of a change, either way ---------------------------------------------------------

    async def _end(self, change: Change) -> None:
        """It is not to be sent any more: an attempt that was interrupted is not gone on with."""
        if self._reachability.since is None:
            await self._sender.forget(_content(change))

    def _forget(self, change: Change) -> None:
        """It waits no longer. Its row is left to `finish`, and its bytes to `_discard`, which comes after that."""
        node = _file(change)
        self._log.take_out(change)
        if node.change is change:
            node.change = None

    def _discard(self, change: Change) -> None:
        node, content = _file(change), _content(change)
        if node.content is not content and not any(other.content is content for other in self._log.of(node)):
            self._cache.store.discard(content)


def _file(change: Change) -> File:
    if not isinstance(change.node, File):  # pragma: no cover -- a content's node is a file
        raise TypeError(change.node)
    return change.node


def _content(change: Change) -> Content:
    if change.content is None:  # pragma: no cover -- only changes of contents come here
        raise TypeError(change.kind)
    return change.content
