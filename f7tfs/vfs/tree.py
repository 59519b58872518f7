"""The tree of nodes. No await anywhere in here."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

from f7tfs.cluster.model import Entry, Kind, Stat
from f7tfs.vfs.inodes import ROOT_NUMBER, InodeTable
from f7tfs.vfs.nodes import Attributes, Directory, File, Node, Special, Symlink, Version, told_by_stat

# Listings show whole seconds: a time this close to the moment of the listing proves nothing.
RESOLUTION = 2.0
NodeType = TypeVar("NodeType", bound=Node)
SECOND_NS = 1_000_000_000


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
                node.attributes.mtime_ns = self.time_of(version)

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
            mtime_ns=self.time_of(version),
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

    def time_of(self, version: Version) -> int:
        """The time of a version that a listing showed, in nanoseconds since the epoch."""
        return self._epoch(version.modified) * SECOND_NS

    def version_of(self, entry: Entry) -> Version:
        """The version that an entry of a listing made just now shows."""
        settled = self._epoch(entry.modified) < time.time() - RESOLUTION
        return Version(entry.modified, entry.size, settled)


def _below(directory: Directory) -> Iterator[Node]:
    """Every node below a directory, each after the one that holds it."""
    waiting = [directory]
    while waiting:
        for child in waiting.pop().children.values():
            yield child
            if isinstance(child, Directory):
                waiting.append(child)


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
