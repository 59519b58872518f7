"""What an earlier run left in the journal goes on its way again, in the background of the new mount."""

from __future__ import annotations

import logging

import trio

from f7tfs.cluster.model import Kind
from f7tfs.vfs.cache import ContentCache
from f7tfs.vfs.journal import Change, Journal, Row
from f7tfs.vfs.metadata import Metadata
from f7tfs.vfs.nodes import Attributes, Directory, File
from f7tfs.vfs.reintegration import Reintegration

logger = logging.getLogger(__name__)


async def recover(journal: Journal, metadata: Metadata, cache: ContentCache, reintegration: Reintegration) -> None:
    """Put the files of the journal into the tree, with their content, and let them be sent.

    Nothing is asked of the cluster here: a mount starts at once, however much is left.
    """
    rows = journal.load()
    cache.store.sweep({row.content for row in rows})
    for row in rows:
        await _recover_row(row, journal, metadata, cache, reintegration)
    if rows:
        logger.info("%d changes of an earlier run are sent now", len(rows))


async def _recover_row(
    row: Row, journal: Journal, metadata: Metadata, cache: ContentCache, reintegration: Reintegration
) -> None:
    root = metadata.tree.root
    parts = row.path[len(root.path.rstrip("/")) + 1 :].split("/")
    parent = root
    for name in parts[:-1]:
        parent = _directory(metadata, parent, name)
    node = _file(metadata, parent, parts[-1])
    try:
        content = cache.store.adopt(row.content)
    except FileNotFoundError:
        logger.exception("the content of %s is gone from the content cache", row.path)
        return
    if node.content is not None:
        cache.give(node, content)
    node.content = content
    change = Change(row=row.row, node=node, content=content, created=row.created)
    # What failed for good is tried once more: the account, the quota or the rights may be other ones now.
    change.state = "ready"
    node.change = reintegration.changes[row.row] = change
    node.attributes.size, node.attributes.mtime_ns = content.size, row.mtime_ns
    node.attributes.mode = row.mode
    node.written_here = True
    await journal.update(change)


def _directory(metadata: Metadata, parent: Directory, name: str) -> Directory:
    known = parent.children.get(name)
    if isinstance(known, Directory):
        return known
    user = metadata.identity.user
    node = metadata.tree.make(parent, name, Attributes(Kind.DIRECTORY, 0o755, user, "", 4096, 0), None, float("-inf"))
    metadata.tree.attach(node, parent, name)
    if not isinstance(node, Directory):  # pragma: no cover -- Kind.DIRECTORY makes a Directory
        raise TypeError(node)
    return node


def _file(metadata: Metadata, parent: Directory, name: str) -> File:
    known = parent.children.get(name)
    if isinstance(known, File):
        return known
    user = metadata.identity.user
    node = metadata.tree.make(parent, name, Attributes(Kind.FILE, 0o644, user, "", 0, 0), None, trio.current_time())
    metadata.tree.attach(node, parent, name)
    if not isinstance(node, File):  # pragma: no cover -- Kind.FILE makes a File
        raise TypeError(node)
    node.on_cluster, node.remote_mode = False, None
    return node
