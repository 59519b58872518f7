"""The tree of nodes, and how a listing changes it. No await anywhere in here."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from f7tfs.cluster.model import Entry, Kind, Stat
from f7tfs.vfs.inodes import ROOT_NUMBER, InodeTable
from f7tfs.vfs.journal import Kept, SetTime, times_of
from f7tfs.vfs.nodes import Attributes, Directory, File, Node, Special, Symlink, Version, told_by_stat

# Listings show whole seconds: a time this close to the moment of the listing proves nothing.
RESOLUTION = 2.0
NodeType = TypeVar("NodeType", bound=Node)
SECOND_NS = 1_000_000_000


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


class Tree:
    """Nodes by parent and name. `epoch` turns a listing's raw time into epoch seconds."""

    def __init__(self, inodes: InodeTable, root: Directory, epoch: Callable[[str], int]) -> None:
        self._inodes = inodes
        self._epoch = epoch
        self.root = root
        inodes.add(root)

    # -- structure -------------------------------------------------------------------------------

    def attach(self, node: Node, parent: Directory, name: str) -> None:
        """Put a node under a name that is free."""
        node.parent, node.name, node.unlinked = parent, name, False
        parent.children[name] = node
        self._inodes.add(node)

    def detach(self, node: Node, when: float) -> None:
        """Take a node out of its directory. It lives on while the kernel knows it."""
        if node.parent is not None and node.parent.children.get(node.name) is node:
            del node.parent.children[node.name]
            node.parent.removed[node.name] = when
        self._unlink(node)

    def _unlink(self, node: Node) -> None:
        node.unlinked = True
        if node.lookups == 0:
            self._inodes.discard(node)
        if isinstance(node, Directory):
            for child in list(node.children.values()):
                self._unlink(child)

    def move(self, node: Node, parent: Directory, name: str, when: float) -> None:
        """Give a node another name; the name must be free."""
        if node.parent is not None:
            node.parent.children.pop(node.name, None)
            node.parent.removed[node.name] = when
        parent.removed.pop(name, None)
        node.touched = when
        self.attach(node, parent, name)

    def find(self, path: str) -> Node | None:
        """The node at a path on the cluster, if it is known."""
        top = self.root.path.rstrip("/")
        if path == self.root.path:
            return self.root
        if not path.startswith(f"{top}/"):
            return None
        node: Node | None = self.root
        for name in path[len(top) + 1 :].split("/"):
            node = node.children.get(name) if isinstance(node, Directory) else None
        return node

    def collapse(self, directory: Directory) -> None:
        """Forget the listing of a directory, and the children that nobody knows."""
        directory.listed = float("-inf")
        for name, child in list(directory.children.items()):
            idle = child.lookups == 0 and child.on_cluster and not (isinstance(child, Directory) and child.children)
            idle = idle and name not in directory.flux and not (isinstance(child, Directory) and child.flux)
            if idle and not (isinstance(child, File) and (child.change or child.content)):
                del directory.children[name]
                self._inodes.discard(child)

    def renumber(self, kept: Mapping[str, int]) -> None:
        """Give every node but the root the number that it has by the journal, while the kernel knows none of them."""
        nodes = list(_below(self.root))
        for node in nodes:
            self._inodes.discard(node)
        for node in nodes:
            if node.parent is not None:
                node.number = self._number(node.parent, node.name, kept.get(node.path))
                self._inodes.add(node)

    def reckon_times(self) -> None:
        """Of every node as the cluster told them: the zone that they are told in is known from now on."""
        for node in _below(self.root):
            version = node.version
            if version is not None and not node.written_here and not version.by_stat:
                node.attributes.mtime_ns = self._epoch(version.modified) * SECOND_NS

    def _number(self, parent: Directory, name: str, kept: int | None) -> int:
        if kept is not None and kept not in self._inodes:
            return kept
        return self._inodes.number_for(parent.number, name)

    # -- nodes from observations -----------------------------------------------------------------

    def from_entry(self, parent: Directory, entry: Entry, now: float, number: int | None = None) -> Node:
        """A new node, not attached yet; with its kept number, if it has one."""
        version = self.version_of(entry)
        attributes = Attributes(
            kind=entry.kind,
            mode=entry.mode,
            user=entry.user,
            group=entry.group,
            size=entry.size,
            mtime_ns=self._epoch(entry.modified) * SECOND_NS,
            acl=entry.acl,
        )
        return self.make(parent, entry.name, attributes, version, now, target=entry.link_target, number=number)

    def from_stat(self, parent: Directory, name: str, stat: Stat, user: str, group: str, now: float) -> Node:
        """For a directory that cannot be listed. Its version is of a kind that equals none from a listing."""
        attributes = Attributes(
            kind=stat.kind, mode=stat.mode, user=user, group=group, size=stat.size, mtime_ns=stat.mtime * SECOND_NS
        )
        version = Version(told_by_stat(stat), stat.size)
        return self.make(parent, name, attributes, version, now)

    def make(
        self,
        parent: Directory,
        name: str,
        attributes: Attributes,
        version: Version | None,
        now: float,
        *,
        target: str = "",
        number: int | None = None,
    ) -> Node:
        """A node of the right class; with its kept number, if it has one."""
        common = (self._number(parent, name, number), name, parent, attributes, version, now)
        match attributes.kind:
            case Kind.FILE:
                file = _build(File, *common)
                file.remote_mode = attributes.mode
                return file
            case Kind.DIRECTORY:
                return _build(Directory, *common)
            case Kind.SYMLINK:
                link = _build(Symlink, *common)
                link.target = target
                return link
            case _:
                return _build(Special, *common)

    def version_of(self, entry: Entry) -> Version:
        """The version that an entry of a listing made just now shows."""
        settled = self._epoch(entry.modified) < time.time() - RESOLUTION
        return Version(entry.modified, entry.size, settled)

    # -- merging ---------------------------------------------------------------------------------

    def merge(self, directory: Directory, entries: Sequence[Entry], kept: Kept, asked: float, now: float) -> Merged:
        """Bring the children of a directory up to date with a listing that was asked for at `asked`."""
        merged = Merged()
        names = set()
        for entry in entries:
            names.add(entry.name)
            if directory.removed.get(entry.name, float("-inf")) >= asked or entry.name in directory.flux:
                continue
            child = directory.children.get(entry.name)
            if child is not None and child.touched >= asked:
                continue
            if child is not None and child.kind is not entry.kind:
                self.detach(child, asked - 1)
                merged.vanished.append(child)
                child = None
            if child is None:
                self._discover(directory, entry, kept, now, merged)
            else:
                self._observe(child, entry, asked, now, merged)
        for name, child in list(directory.children.items()):
            gone = name not in names and name not in directory.flux
            if gone and child.on_cluster and child.touched < asked:
                self._vanish(child, asked, merged)
        directory.removed = {name: when for name, when in directory.removed.items() if when >= asked}
        directory.listed = asked
        return merged

    def _discover(self, directory: Directory, entry: Entry, kept: Kept, now: float, merged: Merged) -> None:
        node = self.from_entry(directory, entry, now, kept.numbers.get(entry.name))
        self.attach(node, directory, entry.name)
        merged.found.append(node)
        set_time = kept.times.get(entry.name)
        if set_time is None:
            return
        same_size = set_time.size is None or set_time.size == entry.size
        if same_size and set_time.modified in (None, entry.modified):
            attributes, t = node.attributes, set_time
            attributes.mtime_ns, attributes.ctime_ns, attributes.atime_ns = t.mtime_ns, t.ctime_ns, t.atime_ns
            node.written_here = True
            if set_time.modified is None:
                merged.adopted.append(times_of(node))
        else:
            merged.forgotten.append(set_time.path)

    def _observe(self, node: Node, entry: Entry, asked: float, now: float, merged: Merged) -> None:
        attributes = node.attributes
        version = self.version_of(entry)
        node.on_cluster, node.seen = True, now
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
        if isinstance(node, Directory) and node.is_moving(asked):
            # That time is not the last one: the next look tells whether somebody else changed it.
            self._show(node, version)
            node.version = None
            return
        if node.version is None and (entry.size == attributes.size or not isinstance(node, File)):
            self._adopt(node, version, merged)
        elif node.version != version:
            self._change(node, entry, merged)
        node.version = version

    def _adopt(self, node: Node, version: Version, merged: Merged) -> None:
        """The first look at what we wrote."""
        node.attributes.size = version.size
        if isinstance(node, File) and node.content is not None:
            node.content.base = Version(version.modified, version.size)
        self._show(node, version)
        if node.written_here:
            merged.adopted.append(replace(times_of(node), modified=version.modified))

    def _show(self, node: Node, version: Version) -> None:
        """The cluster's time, unless ours is kept."""
        if not node.written_here:
            node.attributes.mtime_ns = self._epoch(version.modified) * SECOND_NS

    def _change(self, node: Node, entry: Entry, merged: Merged) -> None:
        """Somebody else changed it."""
        node.attributes.size = entry.size
        node.attributes.mtime_ns = self._epoch(entry.modified) * SECOND_NS
        node.attributes.ctime_ns = node.attributes.atime_ns = None
        if node.written_here:
            node.written_here = False
            merged.forgotten.append(node.path)
        if isinstance(node, File):
            merged.changed.append(node)

    def _vanish(self, node: Node, asked: float, merged: Merged) -> None:
        if isinstance(node, File) and node.change is not None:
            node.on_cluster, node.version = False, None
            return
        if isinstance(node, Directory) and _holds_changes(node):
            # It stays in view for the sake of what could not be sent into it.
            return
        self.detach(node, asked - 1)
        merged.vanished.append(node)


def _below(directory: Directory) -> Iterator[Node]:
    """Every node below a directory, each after the one that holds it."""
    waiting = [directory]
    while waiting:
        for child in waiting.pop().children.values():
            yield child
            if isinstance(child, Directory):
                waiting.append(child)


def _holds_changes(directory: Directory) -> bool:
    if directory.flux:
        return True
    for child in directory.children.values():
        if isinstance(child, File) and child.change is not None:
            return True
        if isinstance(child, Directory) and _holds_changes(child):
            return True
    return False


def _build(
    cls: type[NodeType],
    number: int,
    name: str,
    parent: Directory,
    attributes: Attributes,
    version: Version | None,
    seen: float,
) -> NodeType:
    return cls(number=number, name=name, parent=parent, attributes=attributes, version=version, seen=seen)


def make_root(path: str, attributes: Attributes) -> Directory:
    """The root of a mount: its name is its whole path."""
    return Directory(number=ROOT_NUMBER, lookups=1, name=path, parent=None, attributes=attributes)
