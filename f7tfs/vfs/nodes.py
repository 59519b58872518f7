"""What the file system knows of each file and directory: nodes, their attributes and versions."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import trio

from f7tfs.cluster.model import Kind, Stat

if TYPE_CHECKING:
    from f7tfs.vfs.change import Change
    from f7tfs.vfs.content import Content


UNKNOWN_MODE = -1
"""Something stands there whose mode may be any: it differs from each that is asked for."""


@dataclass(slots=True)
class Attributes:
    """What `stat` shows. Times in nanoseconds since the epoch; owner and group by the cluster's names."""

    kind: Kind
    mode: int
    user: str
    group: str
    size: int
    mtime_ns: int
    acl: bool = False
    """An access control list says more than the mode."""
    ctime_ns: int | None = None
    """Of the newest change that was made here, apart from the content; None: as `mtime_ns`."""
    atime_ns: int | None = None
    """As it was set here; None: as `mtime_ns`."""

    def changed(self) -> None:
        """Through us, just now."""
        self.ctime_ns = time.time_ns()

    def written(self) -> None:
        """The content, through us, just now."""
        self.mtime_ns, self.ctime_ns = time.time_ns(), None


_STAT = "stat "


def told_by_stat(stat: Stat) -> str:
    """What stands in the place of a listing's time in a version that a `stat` told; it equals none from a listing."""
    return f"{_STAT}{stat.ino} {stat.mtime} {stat.ctime}"


@dataclass(frozen=True, slots=True)
class Version:
    """What a listing showed of a file: the raw text of its time, and its size.

    `settled` is false where the listing was made within two seconds of that time: with a resolution of one second,
    the file may have changed again since without showing it.
    """

    modified: str
    size: int
    settled: bool = field(default=True, compare=False)

    @property
    def by_stat(self) -> bool:
        """Whether it was told by a `stat` and not by a listing: then `modified` is no time, see `told_by_stat`."""
        return self.modified.startswith(_STAT)


@dataclass(frozen=True, slots=True)
class Sent:
    """A content that was sent to the cluster: its bytes, and their SHA-256 in hex."""

    size: int
    digest: str


@dataclass(frozen=True, slots=True)
class Standing:
    """What may stand at a file's place on the cluster without being another's doing.

    No version and nothing sent: there is nothing.
    """

    version: Version | None = None
    """As it was last seen, before anything of ours was sent."""
    sent: tuple[Sent, ...] = ()
    """What was sent since; each may have arrived, answered or not."""
    known: bool = True
    """False: nobody can say, and nothing is compared."""
    others: tuple[Version, ...] = ()
    """What a rename of ours may have brought there."""

    @property
    def versions(self) -> tuple[Version, ...]:
        """Each of those that may be there."""
        return self.others if self.version is None else (self.version, *self.others)


@dataclass(eq=False, slots=True, kw_only=True)
class Inode:
    """Anything with an inode number. `lookups` is the kernel's lookup count."""

    number: int
    lookups: int = 0


@dataclass(eq=False, slots=True, kw_only=True)
class Node(Inode):
    """Something on the cluster, or on its way there. nlink is always 1: a node has one dentry, (parent, name)."""

    name: str
    parent: Directory | None
    attributes: Attributes
    version: Version | None = None
    """None: not seen in a listing since we made or replaced it."""
    seen: float = float("-inf")
    """Monotonic time of the newest observation."""
    touched: float = float("-inf")
    """Monotonic time of our newest change: a listing asked for before it says nothing about this node."""
    on_cluster: bool = True
    moved: tuple[Directory, str] | None = None
    """Its directory and name on the cluster, while a rename of it waits."""
    arriving: tuple[Directory, str] | None = None
    """Where the cluster will have it next, while a rename of it is being made, or has it if that was made."""
    unlinked: bool = False
    written_here: bool = False
    """The shown mtime is the one that was set here, while `version` stands (or is not known yet)."""

    @property
    def kind(self) -> Kind:
        return self.attributes.kind

    @property
    def path(self) -> str:
        """Absolute path on the cluster."""
        parts: list[str] = []
        node: Node = self
        while node.parent is not None:
            parts.append(node.name)
            node = node.parent
        base = node.name.rstrip("/")
        return "/".join([base, *reversed(parts)]) if parts else node.name

    @property
    def remote_path(self) -> str:
        """Where the cluster has it now: renames that wait in the journal are not made there yet."""
        parent, name = self.moved or (self.parent, self.name)
        return self.name if parent is None else f"{parent.remote_path.rstrip('/')}/{name}"

    @property
    def remote_places(self) -> list[str]:
        """Where the cluster may have it: `remote_path`, and where a rename of it, or of what it lies in, may have
        brought it by now. One such rename is made after the other."""
        parent, name = self.moved or (self.parent, self.name)
        if parent is None:
            return [self.name]
        places = [f"{place.rstrip('/')}/{name}" for place in parent.remote_places]
        if self.arriving is not None:
            parent, name = self.arriving
            places.append(f"{parent.remote_path.rstrip('/')}/{name}")
        return places

    @property
    def displaced(self) -> bool:
        """Whether the cluster has another thing where it had this one.

        Not while a rename of it waits: what has that name here is made there after the rename.
        """
        if self.moved is not None or not self.unlinked or self.parent is None:
            return False
        other = self.parent.children.get(self.name)
        return other is not None and other is not self and other.on_cluster

    def is_below(self, directory: Node) -> bool:
        """Whether `directory` is this node or one of its ancestors."""
        node: Node | None = self
        while node is not None:
            if node is directory:
                return True
            node = node.parent
        return False


@dataclass(eq=False, slots=True, kw_only=True)
class Directory(Node):
    """The root has no parent, and its `name` is its whole path."""

    children: dict[str, Node] = field(default_factory=dict)
    listed: float = float("-inf")
    """Monotonic time of the newest complete listing."""
    expired: float = float("-inf")
    """Monotonic time since when nothing seen before is believed: the user asked to look anew."""
    removed: dict[str, float] = field(default_factory=dict)
    """Names removed here, and when: a listing asked for before that does not bring them back."""
    unlistable_until: float = float("-inf")
    """The API refused to list it; names are looked up one by one until then."""
    too_large: bool = False
    """Refused, since its listing is above the API's limit."""
    flux: Counter[str] = field(default_factory=Counter)
    """Names that waiting changes concern, and how many: what the cluster lists under them is not what is shown."""
    outdated: bool = False
    """The journal keeps times of it that hold no longer."""
    remains: dict[str, tuple[Sent, ...]] = field(default_factory=dict)
    """What was sent to a name and removed since, but may yet arrive: its answer was lost."""

    made_last: float = float("-inf")
    """Monotonic time at which the cluster was known to have our newest change in it."""

    def entries_made(self, now: float) -> None:
        """The cluster has a change of ours in it: its time moved there, and the next look is adopted."""
        self.version, self.made_last = None, now

    def settled(self, name: str, now: float) -> None:
        """A change that concerned this name waits no longer. A listing asked for before `now` is not believed."""
        self.flux[name] -= 1
        if self.flux[name] <= 0:
            del self.flux[name]
        child = self.children.get(name)
        if child is not None:
            child.touched = now
        else:
            self.removed[name] = now
        self.entries_made(now)

    def is_moving(self, asked: float) -> bool:
        """Whether its time may move by what is ours, after a listing that was asked for then."""
        return bool(self.flux) or self.made_last >= asked

    def entries_changed(self) -> None:
        """Through us: its time is now, and the next version seen of it is ours."""
        self.attributes.written()
        self.outdated = self.outdated or self.written_here
        self.written_here, self.version = False, None


@dataclass(eq=False, slots=True, kw_only=True)
class File(Node):
    """A regular file."""

    content: Content | None = None
    change: Change | None = None
    """The newest journaled change of its content that the cluster does not have yet."""
    standing: Standing = field(default_factory=Standing)
    """While a change waits, or our newest upload was not seen in a listing yet: what may stand at its place."""
    handles: int = 0
    remote_mode: int | None = None
    """The mode of what stands at its place on the cluster; None: nothing does. See UNKNOWN_MODE."""
    lock: trio.Lock = field(default_factory=trio.Lock)
    """Held while its content or its name is being changed on the cluster."""
    preparing: trio.Lock = field(default_factory=trio.Lock)
    """Held while it is being made ready for a write."""
    cached_version: Version | None = None
    """The version whose pages the kernel may keep across opens."""


@dataclass(eq=False, slots=True, kw_only=True)
class Symlink(Node):
    """A symbolic link, with its target as stored."""

    target: str = ""


@dataclass(eq=False, slots=True, kw_only=True)
class Special(Node):
    """A device, FIFO or socket: shown, not usable."""
