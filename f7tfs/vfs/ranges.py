"""Reads large files by ranges of their copies in object storage.

A file is staged once for all who have it open, from the moment that it is opened. Ranges of the copy come in
parallel, straight into the sparse cache file: ahead of a reader who goes through it in order, and just what is asked
for else.

Whatever waits here ends when the mount does: stagings and fetches are tasks of the file system's nursery.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import trio

from f7tfs.cluster.errors import ClusterError, NotFound, TimedOut, Unavailable
from f7tfs.cluster.model import StagedObject
from f7tfs.cluster.port import Cluster
from f7tfs.vfs.content import Content
from f7tfs.vfs.deadlines import may_take_long
from f7tfs.vfs.going_on import go_on
from f7tfs.vfs.nodes import File
from f7tfs.vfs.sequence import BLOCK, runs
from f7tfs.vfs.staged import StagedCopies
from f7tfs.vfs.transfers import Transfer, Transfers

logger = logging.getLogger(__name__)

RELEASE_SECONDS = 60.0
RESTAGE_SECONDS = 10.0
"""A copy that is refused so soon after it was made is no good, and another one would not be better."""


@dataclass(eq=False, slots=True)
class _Staging:
    """A copy that is being made. `wanted`: how many wait for it, or will read it."""

    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    ended: trio.Event = field(default_factory=trio.Event)
    staged: StagedObject | None = None
    error: Exception | None = None
    waiting: int = 0


@dataclass(eq=False, slots=True)
class _Stream:
    """What is on its way for one content."""

    transfer: Transfer
    coming: set[int] = field(default_factory=set)
    """Blocks that somebody fetches."""
    news: trio.Event = field(default_factory=trio.Event)
    scopes: set[trio.CancelScope] = field(default_factory=set)
    staging: _Staging | None = None
    staged_at: float = float("-inf")

    def tell(self) -> None:
        self.news.set()
        self.news = trio.Event()


class Ranges:
    """Makes ranges of large files present. `nursery` owns all that goes on in the background."""

    def __init__(
        self,
        cluster: Cluster,
        copies: StagedCopies,
        transfers: Transfers,
        nursery: trio.Nursery,
        *,
        make_room: Callable[[int], None],
        streams: int,
        staging_seconds: float,
    ) -> None:
        self._cluster = cluster
        self._copies = copies
        self._transfers = transfers
        self._nursery = nursery
        self._make_room = make_room
        self._limiter = trio.CapacityLimiter(streams)
        self._staging_seconds = staging_seconds
        self._streams: dict[Content, _Stream] = {}

    # -- what the reader asks for ----------------------------------------------------------------

    def begin(self, node: File, content: Content) -> None:
        """It was opened to be read: stage it. No await: the opener does not wait."""
        if not content.complete and self._copies.find(node.remote_path, content) is None:
            self._staging(node, content)

    def holds(self, node: File, content: Content) -> bool:
        """Whether there is a copy, or will be: reading from that costs no call."""
        return self.busy(content) or self._copies.find(node.remote_path, content) is not None

    def busy(self, content: Content) -> bool:
        """Whether it is being staged."""
        stream = self._streams.get(content)
        return stream is not None and stream.staging is not None

    def read_ahead(self, node: File, content: Content, stop: int, ahead: int) -> None:
        """The bytes before `stop` are here; ask for `ahead` more. No await."""
        if ahead and content in self._streams:
            self._order(node, content, self._streams[content], stop, min(stop + ahead, content.size))

    async def ensure(self, node: File, content: Content, start: int, stop: int, ahead: int = 0) -> None:
        """Make bytes [start, stop) present, and ask for `ahead` more. Raises ClusterError."""
        may_take_long()
        stream = self._stream(node, content)
        await self.staged(node, content)
        stop = min(stop, content.size)
        self._order(node, content, stream, start, min(stop + ahead, content.size))
        while not content.present.covers(start, stop):
            if self._is_coming(content, stream, start, stop):
                await stream.news.wait()
            else:
                # It failed in the background: fetch it here, so that the reader gets the error.
                await self._fetch_or_restage(node, content, stream, start, stop)
                if not content.present.covers(start, min(stop, content.size)):
                    raise Unavailable(f"{node.path}: its staged copy lacks bytes {start} to {stop}")

    def forget(self, content: Content) -> None:
        """The content is of no use any more, and nor is its copy."""
        self.idle(content)
        go_on(self._nursery, self._drop, content)

    def idle(self, content: Content) -> None:
        """Nobody has it open: what is still on its way is not wanted, unless somebody waits for it all the same."""
        stream = self._streams.get(content)
        if stream is None or (stream.staging is not None and stream.staging.waiting):
            return
        del self._streams[content]
        for scope in stream.scopes:
            scope.cancel()
        if stream.staging is not None:
            stream.staging.scope.cancel()

    def _stream(self, node: File, content: Content) -> _Stream:
        stream = self._streams.get(content)
        if stream is None:
            stream = self._streams[content] = _Stream(Transfer("download", node.path, content.size))
        return stream

    # -- staging ---------------------------------------------------------------------------------

    async def staged(self, node: File, content: Content) -> StagedObject:
        """The copy of a file, made if there is none. Raises ClusterError."""
        found = self._copies.find(node.remote_path, content)
        if found is not None:
            self._resize(node, content, found)
            return found
        if node.displaced:
            raise NotFound(f"{node.remote_path} was replaced")
        staging = self._staging(node, content)
        staging.waiting += 1
        try:
            await staging.ended.wait()
        finally:
            staging.waiting -= 1
        if staging.staged is None:
            raise staging.error or Unavailable(f"{node.path}: its staging was given up")
        return staging.staged

    def _staging(self, node: File, content: Content) -> _Staging:
        stream = self._stream(node, content)
        if stream.staging is None:
            stream.staging = _Staging()
            go_on(self._nursery, self._stage, node, content, stream, stream.staging)
        return stream.staging

    async def _stage(self, node: File, content: Content, stream: _Stream, staging: _Staging) -> None:
        path, transfer = node.remote_path, stream.transfer
        try:
            with self._transfers.running(transfer), staging.scope:
                with trio.fail_after(self._staging_seconds):
                    staged = await self._cluster.stage_out(path, transfer.progress)
                    for old in await self._copies.add(path, content, staged):
                        go_on(self._nursery, self._release, old)
                self._resize(node, content, staged)
                staging.staged, stream.staged_at = staged, time.monotonic()
        except trio.TooSlowError:
            staging.error = TimedOut(f"{path} was not staged within {self._staging_seconds:.0f} s")
        except Exception as error:  # noqa: BLE001 -- who waits for it is told
            staging.error = error
            logger.info("staging %s failed: %s", path, error)
        finally:
            stream.staging = None
            staging.ended.set()
            stream.tell()

    def _resize(self, node: File, content: Content, staged: StagedObject) -> None:
        if staged.size != content.size and not content.dirty:
            content.resize(staged.size)
            self._stream(node, content).transfer.size = staged.size
            node.attributes.size = staged.size

    async def _drop(self, content: Content) -> None:
        staged = await self._copies.drop(content)
        if staged is not None:
            await self._release(staged)

    async def _release(self, staged: StagedObject) -> None:
        with trio.move_on_after(RELEASE_SECONDS):
            try:
                await self._cluster.release(staged)
            except ClusterError as error:
                logger.info("a staged copy was left to expire: %s", error)

    # -- fetching --------------------------------------------------------------------------------

    def _is_coming(self, content: Content, stream: _Stream, start: int, stop: int) -> bool:
        missing = content.present.missing(start, stop)
        return all(
            block in stream.coming for low, high in missing for block in range(low // BLOCK, -(-high // BLOCK))
        )

    def _order(self, node: File, content: Content, stream: _Stream, start: int, stop: int) -> None:
        if self._copies.find(node.remote_path, content) is None:
            return
        for low, high in runs(content.present.missing(start, stop), stream.coming, content.size):
            blocks = range(low // BLOCK, -(-high // BLOCK))
            stream.coming.update(blocks)
            go_on(self._nursery, self._fetch_ahead, node, content, stream, blocks, low, high)

    async def _fetch_ahead(
        self, node: File, content: Content, stream: _Stream, blocks: range, start: int, stop: int
    ) -> None:
        scope = trio.CancelScope()
        stream.scopes.add(scope)
        try:
            with self._transfers.running(stream.transfer), scope, content.held():
                async with self._limiter:
                    await self._fetch(node, content, stream, start, stop)
        except Exception as error:  # noqa: BLE001 -- whoever needs it fetches it again and gets the error
            logger.info("fetching from %s failed: %s", node.path, error)
        finally:
            stream.scopes.discard(scope)
            stream.coming.difference_update(blocks)
            stream.tell()

    async def _fetch_or_restage(self, node: File, content: Content, stream: _Stream, start: int, stop: int) -> None:
        """Fetch what is missing; where the copy is gone, make another one, unless it was made just now."""
        for _ in range(2):
            await self.staged(node, content)
            try:
                await self._fetch(node, content, stream, start, stop)
                return
            except NotFound as error:
                lost = error
                await self._drop(content)
            if time.monotonic() - stream.staged_at < RESTAGE_SECONDS:
                break
        raise Unavailable(f"the staged copy of {node.path} cannot be read: {lost}") from lost

    async def _fetch(self, node: File, content: Content, stream: _Stream, start: int, stop: int) -> None:
        staged = self._copies.find(node.remote_path, content)
        if staged is None:
            raise NotFound(f"{node.path} has no staged copy")
        missing = content.present.missing(start, min(stop, content.size))
        self._make_room(sum(high - low for low, high in missing))
        token = trio.lowlevel.current_trio_token()

        def arrived(offset: int, data: memoryview) -> None:
            content.put(offset, data)
            token.run_sync_soon(self._arrived, content, stream, offset, offset + len(data))

        for low, high in missing:
            await self._cluster.fetch(staged, low, high, arrived)

    def _arrived(self, content: Content, stream: _Stream, start: int, stop: int) -> None:
        content.arrived(start, stop)
        stream.transfer.progress("transferring", content.present.total())
        stream.tell()
