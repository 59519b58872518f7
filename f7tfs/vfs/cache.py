"""Which content a file has: given when opened, kept while clean, replaced when the file changed on the cluster."""

from __future__ import annotations

from collections.abc import Callable

from f7tfs.vfs.content import Content
from f7tfs.vfs.content_store import ContentStore
from f7tfs.vfs.nodes import File


class ContentCache:
    """Ties nodes to contents. A content that has an open handle keeps its cache file open."""

    def __init__(self, store: ContentStore) -> None:
        self.store = store
        self.on_dropped: Callable[[Content], None] = lambda _content: None
        """Told of a content that is of no use any more: the file is another one now, or gone."""
        self.on_idle: Callable[[Content], None] = lambda _content: None
        """Told of a content that nobody has open any more."""

    def content(self, node: File) -> Content:
        """The content of a file, made if there is none."""
        if node.content is None:
            self._give(node, self.store.create(node.attributes.size, node.version))
        assert node.content is not None  # noqa: S101 -- for the type checker: just given
        return node.content

    def give_new(self, node: File) -> Content:
        """A content that does not derive from what is on the cluster: empty, complete."""
        self._take_away(node)
        return self._give(node, self.store.create(0, None))

    def give(self, node: File, content: Content) -> Content:
        """Replace the content by another one; the old one is left to whoever sends it."""
        if node.content is not None and node.handles:
            node.content.release()
        return self._give(node, content)

    def _give(self, node: File, content: Content) -> Content:
        node.content = content
        if node.handles:
            content.acquire()
        return content

    def drop(self, node: File) -> None:
        """Forget clean content: the file changed on the cluster, or is gone."""
        if node.content is not None and not node.content.dirty:
            self._take_away(node)

    def _take_away(self, node: File) -> None:
        content, node.content = node.content, None
        if content is None:
            return
        if node.handles:
            content.release()
        self.on_dropped(content)
        self.store.discard(content)

    def opened(self, node: File) -> None:
        """A handle more."""
        node.handles += 1
        if node.handles == 1 and node.content is not None:
            self.store.take(node.content)
            node.content.acquire()

    def closed(self, node: File) -> None:
        """A handle less; with the last one the content may be kept for later, or goes."""
        node.handles -= 1
        if node.handles or node.content is None:
            return
        node.content.release()
        self.on_idle(node.content)
        self.idle(node)

    def idle(self, node: File) -> None:
        """Decide what becomes of a content that no handle uses."""
        content = node.content
        if content is None or node.handles or (content.dirty and not node.unlinked):
            return
        if node.unlinked and node.change is not None and node.change.content is content:
            # It is on its way; whoever sends it comes back here.
            return
        if node.unlinked:
            node.content = None
            self.on_dropped(content)
            self.store.discard(content)
        else:
            self.store.keep(content, lambda: self._evicted(node, content))

    def _evicted(self, node: File, content: Content) -> None:
        if node.content is content:
            node.content = None
        self.on_idle(content)

    async def thaw(self, node: File) -> Content:
        """A content that may be written: a copy of the present one while that is being sent."""
        content = self.content(node)
        if not content.frozen:
            return content
        twin = await self.store.copy(content)
        if node.content is content and content.frozen:
            return self.give(node, twin)
        # Nobody reads it any more, or the file has another content by now.
        self.store.discard(twin)
        return self.content(node)
