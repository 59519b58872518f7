"""Brings what is new to the cluster in archives, and looks at what came of it."""

from __future__ import annotations

import contextlib
import logging
import uuid
from collections.abc import Iterator

import trio

from f7tfs.cluster.errors import ClusterError, NotADirectory, NotFound
from f7tfs.cluster.model import Entry
from f7tfs.cluster.port import Cluster
from f7tfs.vfs.archive import Member, write_archive
from f7tfs.vfs.arrivals import Arrivals
from f7tfs.vfs.batches import MOST, OVERHEAD, Batch, candidates, plan
from f7tfs.vfs.change import Change, ChangeKind
from f7tfs.vfs.changelog import ChangeLog
from f7tfs.vfs.content import take_digests
from f7tfs.vfs.looks import Looks
from f7tfs.vfs.metadata import Metadata
from f7tfs.vfs.nodes import Directory, File, Sent, Standing, Symlink
from f7tfs.vfs.options import VfsOptions
from f7tfs.vfs.routes import WriteRoute
from f7tfs.vfs.sender import Sender
from f7tfs.vfs.standing import with_sent

logger = logging.getLogger(__name__)

LARGEST_SHARE = 4
"""A file of more than this part of the direct limit goes by itself."""
PAUSE_SECONDS = 0.5
"""What was made waits so long for the next."""
LONGEST_PAUSE = 5.0
"""No longer, though more comes."""
FRESH_SECONDS = 2.0
"""A listing that is older says nothing of what an archive would replace."""
MOST_LOOKS = 1
"""So many directories are listed by themselves before an archive; more come in one call."""


class Shipping:
    """One archive at a time; what becomes due meanwhile fills the next."""

    def __init__(
        self,
        log: ChangeLog,
        cluster: Cluster,
        sender: Sender,
        metadata: Metadata,
        arrivals: Arrivals,
        looks: Looks,
        options: VfsOptions,
    ) -> None:
        self._log = log
        self._cluster = cluster
        self._sender = sender
        self._metadata = metadata
        self._arrivals = arrivals
        self._looks = looks
        self._directory = options.state_directory
        # In mode `sync` somebody waits for each of these changes.
        self._enabled = options.bulk and options.write_mode != "sync"
        self.travelling = False

    def gathering(self, gathered: list[Change]) -> float:
        """Until when (monotonic) what may travel waits for more: a program makes one new thing after the other."""
        now = trio.current_time()
        made = [change.made for change in gathered if change.made <= now]
        if not made or self._is_full(gathered) or any(change.urgent for change in gathered):
            return now
        return min(max(made) + PAUSE_SECONDS, min(made) + LONGEST_PAUSE)

    def _is_full(self, gathered: list[Change]) -> bool:
        size = sum(change.size + OVERHEAD for change in gathered)
        return len(gathered) >= MOST or size >= self._cluster.limits.direct_write

    def gathers(self) -> list[Change]:
        """What may travel in an archive now."""
        if not self._enabled:
            return []
        changes = list(self._log.changes.values())
        return candidates(changes, self._log.claims, self._fits, trio.current_time())

    def _fits(self, change: Change) -> bool:
        if change.content is None:
            return True
        if self._sender.route(change.content) is WriteRoute.STAGED:
            return False
        return change.size <= self._cluster.limits.direct_write // LARGEST_SHARE

    def plan(self, gathered: list[Change]) -> Batch | None:
        """The next archive; None where it does not pay."""
        return plan(gathered, self._metadata.tree.root, self._cluster.limits.direct_write)

    def take(self, batch: Batch) -> None:
        """It travels now: nobody else sends what is in it."""
        self.travelling = True
        for change in batch.changes:
            change.sending = True

    async def ship(self, batch: Batch) -> None:
        """Send a batch that was taken. Its changes are finished after this, or wait for another attempt."""
        planned = list(batch.changes)
        try:
            absent = await self._absent(batch)
            for change in planned:
                if _directory_of(change.path) in batch.parents and change.row not in absent:
                    # Something is there: what that means is found out by itself.
                    change.attempts += 1
                    self._log.touch(change)
            with self._held(batch, absent):
                if batch.changes:
                    await self._ship(batch)
        except ClusterError as error:
            for change in batch.changes:
                self._arrivals.put_off(change, error)
        finally:
            self.travelling = False
            for change in planned:
                change.sending = False
            self._log.tell()

    async def _absent(self, batch: Batch) -> set[int]:
        """The rows of changes at whose places nothing is, by fresh listings."""
        beside = [change for change in batch.changes if _directory_of(change.path) in batch.parents]
        since = trio.current_time() - FRESH_SECONDS
        unknown = {_directory_of(change.path) for change in beside if not self._looks.knows(change.path, since)}
        if batch.whole and len(unknown) > MOST_LOOKS:
            await self._listed(batch.base)
        return {change.row for change in beside if await self._looks.at(change.path, since) is None}

    @contextlib.contextmanager
    def _held(self, batch: Batch, absent: set[int]) -> Iterator[None]:
        """What is still as it was planned stays so meanwhile; the rest is left out. No await before the block."""
        batch.changes = self._still_new(batch, absent)
        files = [change.node for change in batch.changes if isinstance(change.node, File)]
        for file in files:
            file.lock.acquire_nowait()
        for change in batch.changes:
            change.sending = change.in_flight = True
        self._log.touch(*batch.changes)
        try:
            with contextlib.ExitStack() as stack:
                for change in batch.changes:
                    if change.content is not None:
                        stack.enter_context(change.content.still())
                yield
        finally:
            for change in batch.changes:
                change.in_flight = False
            for file in files:
                file.lock.release()

    def _still_new(self, batch: Batch, absent: set[int]) -> list[Change]:
        mine = {change.row for change in batch.changes}
        for change in batch.changes:
            change.sending = False
        waiting = list(self._log.changes.values())
        still = candidates(waiting, self._log.claims, lambda change: change.row in mine, trio.current_time())
        kept: list[Change] = []
        new: set[str] = set()
        for change in still:
            if change.row in absent or _directory_of(change.path) in new:
                kept.append(change)
                if change.kind is ChangeKind.MKDIR:
                    new.add(change.path)
        return kept

    async def _ship(self, batch: Batch) -> None:
        sent = await self._note_sent(batch)
        began = trio.current_time()
        refused: ClusterError | None = None
        try:
            await self._extract(batch)
        except ClusterError as error:
            # It may have been done, or in part: the listing decides.
            logger.info("an archive for %s failed: %s", batch.base, error)
            refused = error
        looked = trio.current_time()
        found = await self._found(batch)
        # No await: nothing has been done there since.
        seen = self._seen(batch)
        await self._arrivals.settle(batch.changes, found, sent, refused, looked)
        for directory, asked, entries in seen:
            await self._believe(directory, asked, entries)
        logger.debug("an archive of %d took %.1f s", len(batch.changes), trio.current_time() - began)

    async def _note_sent(self, batch: Batch) -> dict[Change, Sent]:
        """Put down what is sent before it is: a later look must tell it from another's doing."""
        await self._sender.end_older(*(change.path for change in batch.changes))
        await take_digests([change.content for change in batch.changes if change.content is not None])
        sent: dict[Change, Sent] = {}
        told: dict[Change, None] = {}
        for change in batch.changes:
            node = change.node
            if isinstance(node, File) and change.content is not None:
                sent[change] = digest = await change.content.known_by()
                node.standing = with_sent(node.standing, digest)
                told |= dict.fromkeys(self._log.arriving(change.path, Standing(sent=(digest,)), change, node))
        await self._log.journal.update(*told)
        return sent

    async def _extract(self, batch: Batch) -> None:
        archive = self._directory / f"{uuid.uuid4().hex}.tar.gz"
        members = [_member(change, batch.base) for change in batch.changes]
        try:
            await trio.to_thread.run_sync(write_archive, archive, members)
            await self._cluster.unpack(archive, batch.base)
        finally:
            archive.unlink(missing_ok=True)

    # -- what came of it -------------------------------------------------------------------------

    async def _found(self, batch: Batch) -> dict[str, Entry]:
        """What is there now, by path."""
        for change in batch.changes:
            self._looks.outdate(change.path)
        if batch.whole:
            return await self._listed(batch.base)
        asked = trio.current_time()
        entries = await self._cluster.list_directory(batch.base)
        self._looks.take(batch.base, entries, asked)
        found = {_join(batch.base, entry.name): entry for entry in entries}
        for top in batch.tops:
            found |= await self._listed(top)
        return found

    async def _listed(self, path: str) -> dict[str, Entry]:
        """A whole subtree, by path."""
        asked = trio.current_time()
        try:
            entries = await self._cluster.list_tree(path)
        except (NotFound, NotADirectory):
            # Perhaps it was left out, since something else is there.
            return {}
        self._looks.take_tree(path, entries, asked)
        return {_join(path, entry.name): entry for entry in entries}

    def _seen(self, batch: Batch) -> list[tuple[Directory, float, list[Entry]]]:
        """The directories that something was made in, when they were looked at just now, and what was seen."""
        made = [change.node for change in batch.changes if isinstance(change.node, Directory)]
        listings = ((place, self._looks.listing(place.path)) for place in (*batch.parents.values(), *made))
        return [(place, *listing) for place, listing in listings if listing is not None]

    async def _believe(self, directory: Directory, asked: float, entries: list[Entry]) -> None:
        """What was seen of it is a listing: nobody needs to look again."""
        there = not directory.unlinked and directory.on_cluster and directory.remote_path == directory.path
        if there and directory.listed < asked:
            await self._metadata.merge(directory, entries, asked)


def _directory_of(path: str) -> str:
    return path.rpartition("/")[0] or "/"


def _join(directory: str, name: str) -> str:
    return f"{directory.rstrip('/')}/{name}" if name else directory


def _member(change: Change, base: str) -> Member:
    node = change.node
    return Member(
        name=change.path.removeprefix(base.rstrip("/") + "/"),
        kind=node.kind,
        mode=node.attributes.mode,
        mtime_ns=node.attributes.mtime_ns,
        target=node.target if isinstance(node, Symlink) else "",
        source=change.content.path if change.content is not None else None,
    )
