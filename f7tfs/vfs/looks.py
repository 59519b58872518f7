"""What stands at a place on the cluster now, before something of ours replaces or removes it.

One listing answers for all places of a directory for a while, but for those that were changed from here since.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cachetools
import trio

from f7tfs.cluster.errors import NotADirectory, NotFound, Refused, TimedOut, Unauthorized
from f7tfs.cluster.model import Entry, Kind
from f7tfs.cluster.port import Cluster
from f7tfs.vfs.change import Change, ancestors
from f7tfs.vfs.content import Content
from f7tfs.vfs.nodes import File, Sent, Standing, Version, told_by_stat
from f7tfs.vfs.singleflight import SingleFlight
from f7tfs.vfs.sleep import Sleep
from f7tfs.vfs.standing import Verdict, judge
from f7tfs.vfs.subtrees import by_directory

DIRECTORIES = 1024
REMEMBERED = 1024


@dataclass(eq=False, slots=True)
class _Look:
    asked: float
    entries: dict[str, Entry]


class Looks:
    """`seconds`: how long a listing is believed."""

    def __init__(self, cluster: Cluster, seconds: float) -> None:
        self._cluster = cluster
        self._seconds = seconds
        self._sleep = Sleep()
        self._looks: cachetools.LRUCache[str, _Look] = cachetools.LRUCache(DIRECTORIES)
        self._flights: SingleFlight[str, _Look] = SingleFlight()
        self._changed: dict[str, float] = {}
        """When a place was changed from here last (monotonic), the oldest first."""
        self._arrived: cachetools.LRUCache[str, float] = cachetools.LRUCache(REMEMBERED)
        """When a content of ours was known to be at a place (monotonic), and nothing was done there since."""

    def outdate(self, path: str) -> None:
        """It was changed from here, or is about to be."""
        now = trio.current_time()
        self._arrived.pop(path, None)
        self._changed.pop(path, None)
        self._changed[path] = now
        while len(self._changed) > REMEMBERED:
            oldest = next(iter(self._changed))
            if self._changed[oldest] >= now - self._seconds:
                break
            # Of what is older, no listing is believed anyway.
            del self._changed[oldest]

    def arrived(self, path: str) -> None:
        """The cluster has just said that it has what was sent there."""
        self._arrived[path] = trio.current_time()

    def is_fresh(self, path: str) -> bool:
        """Whether a content of ours came to a place so lately that it is believed to be there, as a listing is."""
        arrived = self._arrived.get(path, float("-inf"))
        moved = max((self._changed.get(place, float("-inf")) for place in ancestors(path)), default=float("-inf"))
        return arrived > max(moved, self._oldest)

    @property
    def _oldest(self) -> float:
        """What was seen before this is not believed (monotonic)."""
        return max(trio.current_time() - self._seconds, self._sleep.woke())

    def take(self, directory: str, entries: Iterable[Entry], asked: float) -> None:
        """A listing that was asked for at `asked` (monotonic)."""
        self._looks[directory] = _Look(asked, {entry.name: entry for entry in entries})

    def listing(self, directory: str) -> tuple[float, list[Entry]] | None:
        """When the last listing was asked for, and what it showed; None where there is none, or nothing was above it
        changed since."""
        look = self._looks.get(directory)
        if look is None or not self._tells(look, directory, self._oldest):
            return None
        return look.asked, list(look.entries.values())

    def take_tree(self, path: str, entries: Sequence[Entry], asked: float) -> None:
        """The same of a whole subtree, with names relative to `path`."""
        below = by_directory(entries)
        for name in ("", *(entry.name for entry in entries if entry.kind is Kind.DIRECTORY)):
            self.take(f"{path.rstrip('/')}/{name}".rstrip("/"), below.get(name, []), asked)

    def knows(self, path: str, since: float) -> bool:
        """Whether `at` needs no call."""
        look = self._looks.get(path.rpartition("/")[0] or "/")
        return look is not None and self._tells(look, path, max(since, self._oldest))

    def _tells(self, look: _Look, path: str, earliest: float) -> bool:
        """Whether a listing says what is at a path: a listing that was under way during a change does not."""
        changed = max(self._changed.get(place, float("-inf")) for place in (path, *ancestors(path)))
        return look.asked >= earliest and look.asked > changed

    async def at(self, path: str, since: float = float("-inf")) -> Entry | None:
        """What is at `path`, as of after `since` (monotonic); None if nothing is."""
        directory, _, name = path.rpartition("/")
        directory = directory or "/"
        look = self._looks.get(directory)
        earliest = max(since, self._oldest)
        try:
            if look is None or not self._tells(look, path, earliest):
                look = await self._flights.run(directory, lambda: self._list(directory))
            if self._tells(look, path, earliest):
                return look.entries.get(name)
            return await self._alone(path, name)
        except (NotFound, NotADirectory):
            return None
        except Refused as error:
            if isinstance(error, Unauthorized):
                raise
            return await self._alone(path, name)

    async def _list(self, directory: str) -> _Look:
        asked = trio.current_time()
        entries = await self._cluster.list_directory(directory)
        look = self._looks[directory] = _Look(asked, {entry.name: entry for entry in entries})
        return look

    async def _alone(self, path: str, name: str) -> Entry | None:
        """Where the directory cannot be listed, or is being changed all the time."""
        try:
            stat = await self._cluster.stat(path)
        except (NotFound, NotADirectory):
            return None
        return Entry(name, stat.kind, stat.mode, str(stat.uid), str(stat.gid), stat.size, told_by_stat(stat))

    async def recognise(self, path: str, found: Entry | None, standing: Standing) -> Sent | bool:
        """Whether nobody else changed a file's place (see `judge`), and which of our contents is there if one is.

        One call more where only the checksum tells.
        """
        if found is None or not standing.known:
            return True
        if found.kind is not Kind.FILE:
            return False
        match judge(self._comparable(found, standing), standing):
            case Verdict.EXPECTED:
                return True
            case Verdict.ANOTHERS:
                return False
        return await self._sent_there(path, found, standing.sent) or False

    async def is_what_was_removed(self, change: Change, path: str, found: Entry) -> bool:
        """Whether what is at `path` is what a removal is about: by what was there when it was removed here, or what
        was still on its way then."""
        node = change.node
        if not isinstance(node, File):
            # If its rename to this place was not made, there still is what it was to replace.
            return found.kind is node.kind or (
                change.standing.known and bool(await self.recognise(path, found, change.standing))
            )
        if found.kind is not node.kind:
            return False
        return bool(
            await self.recognise(path, found, change.standing) or await self.recognise(path, found, node.standing)
        )

    async def is_beginning(self, path: str, found: Entry, content: Content) -> bool:
        """Whether a file holds the beginning of a content that is here: an upload was cut off, by a quota perhaps.

        Nothing is lost where that is replaced by the whole.
        """
        if found.kind is not Kind.FILE or found.size > min(content.size, self._cluster.limits.direct_read):
            return False
        data = await self._cluster.read_direct(path)
        return await trio.to_thread.run_sync(_begins, content.path, data)

    def _comparable(self, found: Entry, standing: Standing) -> Version:
        """The version of an entry; where one came by `stat` and one by a listing, only the sizes are compared."""
        here = Version(found.modified, found.size)
        for version in standing.versions:
            if version.by_stat != here.by_stat and version.size == here.size:
                return version
        return here

    async def _sent_there(self, path: str, found: Entry, sent: tuple[Sent, ...]) -> Sent | None:
        """Which of the contents that were sent is the one that is there."""
        alike = [each for each in sent if each.size == found.size]
        if not alike:
            return None
        try:
            digest = await self._cluster.checksum(path)
        except TimedOut:
            # Too large for the time that a command has there: its size has to do.
            return alike[-1]
        return next((each for each in alike if each.digest == digest), None)


def _begins(path: Path, data: bytes) -> bool:
    with path.open("rb") as content:
        return content.read(len(data)) == data
