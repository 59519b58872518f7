"""What a file system is put together from: the parts, and who of them knows whom."""

from __future__ import annotations

import trio

from f7tfs.cluster.errors import NotADirectory
from f7tfs.cluster.model import Kind
from f7tfs.cluster.port import Cluster
from f7tfs.vfs.arrivals import Arrivals
from f7tfs.vfs.asides import Asides
from f7tfs.vfs.bundles import Bundles
from f7tfs.vfs.cache import ContentCache
from f7tfs.vfs.changelog import ChangeLog
from f7tfs.vfs.changes import Changes
from f7tfs.vfs.clearing import Clearing
from f7tfs.vfs.content_store import ContentStore
from f7tfs.vfs.delivery import Delivery
from f7tfs.vfs.displaced import Displaced
from f7tfs.vfs.errands import Errands
from f7tfs.vfs.files import Files
from f7tfs.vfs.going_on import go_on
from f7tfs.vfs.handles import Handle, HandleTable
from f7tfs.vfs.inodes import InodeTable
from f7tfs.vfs.jobs import JobsTree
from f7tfs.vfs.journal import Journal
from f7tfs.vfs.listing import Listing
from f7tfs.vfs.looks import Looks
from f7tfs.vfs.metadata import Metadata
from f7tfs.vfs.options import VfsOptions
from f7tfs.vfs.paces import Paces
from f7tfs.vfs.placing import Placing
from f7tfs.vfs.polls import Polls
from f7tfs.vfs.presently import Presently
from f7tfs.vfs.reachability import Reachability
from f7tfs.vfs.reader import Reader
from f7tfs.vfs.recovery import Recovery
from f7tfs.vfs.refusals import Refusals
from f7tfs.vfs.reintegration import Reintegration
from f7tfs.vfs.renamer import Renamer
from f7tfs.vfs.replay import Replay
from f7tfs.vfs.sender import Sender
from f7tfs.vfs.shipping import Shipping
from f7tfs.vfs.transfers import Transfers
from f7tfs.vfs.upkeep import Upkeep
from f7tfs.vfs.uploads import Uploads
from f7tfs.vfs.virtual import VirtualNodes
from f7tfs.vfs.walker import Walker


class Assembly:
    """The parts of one mount. What is done with them is in `Filesystem`."""

    def __init__(self, cluster: Cluster, journal: Journal, options: VfsOptions, nursery: trio.Nursery) -> None:
        self._journal = journal
        self.options = options
        self._nursery = nursery
        self._inodes = InodeTable()
        self._cache = ContentCache(
            ContentStore(options.state_directory / "content", options.cache_bytes, options.reserved_bytes)
        )
        self._reachability = Reachability(options.deadline)
        self.metadata = Metadata(
            cluster,
            journal,
            self._inodes,
            self._reachability,
            timeout=options.attribute_timeout,
            zone=options.zone,
            max_entries=options.listed_entries,
        )
        walker = Walker(cluster, self.metadata, enabled=options.bulk)
        self.metadata.on_lookup = walker.look
        bundles = Bundles(
            cluster,
            self._cache,
            self.metadata,
            nursery,
            options.state_directory,
            enabled=options.bulk,
            has_read=walker.has_read,
        )
        self.transfers = Transfers()
        self._reader = Reader(cluster, self._cache, self.transfers, bundles, nursery, options, self.metadata.counts)
        self.metadata.on_changed = self._reader.changed
        self._sender = sender = Sender(cluster, options.state_directory, self.transfers, append=options.append)
        looks = Looks(cluster, options.attribute_timeout)
        self._rows = journal.load()
        self.paces = paces = Paces(enabled=options.bursts and options.write_mode == "auto")
        log = ChangeLog(journal, self._reachability, max((row.row for row in self._rows), default=0))
        placing = Placing(self.metadata, looks, options)
        delivery = Delivery(log, sender, self.metadata, self._cache, self._reachability, looks, placing)
        uploads = Uploads(log, sender, delivery, self._reachability, paces, options)
        renamer = Renamer(cluster, sender, self._reader, self._cache)
        replay = Replay(log, cluster, sender, renamer, self.metadata, looks, self._reachability)
        arrivals = Arrivals(log, sender, delivery)
        shipping = Shipping(log, cluster, sender, self.metadata, arrivals, looks, options)
        clearing = Clearing(log, cluster, looks, Asides(cluster, journal), options)
        self.reintegration = Reintegration(log, uploads, delivery, replay, shipping, clearing, self._reachability)
        log.on_refused = lambda change, error: paces.refused(change.path, error)
        self.files = Files(self.metadata, self._cache, self._reader, uploads, paces)
        presently = Presently(log, sender, self._reachability, looks, paces, options)
        self._changes = Changes(
            cluster,
            log,
            self.metadata,
            self._cache,
            self._reader,
            uploads,
            delivery,
            sender,
            renamer,
            presently,
            paces,
            clearing,
        )
        self.upkeep = Upkeep(
            cluster,
            self.metadata,
            self._inodes,
            self._cache,
            self.reintegration,
            self._reachability,
            self.transfers,
        )
        self.jobs = JobsTree(
            cluster,
            options,
            VirtualNodes(self._inodes),
            self._cache,
            nursery,
            settle=self.upkeep.settle_below,
            zone=lambda: self.metadata.clock.zone,
        )
        displaced = Displaced(self.metadata, self._cache, journal, looks, self.upkeep.refresh)
        self.upkeep.errands = Errands(
            cluster, self.reintegration, sender, displaced, self.transfers, nursery, options
        )
        self.metadata.on_gone = self.upkeep.gone
        self.jobs.book.on_moved = self.upkeep.changed_there
        self.upkeep.after_drain = self.jobs.settled
        self.upkeep.more_status = self.jobs.status
        self._refusals = Refusals(cluster, self.metadata, self._cache.store, self.jobs, read_only=options.read_only)
        self._handles: HandleTable[Handle] = HandleTable()
        self._listing = Listing(walker, self.jobs, jobs_listed=options.jobs_listed)
        self.polls = Polls(self._handles, nursery)

    async def start(self, root: str) -> None:
        """Look at the root, take up what the journal has, and begin to send. Raises ClusterError for a bad root."""
        await self.metadata.start(root)
        if self.metadata.tree.root.kind is not Kind.DIRECTORY:
            raise NotADirectory(f"{root} is not a directory")
        await Recovery(self.reintegration.log, self.metadata, self._cache).run(self._rows)
        self._rows = []
        changes = self.reintegration.log.changes.values()
        kept = {change.content.path.name for change in changes if change.content is not None}
        go_on(self._nursery, self._sender.forget_uploads, kept)
        await self._nursery.start(self.reintegration.run)
        await self.jobs.start(root)
