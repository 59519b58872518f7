"""What an earlier run left in the journal goes on its way again, in the background of the new mount.

The changes are made in the tree in their order, as if they were made now: every row names its places as they are once
those before it are made. Nothing is asked of the cluster here: a mount starts at once, however much is left.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import trio

from f7tfs.cluster.model import Kind
from f7tfs.vfs import standing
from f7tfs.vfs.cache import ContentCache
from f7tfs.vfs.change import Change, ChangeKind, State
from f7tfs.vfs.changelog import ChangeLog
from f7tfs.vfs.content import Content
from f7tfs.vfs.journal import Row
from f7tfs.vfs.metadata import Metadata
from f7tfs.vfs.nodes import Attributes, Directory, File, Node, Symlink

logger = logging.getLogger(__name__)


class Recovery:
    """Puts the journal's rows into the tree and into the log."""

    def __init__(self, log: ChangeLog, metadata: Metadata, cache: ContentCache) -> None:
        self._log = log
        self._metadata = metadata
        self._cache = cache

    async def run(self, rows: Sequence[Row]) -> None:
        """What failed for good is tried once more: the account, the quota or the rights may be other ones now."""
        self._cache.store.sweep({row.content for row in rows})
        for row in rows:
            await self._recover(row)
        await self._log.journal.update(*self._log.changes.values())
        if rows:
            self._metadata.tree.renumber(self._log.journal.numbers())
            logger.info("%d changes of an earlier run are sent now", len(rows))

    async def _recover(self, row: Row) -> None:
        kind = ChangeKind(row.kind)
        content = None
        if kind is ChangeKind.CONTENT:
            content = self._content(row)
            if content is None:
                await self._log.journal.forget(row.row)
                return
        parent, name = self._place(row.path)
        node = self._node(parent, name, row)
        change = Change(
            row=row.row,
            kind=kind,
            node=node,
            path=row.path,
            new_path=row.new_path,
            standing=standing.load(row.standing),
            new_standing=standing.load(row.new_standing),
            state=State.READY,
            created=row.created,
            made=trio.current_time(),
            recovered=True,
        )
        if content is None:
            self._make_here(change, parent, name)
        elif isinstance(node, File):
            self._give_content(change, node, content, row)
        self._log.put(change)

    def _content(self, row: Row) -> Content | None:
        """What a row brings; None, told once, where somebody removed it: nothing can be done about it any more."""
        try:
            return self._cache.store.adopt(row.content)
        except FileNotFoundError:
            sent = "; it was sent, and may be there" if standing.load(row.standing).sent else ""
            logger.error("the content of %s is gone from the content cache%s", row.path, sent)  # noqa: TRY400
            return None

    def _give_content(self, change: Change, node: File, content: Content, row: Row) -> None:
        if node.content is not None:
            self._cache.give(node, content)
        node.content = change.content = content
        earlier = None if node.change is None else node.standing
        node.change = change
        node.standing = change.standing if earlier is None else standing.either(earlier, change.standing)
        attributes, kept = node.attributes, row.node
        attributes.size, attributes.mode = content.size, int(kept["mode"])
        attributes.mtime_ns, attributes.ctime_ns = int(kept["mtime_ns"]), kept.get("ctime_ns")
        attributes.atime_ns = kept.get("atime_ns")
        node.written_here = True

    def _make_here(self, change: Change, parent: Directory, name: str) -> None:
        node, dentry = change.node, (parent, name)
        change.dentries = (dentry,)
        match change.kind:
            case ChangeKind.MKDIR | ChangeKind.SYMLINK:
                node.on_cluster = False
            case ChangeKind.UNLINK | ChangeKind.RMDIR:
                self._metadata.tree.detach(node, trio.current_time())
            case ChangeKind.RENAME:
                new_parent, new_name = self._place(change.new_path)
                change.dentries = (dentry, (new_parent, new_name))
                self._rename_here(node, dentry, new_parent, new_name)
            case _:
                pass
        for directory, each in change.dentries:
            directory.flux[each] += 1

    def _rename_here(self, node: Node, was: tuple[Directory, str], parent: Directory, name: str) -> None:
        now = trio.current_time()
        if (target := parent.children.get(name)) is not None:
            self._metadata.tree.detach(target, now)
        self._metadata.tree.move(node, parent, name, now)
        if node.moved is None:
            # It may have been made already; a later one has not been begun.
            node.moved, node.arriving = was, (parent, name)

    # -- the tree --------------------------------------------------------------------------------

    def _place(self, path: str) -> tuple[Directory, str]:
        """The directory that a path lies in, made where it is not known yet, and the name in it."""
        root = self._metadata.tree.root
        *above, name = path[len(root.path.rstrip("/")) + 1 :].split("/")
        directory = root
        for part in above:
            child = directory.children.get(part)
            if not isinstance(child, Directory):
                child = self._put(directory, part, Attributes(Kind.DIRECTORY, 0o755, self._user, "", 4096, 0))
            if not isinstance(child, Directory):  # pragma: no cover -- Kind.DIRECTORY makes a Directory
                raise TypeError(child)
            directory = child
        return directory, name

    @property
    def _user(self) -> str:
        return self._metadata.identity.user

    def _put(self, parent: Directory, name: str, attributes: Attributes, target: str = "") -> Node:
        if (other := parent.children.get(name)) is not None:
            self._metadata.tree.detach(other, float("-inf"))
        node = self._metadata.tree.make(parent, name, attributes, None, float("-inf"), target=target)
        self._metadata.tree.attach(node, parent, name)
        return node

    def _node(self, parent: Directory, name: str, row: Row) -> Node:
        """The node that a row is about, as the row describes it where it is not known yet."""
        kept = row.node
        kind = Kind(kept["kind"])
        known = parent.children.get(name)
        if known is not None and known.kind is kind:
            # Of what is about a node, the latest row knows best.
            known.attributes.mode = kept["mode"]
            return known
        user, group = kept.get("user") or self._user, kept.get("group", "")
        attributes = Attributes(kind, kept["mode"], user, group, kept.get("size", 0), kept["mtime_ns"])
        attributes.ctime_ns, attributes.atime_ns = kept.get("ctime_ns"), kept.get("atime_ns")
        node = self._put(parent, name, attributes, str(kept.get("target", "")))
        node.written_here = bool(kept.get("set"))
        if isinstance(node, File):
            before = standing.load(row.standing)
            node.version, node.standing = before.version, before
            if ChangeKind(row.kind) is ChangeKind.CONTENT:
                node.on_cluster, node.remote_mode, node.version = False, None, None
        if isinstance(node, Symlink | Directory):
            node.on_cluster = True
        return node
