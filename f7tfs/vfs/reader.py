"""Brings the bytes of remote files into the content cache, by the route that the planner says.

Small files come whole, in one call. Large ones are staged once for all readers, and then come in chunks of the staged
object, in parallel and ahead of a sequential reader, so that who reads a header does not wait for the end.
"""

from __future__ import annotations

import logging
import time

import trio

from f7tfs.cluster.errors import ClusterError, NotFound, TooLarge, Unavailable
from f7tfs.cluster.model import StagedObject
from f7tfs.cluster.port import Cluster
from f7tfs.vfs.bundles import Bundles
from f7tfs.vfs.cache import ContentCache
from f7tfs.vfs.content import Content
from f7tfs.vfs.nodes import File
from f7tfs.vfs.routes import ReadRoute, plan_read
from f7tfs.vfs.singleflight import SingleFlight

logger = logging.getLogger(__name__)

CHUNK = 4 * 2**20
STREAMS = 8
# A sequential reader finds at most this much already on its way.
MOST_AHEAD = 16 * CHUNK
EXPIRY_MARGIN = 60.0


class _Stream:
    """What the reader remembers of one content: how far it was read in order, and which chunks are coming."""

    def __init__(self) -> None:
        self.next_offset = 0
        self.ahead = 0
        self.coming: dict[int, trio.Event] = {}

    def look_ahead(self, start: int, stop: int) -> int:
        """How many bytes beyond `stop` to ask for: more and more for one who reads in order, none for others."""
        if start == self.next_offset:
            self.ahead = min(max(self.ahead * 2, CHUNK), MOST_AHEAD)
        elif not self.next_offset - MOST_AHEAD <= start <= self.next_offset + MOST_AHEAD:
            self.ahead = 0
        self.next_offset = stop
        return self.ahead


class Reader:
    """Makes bytes present. `nursery` owns the chunks that are fetched ahead."""

    def __init__(self, cluster: Cluster, cache: ContentCache, nursery: trio.Nursery, bundles: Bundles) -> None:
        self._cluster = cluster
        self._cache = cache
        cache.on_dropped = self.forget
        self._nursery = nursery
        self._bundles = bundles
        self._whole: SingleFlight[int, None] = SingleFlight()
        self._staging: SingleFlight[int, StagedObject] = SingleFlight()
        self._staged: dict[Content, StagedObject] = {}
        self._streams: dict[Content, _Stream] = {}
        self._limiter = trio.CapacityLimiter(STREAMS)

    def forget(self, content: Content) -> None:
        """The content is dropped."""
        self._streams.pop(content, None)
        staged = self._staged.pop(content, None)
        if staged is not None:
            self._nursery.start_soon(self._release, staged)

    async def _release(self, staged: StagedObject) -> None:
        with trio.move_on_after(EXPIRY_MARGIN):
            try:
                await self._cluster.release(staged)
            except ClusterError as error:
                logger.info("a staged object was left to expire: %s", error)

    # -- what callers ask for --------------------------------------------------------------------

    async def complete(self, node: File) -> None:
        """Make the whole file present."""
        content = self._cache.content(node)
        await self.ensure(node, content, 0, content.size)

    async def ensure(self, node: File, content: Content, start: int, stop: int) -> None:
        """Make bytes [start, stop) present, as far as the file has them."""
        stop = min(stop, content.size)
        if content.present.covers(start, stop) and self._streams.get(content) is None:
            return
        if plan_read(content.size, self._cluster.limits) is ReadRoute.DIRECT:
            if await self._bundles.carried(node, content):
                return
            try:
                await self._whole.run(node.number, lambda: self._fetch_whole(node, content))
                return
            except TooLarge:
                logger.info("%s has grown above the direct limit", node.path)
        await self._ensure_staged(node, content, start, stop)

    # -- direct ----------------------------------------------------------------------------------

    async def _fetch_whole(self, node: File, content: Content) -> None:
        if content.complete:
            return
        data = await self._cluster.read_direct(node.path)
        if len(data) != content.size and not content.dirty:
            # Newer than the listing; the next listing will show another version and drop it.
            content.truncate(len(data))
            node.attributes.size = len(data)
        content.fill(0, data)

    # -- staged ----------------------------------------------------------------------------------

    async def _ensure_staged(self, node: File, content: Content, start: int, stop: int) -> None:
        stream = self._streams.setdefault(content, _Stream())
        ahead = stream.look_ahead(start, stop)
        if not content.present.covers(start, stop):
            await self._staged_object(node, content)
        for chunk in range(start // CHUNK, -(-min(stop + ahead, content.size) // CHUNK)):
            self._order(node, content, stream, chunk)
        for chunk in range(start // CHUNK, -(-stop // CHUNK)):
            if (event := stream.coming.get(chunk)) is not None:
                await event.wait()
        if not content.present.covers(start, stop):
            # A chunk failed in the background: fetch it here, so that the reader gets the error.
            await self._fetch(node, content, start, stop)

    async def _staged_object(self, node: File, content: Content) -> StagedObject:
        staged = self._staged.get(content)
        if staged is not None and time.time() < staged.expires - EXPIRY_MARGIN:
            return staged
        return await self._staging.run(node.number, lambda: self._stage(node, content))

    async def _stage(self, node: File, content: Content) -> StagedObject:
        staged = await self._cluster.stage_out(node.path)
        self._staged[content] = staged
        if staged.size != content.size and not content.dirty:
            content.truncate(staged.size)
            node.attributes.size = staged.size
        return staged

    def _order(self, node: File, content: Content, stream: _Stream, chunk: int) -> None:
        start, stop = chunk * CHUNK, min((chunk + 1) * CHUNK, content.size)
        if chunk in stream.coming or content not in self._staged or content.present.covers(start, stop):
            return
        event = stream.coming[chunk] = trio.Event()
        self._nursery.start_soon(self._fetch_ahead, node, content, stream, chunk, event)

    async def _fetch_ahead(
        self, node: File, content: Content, stream: _Stream, chunk: int, event: trio.Event
    ) -> None:
        try:
            async with self._limiter:
                await self._fetch(node, content, chunk * CHUNK, min((chunk + 1) * CHUNK, content.size))
        except Exception as error:  # noqa: BLE001 -- whoever needs the chunk fetches it again and gets the error
            logger.info("reading ahead in %s failed: %s", node.path, error)
        finally:
            stream.coming.pop(chunk, None)
            event.set()

    async def _fetch(self, node: File, content: Content, start: int, stop: int) -> None:
        for gap_start, gap_stop in content.present.missing(start, min(stop, content.size)):
            staged = await self._staged_object(node, content)
            try:
                await self._cluster.fetch(staged, gap_start, gap_stop, content.fill)
            except NotFound:
                self._staged.pop(content, None)
                raise Unavailable(f"the staged copy of {node.path} has expired") from None
