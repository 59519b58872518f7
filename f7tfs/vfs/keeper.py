"""What a user sees of the journal, and can do about it: list, retry, export, drop."""

from __future__ import annotations

import shutil
from pathlib import Path

import trio

from f7tfs.cluster.errors import NotFound, Refused
from f7tfs.vfs.cache import ContentCache
from f7tfs.vfs.change import Change, ChangeKind
from f7tfs.vfs.content import Content
from f7tfs.vfs.metadata import Metadata
from f7tfs.vfs.names import locked
from f7tfs.vfs.nodes import File, Node, Standing, Version
from f7tfs.vfs.reintegration import Reintegration


class JournalKeeper:
    """Of a mount that is being served."""

    def __init__(self, reintegration: Reintegration, metadata: Metadata, cache: ContentCache) -> None:
        self._reintegration = reintegration
        self._log = reintegration.log
        self._metadata = metadata
        self._cache = cache

    def entries(self) -> list[dict[str, object]]:
        """Every change that the cluster does not have, in order; JSON-able."""
        return [entry(change) for change in self._log.changes.values()]

    async def retry(self) -> int:
        """Try what failed, and what waits out a pause, now. Returns how many had failed."""
        return await self._reintegration.retry()

    async def export(self, row: int, target: Path) -> None:
        """Copy a content to a local file, which must not exist. Raises NotFound or OSError."""
        content = self._change(row).content
        if content is None:
            raise NotFound(f"change {row} has no content")
        with content.held():
            await trio.to_thread.run_sync(copy_new, content.path, target)

    async def drop(self, row: int) -> None:
        """Give a change up: here, everything is as the cluster has it. Raises Refused where others wait for it."""
        change = self._change(row)
        async with locked(change.node):
            if change.row not in self._log.changes:
                return
            self._check(change)
            # No await before the log and the tree say the same.
            self._log.take_out(change)
            self._undo(change)
            await self._log.journal.finish([change])
            if isinstance(change.node, File) and change.content is not None:
                self._forget_content(change.node, change.content)

    def _change(self, row: int) -> Change:
        try:
            return self._log.changes[row]
        except KeyError:
            raise NotFound(f"no change {row} is in the journal") from None

    def _check(self, change: Change) -> None:
        if change.in_flight:
            raise Refused(f"change {change.row} is on its way just now")
        later = [c for c in self._log.meeting(change.paths) if c.row > change.row]
        if later:
            raise Refused(
                f"change {later[0].row} ({later[0].kind} {later[0].path}) comes after it: drop that one first"
            )

    def _undo(self, change: Change) -> None:
        node = change.node
        match change.kind:
            case ChangeKind.CONTENT:
                self._undo_content(change, node)
            case ChangeKind.CHMOD | ChangeKind.UNLINK | ChangeKind.RMDIR:
                # The next listing brings back what the cluster has.
                node.touched = float("-inf")
            case ChangeKind.MKDIR | ChangeKind.SYMLINK | ChangeKind.RENAME:
                self._metadata.tree.detach(node, float("-inf"))
                node.moved = None
        directories = {directory.number: directory for directory, _ in change.dentries}
        if node.parent is not None:
            directories[node.parent.number] = node.parent
        for directory, name in change.dentries:
            directory.removed.pop(name, None)
        for directory in directories.values():
            self._metadata.expire(directory)

    def _forget_content(self, node: File, content: Content) -> None:
        if node.content is not content:
            self._cache.store.discard(content)
        elif node.change is None:
            self._cache.drop(node)

    def _undo_content(self, change: Change, node: Node) -> None:
        if not isinstance(node, File) or change.content is None:  # pragma: no cover -- a content's node is a file
            return
        if node.change is change:
            node.change = None
        if node.content is not change.content:
            return
        change.content.dirty = False
        if node.on_cluster or change.uncertain_before:
            # Its size and version are another's until the next listing.
            node.on_cluster, node.version, node.standing = True, GIVEN_UP, Standing(known=False)
            node.written_here, node.touched = False, float("-inf")
        else:
            self._metadata.tree.detach(node, trio.current_time())


GIVEN_UP = Version("given up", -1)
"""Equals none that is ever seen."""


def entry(change: Change) -> dict[str, object]:
    """One change, for the command line."""
    return {
        "id": change.row,
        "kind": change.kind.value,
        "path": change.path,
        "new_path": change.new_path,
        "bytes": change.size,
        "state": change.state.value,
        "error": str(change.error) if change.error else None,
        "since": change.created,
    }


def copy_new(source: Path, target: Path) -> None:
    """Copy a file to a place where nothing is. Blocking. Raises OSError."""
    with target.open("xb") as written, source.open("rb") as read:
        shutil.copyfileobj(read, written)
