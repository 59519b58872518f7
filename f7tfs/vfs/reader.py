"""Brings the bytes of remote files into the content cache, by the route that the planner says."""

from __future__ import annotations

import logging

import trio

from f7tfs.cluster.errors import TooLarge, Unavailable
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
from f7tfs.vfs.windows import Windows

logger = logging.getLogger(__name__)

MOST_CHANGES = 5
"""So often one read begins anew since the file was changed on the cluster meanwhile."""


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
        self._windows = Windows(cluster, cache, enabled=options.windows, seconds=options.attribute_timeout)
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
            content = self._cache.content(node)
            if not self._windows.apt(node, content):
                self._ranges.begin(node, content)

    def changed(self, node: File) -> None:
        """It is, or may be, another one on the cluster: what is here of it is dropped, or to be proven. No await."""
        content = node.content
        if content is None or content.dirty:
            return
        large, base = self._route(node.attributes.size) is ReadRoute.STAGED, content.base
        if not large or self._ranges.busy(content) or not self._windows.follow(node, content):
            self._cache.drop(node)
        elif content.base != base:
            # Its staged copy, if there is one, is of another version.
            self._ranges.forget(content)

    def may_be_written(self, node: File) -> bool:
        """Whether the whole file is present. No await.

        What is only assumed to be as it was before the file grew is dropped first: it must not be written back.
        """
        content = node.content
        if content is not None and not content.dirty and self._windows.followed(content):
            self._cache.drop(node)
        content = self._cache.content(node)
        return content.complete and self._windows.proven(content)

    async def complete(self, node: File, content: Content | None = None) -> None:
        """Make the whole file present, in its content or in one that it had. Raises Unavailable."""
        for _ in range(MOST_CHANGES):
            wanted = content or self._cache.content(node)
            with wanted.held():
                if await self._ready(node, wanted, 0, wanted.size):
                    return
        raise Unavailable(f"{node.path} changes faster than it can be read")

    def present(self, handle: Handle, node: File, offset: int, length: int) -> bytes | None:
        """What `read` would return, where it is here; else None. No await: each request of a large file comes by."""
        content, stop = node.content, offset + length
        if content is None or not self._has(content, offset, stop):
            return None
        self._counts.count(Cache.CONTENT, hit=True)
        if not content.complete:
            self._ranges.read_ahead(node, content, stop, handle.sequence.ahead(offset, stop))
        return content.read(offset, length)

    async def read(self, handle: Handle, node: File, offset: int, length: int) -> bytes:
        """At most `length` bytes, fewer at the end of the file, for who has `handle`. Raises Unavailable."""
        present = self.present(handle, node, offset, length)
        if present is not None:
            return present
        self._counts.count(Cache.CONTENT, hit=False)
        stop = offset + length
        ahead = handle.sequence.ahead(offset, stop)
        for _ in range(MOST_CHANGES):
            content = self._cache.content(node)
            with content.held():
                # No await after it is ready: it may grow while it is read.
                if await self._ready(node, content, offset, stop, ahead):
                    return content.read(offset, length)
        raise Unavailable(f"{node.path} changes faster than it can be read")

    async def _ready(self, node: File, content: Content, start: int, stop: int, ahead: int = 0) -> bool:
        """Make bytes [start, stop) present, or prove them. False where the file changed meanwhile."""
        if not self._windows.proven(content):
            await self._windows.prove(node, content)
        if self._windows.proven(content):
            await self._ensure(node, content, start, stop, ahead)
        return self._has(content, start, stop)

    def _has(self, content: Content, start: int, stop: int) -> bool:
        return self._windows.proven(content) and content.present.covers(start, min(stop, content.size))

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
        elif self._windows.apt(node, content) and not self._ranges.holds(node, content):
            await self._windows.ensure(node, content, start, stop)
            if content.present.covers(start, min(stop, content.size)) or node.content is not content:
                return
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
