"""Fetches directories of small files whole, as archives that are unpacked into the content cache."""

from __future__ import annotations

import gzip
import logging
import tarfile
import uuid
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import trio

from f7tfs.cluster.errors import ClusterError
from f7tfs.cluster.port import Cluster
from f7tfs.vfs.cache import ContentCache
from f7tfs.vfs.content import Content
from f7tfs.vfs.counts import Cache
from f7tfs.vfs.going_on import go_on
from f7tfs.vfs.metadata import Metadata
from f7tfs.vfs.neighbours import Neighbours, is_missing
from f7tfs.vfs.nodes import Directory, File, Version

logger = logging.getLogger(__name__)

PATIENCE_SECONDS = 20.0
"""For packing, which the server stops after some five seconds, and fetching."""
AT_ONCE = 20
"""Files given to the cache before others get their turn."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    file: File
    version: Version
    mtime: int


class Bundles:
    """`directory`: for the archives. A reader never waits longer than it would have without this, but for a bundle
    that is on its way already and carries what it reads."""

    def __init__(
        self,
        cluster: Cluster,
        cache: ContentCache,
        metadata: Metadata,
        nursery: trio.Nursery,
        directory: Path,
        *,
        enabled: bool = True,
        has_read: Callable[[Directory], bool] = lambda _: False,
    ) -> None:
        """`has_read`: whether who asks now has just listed a directory."""
        self._has_read = has_read
        self._cluster = cluster
        self._cache = cache
        self._metadata = metadata
        self._nursery = nursery
        self._directory = directory
        self._enabled = enabled
        self._neighbours = Neighbours()
        self._coming: dict[Directory, trio.Event] = {}

    async def carried(self, file: File, content: Content) -> bool:
        """Whether a bundle has brought a content that is not here yet; else it is to be fetched by itself."""
        if not self._enabled:
            return False
        if (event := self._covering(file)) is not None:
            await event.wait()
            return content.complete
        subtree = self._neighbours.plan(file, self._cluster.limits, trio.current_time(), self._has_read)
        if subtree is not None and subtree.remote_path == subtree.path and not self._metadata.made_up(subtree):
            self._coming[subtree] = trio.Event()
            go_on(self._nursery, self._bring, subtree)
        return False

    def _covering(self, file: File) -> trio.Event | None:
        node = file.parent
        while node is not None:
            if (event := self._coming.get(node)) is not None:
                return event
            node = node.parent
        return None

    async def _bring(self, subtree: Directory) -> None:
        archive = self._directory / f"{uuid.uuid4().hex}.tar.gz"
        try:
            with trio.fail_after(PATIENCE_SECONDS):
                await self._cluster.pack(subtree.remote_path, archive)
            await self._unpack(subtree, archive)
            self._neighbours.came(subtree, trio.current_time())
        except (ClusterError, trio.TooSlowError, tarfile.TarError, zlib.error, EOFError, OSError) as error:
            logger.info("%s is fetched file by file: %s", subtree.path, error)
            self._neighbours.refused(subtree, trio.current_time())
        except Exception:
            self._neighbours.refused(subtree, trio.current_time())
            raise
        finally:
            archive.unlink(missing_ok=True)
            self._coming.pop(subtree).set()

    async def _unpack(self, subtree: Directory, archive: Path) -> None:
        wanted = self._wanted(subtree)
        expected = {name: (one.version.size, one.mtime) for name, one in wanted.items()}
        contents = await trio.to_thread.run_sync(read_members, archive, expected)
        for count, (name, data) in enumerate(contents.items(), start=1):
            self._give(wanted[name], data)
            if count % AT_ONCE == 0:
                await trio.lowlevel.checkpoint()

    def _wanted(self, subtree: Directory) -> dict[str, _Wanted]:
        """What may be taken from an archive of a subtree, by its name there."""
        found: dict[str, _Wanted] = {}
        waiting = [(subtree, subtree.remote_path.rstrip("/").rpartition("/")[2])]
        while waiting:
            directory, path = waiting.pop()
            for name, child in directory.children.items():
                if name in directory.flux:
                    # There it has another name yet, or is another one.
                    continue
                if isinstance(child, Directory):
                    waiting.append((child, f"{path}/{name}"))
                elif isinstance(child, File) and is_missing(child) and child.version and child.version.settled:
                    mtime = self._metadata.clock.epoch(child.version.modified)
                    found[f"{path}/{name}"] = _Wanted(child, child.version, mtime)
        return found

    def _give(self, wanted: _Wanted, data: bytes) -> None:
        """No await: what was wanted is still missing, and of that version, or it is not taken."""
        file = wanted.file
        if file.unlinked or file.version != wanted.version or not is_missing(file):
            return
        content = self._cache.content(file)
        if content.base != wanted.version:
            return
        content.fill(0, data)
        self._metadata.counts.count(Cache.BULK, hit=True)
        self._cache.idle(file)


def read_members(archive: Path, expected: Mapping[str, tuple[int, int]]) -> dict[str, bytes]:
    """Contents of the members whose size and mtime (seconds since the epoch) are the expected ones. Blocking.

    Members that are links are left out. Raises tarfile.TarError, zlib.error, EOFError or OSError for what is not a
    whole archive.
    """
    found: dict[str, bytes] = {}
    with gzip.open(archive) as stream:
        with tarfile.open(fileobj=stream, mode="r|") as bundle:
            for member in bundle:
                if member.isreg() and expected.get(member.name) == (member.size, int(member.mtime)):
                    content = bundle.extractfile(member)
                    if content is not None:
                        found[member.name] = content.read()
        # To its end: the check sum stands there.
        while stream.read(2**20):
            pass
    return found
