"""How a listing changes the tree. No await anywhere in here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from f7tfs.cluster.model import Entry
from f7tfs.vfs.journal import Kept, SetTime, times_of
from f7tfs.vfs.nodes import Directory, File, Node, Symlink, Version
from f7tfs.vfs.tree import Tree


@dataclass(slots=True)
class Merged:
    """What a listing brought to light."""

    changed: list[File] = field(default_factory=list)
    """Their content is another one on the cluster now."""
    adopted: list[SetTime] = field(default_factory=list)
    """Times set here, with the versions they belong to."""
    forgotten: list[str] = field(default_factory=list)
    """Paths whose time set here holds no longer."""
    vanished: list[Node] = field(default_factory=list)
    found: list[Node] = field(default_factory=list)
    """Not known before."""


def merge(tree: Tree, directory: Directory, entries: Sequence[Entry], kept: Kept, asked: float, now: float) -> Merged:
    """Bring the children of a directory up to date with a listing that was asked for at `asked`."""
    return _Merge(tree, directory, kept, asked, now).run(entries)


class _Merge:
    """Of one listing."""

    def __init__(self, tree: Tree, directory: Directory, kept: Kept, asked: float, now: float) -> None:
        self._tree = tree
        self._directory = directory
        self._kept = kept
        self._asked = asked
        self._now = now
        self._merged = Merged()

    def run(self, entries: Sequence[Entry]) -> Merged:
        directory, asked = self._directory, self._asked
        names = set()
        for entry in entries:
            names.add(entry.name)
            if directory.removed.get(entry.name, float("-inf")) >= asked or entry.name in directory.flux:
                continue
            child = directory.children.get(entry.name)
            if child is not None and child.touched >= asked:
                continue
            if child is not None and child.kind is not entry.kind:
                self._detach(child)
                child = None
            if child is None:
                self._discover(entry)
            else:
                self._observe(child, entry)
        for name, child in list(directory.children.items()):
            gone = name not in names and name not in directory.flux
            if gone and child.on_cluster and child.touched < asked:
                self._vanish(child)
        directory.removed = {name: when for name, when in directory.removed.items() if when >= asked}
        directory.listed = asked
        return self._merged

    def _discover(self, entry: Entry) -> None:
        node = self._tree.from_entry(self._directory, entry, self._now, self._kept.numbers.get(entry.name))
        self._tree.attach(node, self._directory, entry.name)
        self._merged.found.append(node)
        set_time = self._kept.times.get(entry.name)
        if set_time is None:
            return
        same_size = set_time.size is None or set_time.size == entry.size
        if same_size and set_time.modified in (None, entry.modified):
            attributes, t = node.attributes, set_time
            attributes.mtime_ns, attributes.ctime_ns, attributes.atime_ns = t.mtime_ns, t.ctime_ns, t.atime_ns
            node.written_here = True
            if set_time.modified is None:
                self._merged.adopted.append(times_of(node))
        else:
            self._merged.forgotten.append(set_time.path)

    def _observe(self, node: Node, entry: Entry) -> None:
        attributes = node.attributes
        version = self._tree.version_of(entry)
        node.on_cluster, node.seen = True, self._now
        attributes.user, attributes.group, attributes.acl = entry.user, entry.group, entry.acl
        if isinstance(node, Symlink):
            node.target = entry.link_target
        if isinstance(node, File):
            node.remote_mode = entry.mode
        if isinstance(node, File) and node.change is not None:
            # What is shown is ours until the cluster has it; the version tells the upload of a conflict.
            node.version = version
            return
        attributes.mode = entry.mode
        if isinstance(node, Directory) and node.is_moving(self._asked):
            # That time is not the last one: the next look tells whether somebody else changed it.
            self._show(node, version)
            node.version = None
            return
        if node.version is None and (entry.size == attributes.size or not isinstance(node, File)):
            self._adopt(node, version)
        elif node.version != version:
            self._change(node, version)
        node.version = version

    def _adopt(self, node: Node, version: Version) -> None:
        """The first look at what we wrote."""
        node.attributes.size = version.size
        if isinstance(node, File) and node.content is not None:
            node.content.base = Version(version.modified, version.size)
        self._show(node, version)
        if node.written_here:
            self._merged.adopted.append(replace(times_of(node), modified=version.modified))

    def _show(self, node: Node, version: Version) -> None:
        """The cluster's time, unless ours is kept."""
        if not node.written_here:
            node.attributes.mtime_ns = self._tree.time_of(version)

    def _change(self, node: Node, version: Version) -> None:
        """Somebody else changed it."""
        node.attributes.size = version.size
        node.attributes.mtime_ns = self._tree.time_of(version)
        node.attributes.ctime_ns = node.attributes.atime_ns = None
        if node.written_here:
            node.written_here = False
            self._merged.forgotten.append(node.path)
        if isinstance(node, File):
            self._merged.changed.append(node)

    def _vanish(self, node: Node) -> None:
        if isinstance(node, File) and node.change is not None:
            node.on_cluster, node.version = False, None
            return
        if isinstance(node, Directory) and _holds_changes(node):
            # It stays in view for the sake of what could not be sent into it.
            return
        self._detach(node)

    def _detach(self, node: Node) -> None:
        self._tree.detach(node, self._asked - 1)
        self._merged.vanished.append(node)


def _holds_changes(directory: Directory) -> bool:
    if directory.flux:
        return True
    for child in directory.children.values():
        if isinstance(child, File) and child.change is not None:
            return True
        if isinstance(child, Directory) and _holds_changes(child):
            return True
    return False
