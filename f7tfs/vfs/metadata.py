"""The directory and attribute cache: what is known of the cluster's tree, how old it is, and when to ask again.

One listing fills the attributes of every child, so attributes are refreshed by listing the parent; nothing is asked
twice within the attribute time-out; concurrent askers share one request.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence

import cachetools
import trio

from f7tfs.cluster.errors import NotFound, PermissionDenied, TooLarge, Unauthorized, Unavailable
from f7tfs.cluster.model import Entry, FileSystem, Identity, Kind, Stat
from f7tfs.cluster.port import Cluster
from f7tfs.vfs.asides import shown
from f7tfs.vfs.clock import Clock
from f7tfs.vfs.counts import Cache, CacheCounts
from f7tfs.vfs.inodes import InodeTable
from f7tfs.vfs.journal import Journal, Kept
from f7tfs.vfs.kept_nodes import KeptNodes
from f7tfs.vfs.merging import merge
from f7tfs.vfs.names import at_its_place
from f7tfs.vfs.nodes import Attributes, Directory, File, Node
from f7tfs.vfs.reachability import Reachability
from f7tfs.vfs.roots import made_up_entries
from f7tfs.vfs.singleflight import SingleFlight
from f7tfs.vfs.sleep import Sleep
from f7tfs.vfs.subtrees import by_directory
from f7tfs.vfs.tree import SECOND_NS, Tree, make_root

logger = logging.getLogger(__name__)

UNLISTABLE_SECONDS = 60.0


class Listings(cachetools.LRUCache[int, Directory]):
    """Which directories have a listing; the least recently used ones lose theirs when there are too many entries."""

    def __init__(self, maxsize: int, collapse: Callable[[Directory], None]) -> None:
        super().__init__(maxsize, getsizeof=lambda directory: len(directory.children) + 1)
        self._collapse = collapse

    def popitem(self) -> tuple[int, Directory]:
        number, directory = super().popitem()
        self._collapse(directory)
        return number, directory


class Metadata:
    """Looks names up and keeps attributes fresh."""

    def __init__(
        self,
        cluster: Cluster,
        journal: Journal,
        inodes: InodeTable,
        reachability: Reachability,
        *,
        timeout: float,
        zone: str | None,
        max_entries: int,
    ) -> None:
        self._cluster = cluster
        self._journal = journal
        self._inodes = inodes
        self._reachability = reachability
        self._timeout = timeout
        self._sleep = Sleep()
        self._file_systems: Sequence[FileSystem] = ()
        self.identity = Identity(user="", uid=-1, gid=-1)
        self.clock = Clock(cluster, journal, zone)
        self.kept = KeptNodes(journal, inodes)
        self._flights: SingleFlight[int, None] = SingleFlight()
        self._max_entries = max_entries
        self._too_large: set[Directory] = set()
        self.counts = CacheCounts()
        self.on_lookup: Callable[[Directory], Awaitable[None]] = self.refresh
        """Lists a directory, perhaps with others, for who looks for a name in it."""
        self.on_changed: Callable[[File], None] = lambda _file: None
        """Told of files whose content is another one on the cluster now."""
        self.on_gone: Callable[[Node], None] = lambda _node: None
        """Told of nodes that the cluster has no longer where they were; they have their parents and names still."""

    # -- start -----------------------------------------------------------------------------------

    async def start(self, root: str) -> None:
        """Look at the root. Raises ClusterError where it is not a usable directory."""
        self._file_systems = await self._cluster.file_systems()
        self.identity = await self._cluster.identity()
        attributes = await self._root_attributes(root)
        self.tree = Tree(self._inodes, make_root(root, attributes), self.clock.epoch)
        self._inodes.kept = set(self._journal.numbers().values())
        self._listings = Listings(self._max_entries, self.tree.collapse)
        await self.refresh(self.tree.root)

    async def _root_attributes(self, path: str) -> Attributes:
        if made_up_entries(path, self._file_systems) is not None:
            return Attributes(Kind.DIRECTORY, 0o755, "root", "root", 4096, 0)
        stat = await self._cluster.stat(path)
        if stat.kind is Kind.SYMLINK:
            stat = await self._cluster.stat(f"{path}/.")
        user, group = self.owner(stat)
        return Attributes(stat.kind, stat.mode, user, group, stat.size, stat.mtime * SECOND_NS)

    def owner(self, stat: Stat) -> tuple[str, str]:
        """Names of the owner and the group, as far as the user's own are concerned; numbers else."""
        user = self.identity.user if stat.uid == self.identity.uid else str(stat.uid)
        return user, self.identity.groups.get(stat.gid, str(stat.gid))

    def made_up(self, directory: Directory) -> bool:
        """Whether a directory lies above the file systems: the API knows nothing of it, and nothing changes there."""
        return made_up_entries(directory.path, self._file_systems) is not None

    def is_file_system(self, directory: Directory) -> bool:
        """Whether a directory is a whole file system of the cluster."""
        return any(directory.path == system.path.rstrip("/") for system in self._file_systems)

    # -- asking ----------------------------------------------------------------------------------

    @property
    def reachable(self) -> bool:
        """Whether the cluster answered the last time."""
        return self._reachability.since is None

    @property
    def patience(self) -> float:
        """Seconds that a listing may take where there is something to go on with."""
        return self._reachability.patience

    def fresh(self, directory: Directory) -> bool:
        """Whether the listing of a directory is still believed."""
        return not directory.on_cluster or directory.listed > self._oldest

    @property
    def _oldest(self) -> float:
        """What was seen before this is not believed any longer (monotonic)."""
        return max(trio.current_time() - self._timeout, self._sleep.woke())

    def expire(self, directory: Directory) -> None:
        """Ask again the next time."""
        directory.expired = trio.current_time()
        before = directory.expired - self._timeout
        directory.listed = min(directory.listed, before)
        for child in directory.children.values():
            child.seen = min(child.seen, before)
        directory.unlistable_until = float("-inf")

    async def lookup(self, parent: Directory, name: str) -> Node:
        """The node of that name. Raises NotFound."""
        child = parent.children.get(name)
        if child is not None and self._known(child, parent):
            self.counts.count(Cache.METADATA, hit=True)
            return child
        if child is None and (self.fresh(parent) or name in parent.flux):
            self.counts.count(Cache.NEGATIVE, hit=True)
            raise NotFound(f"{parent.path}/{name}")
        try:
            found = await self._look(parent, name)
        except NotFound:
            self.counts.count(Cache.NEGATIVE, hit=False)
            raise
        self.counts.count(Cache.METADATA, hit=False)
        return found

    async def _look(self, parent: Directory, name: str) -> Node:
        """On the cluster. Raises NotFound."""
        if trio.current_time() < parent.unlistable_until:
            return await self._lookup_alone(parent, name)
        try:
            await self.on_lookup(parent)
        except (TooLarge, PermissionDenied):
            return await self._lookup_alone(parent, name)
        if (child := parent.children.get(name)) is None:
            raise NotFound(f"{parent.path}/{name}")
        return child

    def _known(self, child: Node, parent: Directory) -> bool:
        if not child.on_cluster or (isinstance(child, File) and child.change is not None):
            return True
        if child.name in parent.flux:
            # Until the cluster has the change, what is shown is what was made here.
            return True
        newest = max(child.seen, child.touched)
        # What a directory holds is told by its own listing.
        believed = newest > parent.expired or isinstance(child, Directory)
        return self.fresh(parent) or (believed and newest > self._oldest)

    async def _lookup_alone(self, parent: Directory, name: str) -> Node:
        """By `stat`, for a directory that cannot be listed."""
        stat = await at_its_place(parent, lambda path: self._cluster.stat(f"{path.rstrip('/')}/{name}"))
        now = trio.current_time()
        old = parent.children.get(name)
        user, group = self.owner(stat)
        new = self.tree.from_stat(parent, name, stat, user, group, now)
        if old is not None and old.kind is stat.kind and old.version == new.version:
            old.seen = now
            return old
        if old is not None:
            self.tree.detach(old, now)
            self.on_gone(old)
            parent.removed.pop(name, None)
        self.tree.attach(new, parent, name)
        return new

    async def revalidate(self, node: Node) -> None:
        """Make sure that the attributes of a node are not older than the time-out. Raises NotFound if it is gone."""
        if node.unlinked or node.parent is None or self._known(node, node.parent):
            self.counts.count(Cache.METADATA, hit=True)
            return
        if await self.lookup(node.parent, node.name) is not node:
            raise NotFound(f"{node.path} was replaced on the cluster")

    async def ensure_listed(self, directory: Directory) -> None:
        """Make sure that the children of a directory are known and fresh."""
        if not directory.unlinked and not self.fresh(directory):
            await self.refresh(directory)

    async def refresh(self, directory: Directory) -> None:
        """List a directory, whatever its age; one request for all who ask at once."""
        if directory.too_large and trio.current_time() < directory.unlistable_until:
            # The server needs some seconds to find that out.
            raise TooLarge(f"{directory.path} has more entries than the API lists; its names can be used")
        await self._flights.run(directory.number, lambda: self._refresh(directory))

    async def _refresh(self, directory: Directory) -> None:
        known = directory.listed > float("-inf")
        if known and self._reachability.paused:
            return
        asked = trio.current_time()
        try:
            with trio.fail_after(self._reachability.patience if known else float("inf")):
                entries = await self._list(directory)
        except (Unavailable, trio.TooSlowError) as error:
            self._reachability.lost(error)
            if not known:
                raise
            return
        except Unauthorized as error:
            self._reachability.failed(error)
            raise
        except (TooLarge, PermissionDenied) as error:
            directory.unlistable_until = asked + UNLISTABLE_SECONDS
            directory.too_large = isinstance(error, TooLarge)
            if directory.too_large and directory not in self._too_large:
                logger.info("%s has more entries than the API lists; they can be used by name", directory.path)
                self._too_large.add(directory)
            raise
        directory.too_large = False
        self._reachability.found()
        await self.merge(directory, entries, asked)

    def too_large(self) -> list[str]:
        """The directories that cannot be listed since they have more entries than the API lists."""
        self._too_large = {each for each in self._too_large if each.too_large and not each.unlinked}
        return sorted(each.path for each in self._too_large)

    async def _list(self, directory: Directory) -> list[Entry]:
        path = directory.remote_path
        entries = made_up_entries(path, self._file_systems)
        if entries is not None:
            return entries
        return await at_its_place(directory, self._cluster.list_directory)

    async def merge_tree(self, subtree: Directory, entries: Sequence[Entry], asked: float) -> None:
        """Take a listing of all that is in and below a directory, parents first."""
        below = by_directory(entries)
        waiting = [(subtree, "")]
        while waiting:
            directory, name = waiting.pop()
            await self.merge(directory, below.get(name, []), asked)
            self.counts.count(Cache.WALKS, hit=True)
            waiting += [
                (child, f"{name}/{child.name}".lstrip("/"))
                for child in directory.children.values()
                if isinstance(child, Directory) and child.seen >= asked and self.listable(child)
            ]
            await trio.lowlevel.checkpoint()

    def listable(self, subtree: Directory) -> bool:
        """Whether it may be listed with all below it: not while a rename of it, or of what holds it, waits."""
        if subtree.unlinked or not subtree.on_cluster or subtree.remote_path != subtree.path:
            return False
        return not (self.is_file_system(subtree) or self.made_up(subtree))

    async def merge(self, directory: Directory, entries: Sequence[Entry], asked: float) -> None:
        """Take a listing of a directory that was asked for at `asked` as what it holds now."""
        if not self.made_up(directory) and await self.clock.learn(directory.remote_path, entries):
            self.tree.reckon_times()
        entries = shown(entries)
        unknown = any(entry.name not in directory.children for entry in entries)
        kept = await self._journal.kept_in(directory.path) if unknown else Kept({}, {})
        merged = merge(self.tree, directory, entries, kept, asked, trio.current_time())
        self._listings.pop(directory.number, None)
        if len(directory.children) < self._max_entries:
            self._listings[directory.number] = directory
        for file in merged.changed:
            self.on_changed(file)
        for node in merged.vanished:
            self.on_gone(node)
        if merged.adopted:
            await self._journal.adopt_times(merged.adopted)
        if merged.forgotten:
            await self._journal.forget_times(merged.forgotten)
        if merged.vanished:
            await self.kept.forget_places(merged.vanished)
        await self.kept.keep_numbers(merged.found)
