"""Brings the bytes of remote files into the content cache, by the route that the planner says."""

from __future__ import annotations

import logging

import trio

from f7tfs.cluster.errors import TooLarge
from f7tfs.cluster.port import Cluster
from f7tfs.vfs.bundles import Bundles
from f7tfs.vfs.cache import ContentCache
from f7tfs.vfs.content import Content
from f7tfs.vfs.counts import Cache, CacheCounts
from f7tfs.vfs.handles import Handle
from f7tfs.vfs.names import at_its_place
from f7tfs.vfs.nodes import File
from f7tfs.vfs.options import VfsOptions
from f7tfs.vfs.ranges import Ranges
from f7tfs.vfs.routes import ReadRoute, plan_read
from f7tfs.vfs.singleflight import SingleFlight
from f7tfs.vfs.staged import StagedCopies
from f7tfs.vfs.transfers import Transfers

logger = logging.getLogger(__name__)


class Reader:
    """Makes bytes present: small files whole, in one call, large ones range by range."""

    def __init__(
        self,
        cluster: Cluster,
        cache: ContentCache,
        transfers: Transfers,
        bundles: Bundles,
        nursery: trio.Nursery,
        options: VfsOptions,
        counts: CacheCounts,
    ) -> None:
        self._cluster = cluster
        self._cache = cache
        self._bundles = bundles
        self._counts = counts
        self._whole: SingleFlight[Content, None] = SingleFlight()
        self._ranges = Ranges(
            cluster,
            StagedCopies(options.state_directory / "staged.json"),
            transfers,
            nursery,
            make_room=cache.store.make_room,
            streams=options.streams,
            staging_seconds=options.staging_deadline,
        )
        cache.on_dropped = self._ranges.forget
        cache.on_idle = self._ranges.idle

    def opened(self, node: File) -> None:
        """It was opened to be read: what takes its time begins now."""
        if node.change is None and self._route(node.attributes.size) is ReadRoute.STAGED:
            self._ranges.begin(node, self._cache.content(node))

    async def complete(self, node: File, content: Content | None = None) -> None:
        """Make the whole file present, in its content or in one that it had."""
        content = content or self._cache.content(node)
        await self._ensure(node, content, 0, content.size)

    async def ensure(self, handle: Handle, node: File, content: Content, start: int, stop: int) -> None:
        """Make bytes [start, stop) present for who has `handle`, as far as the file has them."""
        if content.complete:
            self._counts.count(Cache.CONTENT, hit=True)
            return
        ahead = handle.sequence.ahead(start, stop)
        known = content.present.covers(start, min(stop, content.size))
        self._counts.count(Cache.CONTENT, hit=known)
        if known:
            self._ranges.read_ahead(node, content, stop, ahead)
            return
        await self._ensure(node, content, start, stop, ahead)

    def forget_copy(self, node: File) -> None:
        """It is here, and loses its place: a staged copy would be taken for one of what comes there next."""
        if node.content is not None:
            self._ranges.forget(node.content)

    def _route(self, size: int) -> ReadRoute:
        return plan_read(size, self._cluster.limits)

    async def _ensure(self, node: File, content: Content, start: int, stop: int, ahead: int = 0) -> None:
        if content.present.covers(start, min(stop, content.size)):
            return
        with content.held():
            await self._bring(node, content, start, stop, ahead)

    async def _bring(self, node: File, content: Content, start: int, stop: int, ahead: int) -> None:
        if self._route(content.size) is ReadRoute.DIRECT:
            if await self._bundles.carried(node, content):
                return
            try:
                await self._whole.run(content, lambda: self._fetch_whole(node, content))
                return
            except TooLarge:
                logger.info("%s has grown above the direct limit", node.path)
        await self._ranges.ensure(node, content, start, stop, ahead)

    async def _fetch_whole(self, node: File, content: Content) -> None:
        if content.complete:
            return
        data = await at_its_place(node, self._cluster.read_direct)
        self._counts.count(Cache.BULK, hit=False)
        if len(data) != content.size and not content.dirty:
            # Newer than the listing; the next listing will show another version and drop it.
            content.resize(len(data))
            node.attributes.size = len(data)
        content.fill(0, data)
