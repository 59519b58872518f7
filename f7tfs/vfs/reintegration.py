"""Reintegration: sends what the journal holds to the cluster.

A file's change lives from its first dirty byte until the cluster has the content:

    open    being written; its row stands in the journal before the first byte
    ready   closed; sent at once (`close` waits for a small file), or in the background
    failed  the cluster refused it for good; kept and shown until the user removes or rewrites the file

A change is sent under the lock of its node, from a content that nobody may change meanwhile: whoever writes during an
upload writes into a copy, which is a change of its own.
"""

from __future__ import annotations

import contextlib
import logging
import random
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator

import trio

from f7tfs.cluster.errors import ClusterError, Refused, TimedOut, Unauthorized, Unavailable, Uncertain
from f7tfs.cluster.lane import background
from f7tfs.vfs.cache import ContentCache
from f7tfs.vfs.content import Content
from f7tfs.vfs.journal import Change, Journal, SetTime
from f7tfs.vfs.metadata import Metadata
from f7tfs.vfs.nodes import File, Node
from f7tfs.vfs.options import VfsOptions
from f7tfs.vfs.reachability import Reachability
from f7tfs.vfs.routes import WriteRoute
from f7tfs.vfs.sender import Sender
from f7tfs.vfs.temporaries import is_temporary

logger = logging.getLogger(__name__)

LONGEST_PAUSE = 60.0
CONCURRENT = 4
# A close that waits for the cluster ends before the deadline of its request: what is journaled is no error.
CLOSE_SHARE = 0.75

DrainProgress = Callable[[int, int], None]
"""Told (changes left, bytes left)."""


class Reintegration:
    """The changes of this mount, and their way to the cluster."""

    def __init__(
        self,
        sender: Sender,
        journal: Journal,
        metadata: Metadata,
        cache: ContentCache,
        reachability: Reachability,
        options: VfsOptions,
    ) -> None:
        self._sender = sender
        self._journal = journal
        self._metadata = metadata
        self._cache = cache
        self._reachability = reachability
        reachability.on_return = self._resume
        self._options = options
        self._news = trio.Event()
        self._limiter = trio.CapacityLimiter(CONCURRENT)
        self._held: list[Node] = []
        self.changes: dict[int, Change] = {}
        """By journal row, oldest first."""

    # -- what the file operations ask for --------------------------------------------------------

    async def begin(self, node: File, content: Content) -> Change:
        """Note that a file is about to become dirty."""
        if node.change is not None and node.change.content is content:
            await self._reopen(node.change)
            return node.change
        content.dirty = True
        change = await self._journal.begin(node, content)
        node.change = self.changes[change.row] = change
        return change

    async def _reopen(self, change: Change) -> None:
        if change.state != "open":
            change.state, change.error, change.attempts = "open", None, 0
            await self._journal.update(change)

    async def close(self, node: File) -> None:
        """What `flush` does: the content is whole; by write mode, size and name it goes now or soon.

        Raises the cluster's refusal where this close waits for the cluster.
        """
        change = node.change
        if change is None or change.state == "failed" or node.unlinked:
            return
        # Claimed before anybody is told, so that the background does not send it too.
        change.sending = foreground = self.goes_at_once(change, node.name)
        try:
            await self._make_ready(change)
            if foreground:
                await self._send_or_keep(change)
        finally:
            if foreground:
                self._let_go(change)

    def _let_go(self, change: Change) -> None:
        # Whoever claimed it may have been cancelled: the background takes over, and has to be told.
        change.sending = False
        self._tell()

    async def _make_ready(self, change: Change) -> None:
        if change.state != "ready":
            change.state = "ready"
            delay = self._options.temporary_seconds if is_temporary(change.node.name) else 0.0
            change.not_before = trio.current_time() + delay
            await self._journal.update(change)
        self._tell()

    def goes_at_once(self, change: Change, name: str) -> bool:
        """Whether who closes it under that name waits for the cluster."""
        if self._options.write_mode != "auto":
            return self._options.write_mode == "sync"
        if self._reachability.since is not None:
            return False
        return self._sender.route(change.content) is not WriteRoute.STAGED and not is_temporary(name)

    async def _send_or_keep(self, change: Change) -> None:
        """Send now; a refusal is the caller's, and anything that may pass leaves the change to the background."""
        try:
            with trio.fail_after(self._options.deadline * CLOSE_SHARE):
                await self._send(change)
        except ClusterError as error:
            await self._note(change, error)
            if is_final(error):
                raise
        except trio.TooSlowError:
            await self.put_off(change, TimedOut("the cluster did not answer in time"))

    async def store(self, node: File) -> None:
        """What `fsync` does: wait until the cluster has it. Raises ClusterError where it does not."""
        change = node.change
        if change is None:
            return
        if change.state == "failed" and change.error is not None:
            raise change.error
        change.sending = True
        try:
            await self._make_ready(change)
            await self._send(change, even_open=True)
        except ClusterError as error:
            await self._note(change, error)
            raise
        finally:
            self._let_go(change)

    async def abandon(self, node: File) -> None:
        """The file was removed: what was not sent need not be. The caller holds the node's lock."""
        for change in [c for c in self.changes.values() if c.node is node]:
            self._forget(change)
            await self._journal.drop(change)
        if node.content is not None:
            node.content.dirty = False

    def _forget(self, change: Change) -> None:
        self.changes.pop(change.row, None)
        if change.node.change is change:
            change.node.change = None
        if change.node.content is not change.content:
            self._cache.store.discard(change.content)
        self._tell()

    def below(self, directory: Node) -> list[Change]:
        """The changes of files below a directory."""
        return [change for change in self.changes.values() if change.node.is_below(directory)]

    # -- sending ---------------------------------------------------------------------------------

    async def _send(self, change: Change, *, even_open: bool = False) -> None:
        async with change.node.lock:
            await self._not_held(change.node)
            if change.row not in self.changes or (change.state != "ready" and not even_open):
                return
            path = await self._target(change)
            await self.transfer(change, path, change.node.remote_mode)
            self._reachability.found()
            await self.finished(change, path)

    async def transfer(self, change: Change, path: str, remote_mode: int | None) -> None:
        """Write the content of a change to `path`. The caller holds the node's lock.

        When this returns, nothing has been awaited since the mode there was what is asked for.
        """
        change.content.frozen = True
        try:
            mode = await self._sender.put(path, change.content, change.node.attributes, remote_mode)
            while mode != change.node.attributes.mode:
                mode = change.node.attributes.mode
                await self._sender.chmod(path, mode)
        finally:
            change.content.frozen = False

    async def _not_held(self, node: File) -> None:
        while any(node.is_below(directory) for directory in self._held):
            await self._news.wait()

    @contextlib.asynccontextmanager
    async def hold(self, directory: Node) -> AsyncIterator[None]:
        """Nothing is on its way to a place below a directory for the time of the block: it is being renamed."""
        await self.drain(below=directory)
        # No await between the end of the drain and this line.
        self._held.append(directory)
        try:
            yield
        finally:
            self._held.remove(directory)
            self._tell()

    async def _target(self, change: Change) -> str:
        """Where the content goes: its own place, or beside it where someone changed the file meanwhile."""
        node, base = change.node, change.content.base
        if base is None or not node.on_cluster or node.parent is None:
            return node.path
        await self._metadata.ensure_listed(node.parent)
        if node.version is None or node.version == base:
            return node.path
        stamp = time.strftime("%Y%m%dT%H%M%S")
        path = f"{node.path}.conflict-{socket.gethostname()}-{stamp}"
        logger.warning("%s was changed on the cluster meanwhile; what was written here is in %s", node.path, path)
        return path

    async def remember(self, change: Change) -> None:
        """Write down the attributes that go with a change."""
        await self._journal.update(change)

    async def finished(self, change: Change, path: str) -> None:
        """The cluster has the content of a change, at `path`."""
        node = change.node
        # No await before the node says so: a chmod in between would be lost.
        current = node.content is change.content
        if current:
            change.content.dirty, change.content.base = False, None
        self._forget(change)
        in_place = path == node.path
        if in_place:
            node.on_cluster, node.version, node.written_here = True, None, True
            node.remote_mode = node.attributes.mode
        if node.parent is not None:
            # Its time changed there through us: the next look is adopted.
            node.parent.version = None
        node.touched = trio.current_time()
        set_time = SetTime(path, change.content.size, None, node.attributes.mtime_ns)
        await self._journal.finish(change, set_time)
        if current and not in_place:
            self._settle_conflict(node)
        self._cache.idle(node)

    def _settle_conflict(self, node: File) -> None:
        """What was written here lies beside; under the name itself stands what the cluster has."""
        self._cache.drop(node)
        if node.version is not None:
            node.attributes.size = node.version.size
        node.version = None
        if node.parent is not None:
            self._metadata.expire(node.parent)

    async def _note(self, change: Change, error: ClusterError) -> None:
        """What comes of a change that could not be sent."""
        if is_final(error):
            await self._fail(change, error)
        else:
            await self.put_off(change, error)

    async def _fail(self, change: Change, error: ClusterError) -> None:
        if change.row not in self.changes:
            return
        change.state, change.error = "failed", error
        logger.error("%s could not be sent, and is kept here: %s", change.node.path, error)
        await self._journal.update(change)
        self._tell()

    async def put_off(self, change: Change, error: ClusterError) -> None:
        """It may work later: try again after a pause."""
        change.attempts += 1
        change.error = error
        if isinstance(error, Unavailable):
            self._reachability.lost(error)
        pause = min(LONGEST_PAUSE, 2.0**change.attempts) * random.uniform(0.5, 1.0)  # noqa: S311 -- jitter
        change.not_before = trio.current_time() + pause
        logger.warning("%s is not on the cluster yet, next try in %.0f s: %s", change.node.path, pause, error)
        self._tell()

    # -- the background --------------------------------------------------------------------------

    def _tell(self) -> None:
        self._news.set()
        self._news = trio.Event()

    async def run(self) -> None:
        """Send what is due, for ever."""
        async with trio.open_nursery() as nursery:
            while True:
                news = self._news
                for change in self._due():
                    change.sending = True
                    nursery.start_soon(self._attempt, change)
                with trio.move_on_at(self._next_due()):
                    await news.wait()

    def _waiting(self) -> Iterator[Change]:
        return (change for change in self.changes.values() if change.state == "ready" and not change.sending)

    def _due(self) -> list[Change]:
        now = trio.current_time()
        return [change for change in self._waiting() if change.not_before <= now]

    def _next_due(self) -> float:
        return min((change.not_before for change in self._waiting()), default=float("inf"))

    async def _attempt(self, change: Change) -> None:
        # Whoever waits for an answer goes first.
        with background():
            async with self._limiter:
                await self._try(change)

    async def _try(self, change: Change) -> None:
        try:
            await self._send(change)
        except ClusterError as error:
            await self._note(change, error)
        except Exception as error:
            # A defect, or the local disk: nothing in the background may end the mount, or give data up.
            logger.exception("sending %s failed", change.node.path)
            await self.put_off(change, Uncertain(str(error)))
        finally:
            change.sending = False
            self._tell()

    # -- drain -----------------------------------------------------------------------------------

    def left(self) -> tuple[int, int]:
        """(changes, bytes) that the cluster does not have."""
        return len(self.changes), sum(change.content.size for change in self.changes.values())

    def failed(self) -> list[Change]:
        return [change for change in self.changes.values() if change.state == "failed"]

    async def drain(self, progress: DrainProgress | None = None, below: Node | None = None) -> int:
        """Wait until all that is closed is on the cluster or has failed; returns how many changes are left."""
        while True:
            news = self._news
            changes = list(self.changes.values()) if below is None else self.below(below)
            for change in changes:
                if change.state == "open" and change.node.handles == 0:
                    await self._make_ready(change)
            waiting = [change for change in changes if change.state == "ready"]
            if progress is not None:
                progress(*self.left())
            if not waiting:
                return len([change for change in changes if change.row in self.changes])
            self._hurry(waiting)
            await news.wait()

    def _resume(self) -> None:
        """The cluster is back: what waits out a pause need not."""
        for change in self._waiting():
            if change.attempts:
                change.not_before = trio.current_time()
        self._tell()

    def _hurry(self, waiting: list[Change]) -> None:
        """Do not wait for a temporary's rename any longer; the pause after a failure stays."""
        hurried = [change for change in waiting if change.attempts == 0 and change.not_before > trio.current_time()]
        for change in hurried:
            change.not_before = trio.current_time()
        if hurried:
            self._tell()


def is_final(error: ClusterError) -> bool:
    """Whether sending the same again would be refused again. Credentials are renewed while a mount lives."""
    return isinstance(error, Refused) and not isinstance(error, Unauthorized)
