"""Contents that wait to go to the cluster: when, and who waits for it.

A file's content lives as a change from its first dirty byte until the cluster has it:

    open    being written; its row stands in the journal before the first byte
    ready   closed; sent at once (`close` waits for a small file), or in the background
    failed  the cluster refused it for good; kept and shown until the user removes or rewrites the file

How one is sent is in `delivery`.
"""

from __future__ import annotations

import math
from dataclasses import replace

import trio

from f7tfs.cluster.errors import ClusterError, TimedOut, TooLarge
from f7tfs.vfs.change import Change, ChangeKind, State
from f7tfs.vfs.changelog import ChangeLog, is_final
from f7tfs.vfs.content import Content
from f7tfs.vfs.deadlines import may_take_long
from f7tfs.vfs.delivery import Delivery
from f7tfs.vfs.nodes import File
from f7tfs.vfs.options import VfsOptions
from f7tfs.vfs.paces import Paces
from f7tfs.vfs.perseverance import Perseverance
from f7tfs.vfs.reachability import Reachability
from f7tfs.vfs.sender import Sender
from f7tfs.vfs.temporaries import is_temporary


class Uploads:
    """What the file operations ask for. Knows which contents go at once, and which may wait."""

    def __init__(
        self,
        log: ChangeLog,
        sender: Sender,
        delivery: Delivery,
        reachability: Reachability,
        paces: Paces,
        options: VfsOptions,
    ) -> None:
        self._log = log
        self._sender = sender
        self._delivery = delivery
        self._reachability = reachability
        self._paces = paces
        self._options = options

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
        await self._check_size(change)
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

    async def _check_size(self, change: Change) -> None:
        """Raises TooLarge for what would be refused before a byte of it is sent; it is kept, and shown as failed."""
        if change.content is None:
            return
        try:
            self._sender.check_size(change.path, change.content.size)
        except TooLarge as error:
            await self._log.note(change, error)
            raise

    def check_growth(self, node: File, start: int) -> None:
        """Raises TooLarge where `node` is written on from `start`, and so much, or what it has, is never taken.

        The one write that passes the bound is let through: by its size it is then known as one that is not sent.
        """
        if not node.unlinked:
            self._sender.check_size(node.path, max(start, node.attributes.size))

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
            with trio.fail_after(self._options.answer_seconds):
                await self._delivery.send(change)
        except ClusterError as error:
            await self._log.note(change, error)
            if is_final(error):
                raise
        except trio.TooSlowError:
            self._log.put_off(change, TimedOut("the cluster did not answer in time"))

    async def store(self, node: File) -> None:
        """What `fsync` does: wait until the cluster has it. Raises ClusterError where it does not.

        What may pass is tried again, for as long as the caller can wait: the change stays in the journal anyway, and
        survives a power cut there. Raises OSError where not even that can be.
        """
        change = node.change
        if change is None:
            return
        try:
            await self._store(change)
        except ClusterError:
            if change.row in self._log.changes and change.content is not None:
                await change.content.harden()
                await self._log.journal.harden()
            raise

    async def _store(self, change: Change) -> None:
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
        seconds = self._options.answer_seconds
        perseverance = Perseverance(self._reachability, seconds)
        try:
            quick = self.is_quick(change)
            if not quick:
                may_take_long()
            with trio.fail_after(seconds if quick else math.inf):
                await perseverance.until_done(
                    lambda: self._delivery.send(change, even_open=even_open),
                    lambda error: self._log.tried(change, error),
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
        given_up = self._delivery.give_up(node)
        if given_up:
            await self._log.finish(*given_up)
        await self._delivery.given_up(given_up)
