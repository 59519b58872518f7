"""Contents on their way to the cluster.

A file's content lives as a change from its first dirty byte until the cluster has it:

    open    being written; its row stands in the journal before the first byte
    ready   closed; sent at once (`close` waits for a small file), or in the background
    failed  the cluster refused it for good; kept and shown until the user removes or rewrites the file

It is sent under the lock of its node, from a content that nobody may change meanwhile: whoever writes during an
upload writes into a copy, which is a change of its own.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import replace

import trio

from f7tfs.cluster.errors import ClusterError, TimedOut
from f7tfs.vfs.cache import ContentCache
from f7tfs.vfs.change import Change, ChangeKind, State
from f7tfs.vfs.changelog import ChangeLog, is_final
from f7tfs.vfs.content import Content
from f7tfs.vfs.deadlines import may_take_long
from f7tfs.vfs.journal import SetTime, times_of
from f7tfs.vfs.looks import Looks
from f7tfs.vfs.metadata import Metadata
from f7tfs.vfs.nodes import File, Sent, Standing
from f7tfs.vfs.options import VfsOptions
from f7tfs.vfs.paces import Paces
from f7tfs.vfs.perseverance import Perseverance
from f7tfs.vfs.placing import Placing
from f7tfs.vfs.reachability import Reachability
from f7tfs.vfs.sender import Sender, digest_of
from f7tfs.vfs.standing import with_sent
from f7tfs.vfs.temporaries import is_temporary

logger = logging.getLogger(__name__)

# A close that waits for the cluster ends before the deadline of its request: what is journaled is no error.
CLOSE_SHARE = 0.75


class Uploads:
    """The changes of contents, from `begin` to `finished`."""

    def __init__(
        self,
        log: ChangeLog,
        sender: Sender,
        metadata: Metadata,
        cache: ContentCache,
        reachability: Reachability,
        looks: Looks,
        paces: Paces,
        options: VfsOptions,
    ) -> None:
        self._log = log
        self._sender = sender
        self._metadata = metadata
        self._cache = cache
        self._reachability = reachability
        self._looks = looks
        self._paces = paces
        self._options = options
        self._placing = Placing(metadata, looks, options)

    # -- what the file operations ask for --------------------------------------------------------

    async def begin(self, node: File, content: Content) -> Change:
        """Note that a file is about to become dirty."""
        if node.change is not None and node.change.content is content:
            await self._reopen(node.change)
            return node.change
        content.dirty, content.kept = True, content.size
        standing = self._log.standing_of(node)
        if node.change is None and content.base is not None:
            standing = replace(standing, version=content.base)
        node.standing = standing
        node.change = change = self._log.register(ChangeKind.CONTENT, node, node.path, state=State.OPEN)
        change.content = content
        await self._log.keep(change)
        return change

    async def _reopen(self, change: Change) -> None:
        if change.state is not State.OPEN:
            change.state, change.error = State.OPEN, None
            self._log.touch(change)
            await self._log.journal.update(change)

    async def close(self, node: File) -> None:
        """What `flush` does: the content is whole; by write mode, size and name it goes now or soon.

        Raises the cluster's refusal where this close waits for the cluster.
        """
        change = node.change
        if change is None or change.state is State.FAILED or node.unlinked:
            return
        # Claimed before anybody is told, so that the background does not send it too.
        foreground = not change.sending and self.goes_at_once(change, node.name)
        change.sending = change.sending or foreground
        try:
            await self.make_ready(change)
            if foreground:
                await self._send_or_keep(change)
            elif self._options.write_mode == "auto":
                self._tell_refusal(change)
        finally:
            change.sending = change.sending and not foreground
            self._log.tell()

    async def make_ready(self, change: Change) -> None:
        """It is whole; a temporary's gets some time to be renamed or removed."""
        if change.state is not State.READY:
            change.state = State.READY
            patient = is_temporary(change.node.name) and not change.urgent
            delay = self._options.temporary_seconds if patient else 0.0
            change.not_before = trio.current_time() + delay
            await self._log.journal.update(change)
        elif not change.attempts and not is_temporary(change.node.name):
            # It was renamed.
            change.not_before = min(change.not_before, trio.current_time())
        self._log.tell()

    def goes_at_once(self, change: Change, name: str) -> bool:
        """Whether who closes it under that name waits for the cluster."""
        if self._options.write_mode == "sync":
            return True
        return self.wants_to_go(change, name) and self._goes_soon(change)

    def _goes_soon(self, change: Change) -> bool:
        """Whether nothing is in its way, but for directories of a burst that are about to be made."""
        if self._log.claimed(change.paths):
            return False
        ahead = (other for other in self._log.meeting(change.paths) if other.row < change.row and other.blocks)
        return all(
            other.kind is ChangeKind.MKDIR and other.state is State.READY and not other.attempts for other in ahead
        )

    def wants_to_go(self, change: Change, name: str) -> bool:
        """The same, where nothing in the journal is in the way."""
        if self._options.write_mode != "auto" or change.content is None:
            return self._options.write_mode == "sync"
        if self._reachability.since is not None or self._paces.going_on(change.path):
            return False
        return self._sender.route(change.content).quick and not is_temporary(name)

    def _tell_refusal(self, change: Change) -> None:
        """Raise what keeps a change from ever being sent."""
        blocker = self._log.in_the_way(change)
        if blocker is not None and blocker.state is State.FAILED and blocker.error is not None:
            raise blocker.error

    async def _send_or_keep(self, change: Change) -> None:
        """Send now; a refusal is the caller's, and anything that may pass leaves the change to the background.

        Not so in `sync` mode: there the cluster has it, or the caller is told.
        """
        if self._options.write_mode == "sync":
            await self._insist(change)
            return
        try:
            with trio.fail_after(self._options.deadline * CLOSE_SHARE):
                await self.send(change)
        except ClusterError as error:
            await self._log.note(change, error)
            if is_final(error):
                raise
        except trio.TooSlowError:
            self._log.put_off(change, TimedOut("the cluster did not answer in time"))

    async def store(self, node: File) -> None:
        """What `fsync` does: wait until the cluster has it. Raises ClusterError where it does not.

        What may pass is tried again, for as long as the caller can wait: the change stays in the journal anyway.
        """
        change = node.change
        if change is None:
            return
        if change.state is State.FAILED and change.error is not None:
            raise change.error
        mine, change.sending = not change.sending, True
        try:
            await self.make_ready(change)
            await self._insist(change, even_open=True)
        finally:
            change.sending = change.sending and not mine
            self._log.tell()

    async def _insist(self, change: Change, *, even_open: bool = False) -> None:
        """Send it, and again where that fails with what may pass, as long as one can wait. Raises ClusterError."""
        seconds = self._options.deadline * CLOSE_SHARE
        perseverance = Perseverance(self._reachability, seconds)
        try:
            quick = self.is_quick(change)
            if not quick:
                may_take_long()
            with trio.fail_after(seconds if quick else math.inf):
                await perseverance.until_done(
                    lambda: self.send(change, even_open=even_open), lambda error: self._log.tried(change, error)
                )
        except ClusterError as error:
            await self._log.note(change, error)
            raise
        except trio.TooSlowError:
            last = change.error or TimedOut("the cluster did not answer in time")
            self._log.put_off(change, last)
            raise last from None

    def is_quick(self, change: Change) -> bool:
        """Whether it takes a few calls, with all that has to be made before it."""
        ahead = [other for other in self._log.meeting(change.paths) if other.row <= change.row]
        return not self._log.claimed(change.paths) and all(
            other.kind is ChangeKind.MKDIR or (other.content is not None and self._sender.route(other.content).quick)
            for other in ahead
        )

    async def abandon(self, node: File) -> None:
        """The file was removed: what was not sent need not be. The caller holds the node's lock."""
        given_up = self.give_up(node)
        for change in given_up:
            await self._log.finish(change)
        await self.given_up(given_up)

    def give_up(self, node: File) -> list[Change]:
        """The same, here. The caller tells the journal, and comes back with the changes to `given_up`."""
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

    async def _end(self, change: Change) -> None:
        """It is not to be sent any more: an attempt that was interrupted is not gone on with."""
        if self._reachability.since is None:
            await self._sender.forget(_content(change))

    def _forget(self, change: Change) -> None:
        """It waits no longer. Its row and its bytes are left to `_finish`."""
        node = _file(change)
        self._log.take_out(change)
        if node.change is change:
            node.change = None

    async def _finish(self, change: Change, set_time: SetTime | None = None) -> None:
        """Its row goes first: a row whose content is gone would be a loss."""
        await self._log.finish(change, set_time)
        self._discard(change)

    def _discard(self, change: Change) -> None:
        node, content = _file(change), _content(change)
        if node.content is not content and not any(other.content is content for other in self._log.of(node)):
            self._cache.store.discard(content)

    # -- sending ---------------------------------------------------------------------------------

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
        await self._finish(change)
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
        sent = await digest_of(content)
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

    # -- afterwards ------------------------------------------------------------------------------

    async def finished(self, change: Change, path: str, seen: float | None = None) -> None:
        """The cluster has the content of a change, at `path`.

        `seen`: listings asked for after this moment (monotonic) show it; None: those that are asked for from now on.
        """
        node, content = _file(change), _content(change)
        # No await before the node says so: a chmod in between would be lost.
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
        await self._finish(change, replace(times_of(node, where), size=content.size, modified=None))
        if current and not in_place:
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


def _file(change: Change) -> File:
    if not isinstance(change.node, File):  # pragma: no cover -- a content's node is a file
        raise TypeError(change.node)
    return change.node


def _content(change: Change) -> Content:
    if change.content is None:  # pragma: no cover -- only changes of contents come here
        raise TypeError(change.kind)
    return change.content
