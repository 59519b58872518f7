"""What is known here of places that the cluster has changed by itself, for us."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator

import trio

from f7tfs.cluster.model import Kind
from f7tfs.vfs.cache import ContentCache
from f7tfs.vfs.journal import Journal
from f7tfs.vfs.keeper import GIVEN_UP
from f7tfs.vfs.looks import Looks
from f7tfs.vfs.metadata import Metadata
from f7tfs.vfs.nodes import Directory, File, Node

Refresh = Callable[[str], Awaitable[None]]


class Displaced:
    """Brings the tree up to date. `refresh`: the next look at a path, and at its directory, is a new one."""

    def __init__(
        self, metadata: Metadata, cache: ContentCache, journal: Journal, looks: Looks, refresh: Refresh
    ) -> None:
        self._metadata = metadata
        self._cache = cache
        self._journal = journal
        self._looks = looks
        self._refresh = refresh

    @property
    def root(self) -> str:
        """What is mounted."""
        return self._metadata.tree.root.path

    def kind(self, path: str) -> Kind | None:
        """What is at a path, as far as that is known here."""
        node = self._metadata.tree.find(path)
        return None if node is None else node.kind

    async def changed(self, *paths: str) -> None:
        """There may be something else than before, of the same size and time even."""
        for path in paths:
            self._looks.outdate(path)
            for file in _files(self._metadata.tree.find(path)):
                if file.change is None:
                    file.version, file.cached_version = GIVEN_UP, None
                    self._cache.drop(file)
            await self._refresh(path)

    async def moved(self, old: str, new: str) -> None:
        """What was at `old` is at `new` now; nowhere, if that is empty."""
        for path in filter(None, (old, new)):
            self._looks.outdate(path)
            await self._refresh(path)
        node, now = self._metadata.tree.find(old), trio.current_time()
        if node is None or node.parent is None:
            return
        self._metadata.on_gone(node)
        directory, _, name = new.rpartition("/")
        parent = self._metadata.tree.find(directory or "/") if new else None
        if not isinstance(parent, Directory):
            self._metadata.tree.detach(node, now)
            return
        if (replaced := parent.children.get(name)) is not None:
            self._metadata.on_gone(replaced)
            self._metadata.tree.detach(replaced, now)
        self._metadata.tree.move(node, parent, name, now)
        await self._journal.renamed(old, new, [], None, number=self._metadata.kept.number_to_keep(node))


def _files(node: Node | None) -> Iterator[File]:
    """The files that are known at and below a node."""
    if isinstance(node, File):
        yield node
    elif isinstance(node, Directory):
        for child in node.children.values():
            yield from _files(child)
