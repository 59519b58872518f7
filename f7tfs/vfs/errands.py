"""What a user has done on the cluster by command: copies, moves, removals, and files that pass by the cache.

What was written here to the places that are concerned is sent first, nothing else is done there meanwhile, and what
is known of them is asked for anew afterwards.
"""

from __future__ import annotations

import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence

import trio

from f7tfs.cluster.errors import (
    ClusterError,
    IsADirectory,
    NotADirectory,
    NotFound,
    PermissionDenied,
    ReadOnly,
    Unavailable,
)
from f7tfs.cluster.model import Kind
from f7tfs.cluster.port import Cluster
from f7tfs.vfs.change import State, is_at_or_below
from f7tfs.vfs.commission import Commission, Doing
from f7tfs.vfs.direct import DirectCopies
from f7tfs.vfs.displaced import Displaced
from f7tfs.vfs.going_on import go_on
from f7tfs.vfs.options import VfsOptions
from f7tfs.vfs.reintegration import DrainProgress, Reintegration
from f7tfs.vfs.sender import Sender
from f7tfs.vfs.transfers import Transfer, Transfers

logger = logging.getLogger(__name__)

MOST_AT_ONCE = 4
REMEMBERED = 100
PROGRESS_SECONDS = 0.2


class Errands:
    """All of one mount. They belong to its background, and end with it."""

    def __init__(
        self,
        cluster: Cluster,
        reintegration: Reintegration,
        sender: Sender,
        displaced: Displaced,
        transfers: Transfers,
        nursery: trio.Nursery,
        options: VfsOptions,
    ) -> None:
        self._cluster = cluster
        self._reintegration = reintegration
        self._sender = sender
        self._displaced = displaced
        self._transfers = transfers
        self._nursery = nursery
        self._options = options
        self._room = trio.CapacityLimiter(MOST_AT_ONCE)
        self._known: deque[Commission] = deque(maxlen=REMEMBERED)
        direct = DirectCopies(cluster, sender, options)
        self._doers: dict[Doing, Callable[[Commission, Transfer], Awaitable[None]]] = {
            "copy": lambda each, _: cluster.copy(each.source, each.target, each.errand),
            "move": lambda each, _: cluster.move(each.source, each.target, each.errand),
            "remove": lambda each, _: cluster.remove_tree(each.source, each.errand),
            "upload": lambda each, transfer: direct.upload(each.source, each.target, transfer),
            "download": lambda each, transfer: direct.download(each.source, each.target, transfer),
        }

    # -- what a user asks for --------------------------------------------------------------------

    async def run(self, commissions: Sequence[Commission], progress: DrainProgress, *, leave: bool = False) -> None:
        """Have all of them done; what became of each is in it then.

        `leave`: return once the scheduler has them, or they are done without. Cancelled, it takes back the others.
        """
        for commission in commissions:
            commission.errand.leave = leave
            self._known.append(commission)
            go_on(self._nursery, self._run, commission)
        try:
            while any(self._is_waited_for(each, leave=leave) for each in commissions):
                shown = [each.transfer for each in commissions if each.transfer is not None]
                progress(sum(each.done for each in shown), sum(each.size for each in shown))
                await trio.sleep(PROGRESS_SECONDS)
        except trio.Cancelled:
            for commission in commissions:
                commission.errand.leave = False
                commission.scope.cancel()
            raise

    def _is_waited_for(self, commission: Commission, *, leave: bool) -> bool:
        return not commission.ended.is_set() and not (leave and commission.errand.begun.is_set())

    async def settle(
        self, paths: Sequence[str], progress: DrainProgress, *, even_open: bool = False
    ) -> dict[str, object]:
        """Wait until the cluster has what was written, or commissioned, to these places. JSON-able: what it lacks."""
        while True:
            left = await self._reintegration.drain_at(paths, progress, even_open=even_open)
            running = [each for each in self._at(paths) if each.state == "running"]
            if not running:
                break
            await running[0].ended.wait()
        failed = {change.path: str(change.error) for change in left if change.state is State.FAILED}
        failed |= {each.place: each.error for each in self._at(paths) if each.state == "failed"}
        return {"left": [change.path for change in left], "failed": failed}

    def _at(self, paths: Sequence[str]) -> list[Commission]:
        """The latest for each place at or below these."""
        found = {each.place: each for each in self._known}
        return [each for place, each in found.items() if any(is_at_or_below(place, path) for path in paths)]

    async def places_in(self, target: str, names: Sequence[str]) -> list[str]:
        """Where things of these names go: into `target`, if that is a directory. Raises NotADirectory for several."""
        if await self._is_directory(target):
            return [f"{target.rstrip('/')}/{name}" for name in names]
        if len(names) != 1:
            raise NotADirectory(f"{target} is not a directory")
        return [target]

    async def _is_directory(self, path: str) -> bool:
        if (known := self._displaced.kind(path)) in {Kind.DIRECTORY, Kind.FILE}:
            # The cluster may not have it yet.
            return known is Kind.DIRECTORY
        try:
            kind = (await self._cluster.stat(path)).kind
            if kind is Kind.SYMLINK:
                await self._cluster.list_directory(path)
        except (NotFound, NotADirectory):
            return False
        return kind in {Kind.DIRECTORY, Kind.SYMLINK}

    # -- doing it --------------------------------------------------------------------------------

    async def _run(self, commission: Commission) -> None:
        try:
            with commission.scope:
                async with self._room:
                    await self._do(commission)
                commission.state = "done"
        except (ClusterError, OSError) as error:
            commission.error = str(error)
            logger.warning("%s %s %s: %s", commission.doing, commission.source, commission.target, error)
        except Exception as error:
            # A defect: nothing in the background may end the mount.
            commission.error = f"{type(error).__name__}: {error}"
            logger.exception("%s %s %s", commission.doing, commission.source, commission.target)
        finally:
            if commission.state == "running":
                commission.state = "failed"
                commission.error = commission.error or "it was given up"
            commission.ended.set()

    async def _do(self, commission: Commission) -> None:
        self._check(commission)
        left = await self._reintegration.drain_at(commission.concerned)
        if left:
            raise Unavailable(
                f"{left[0].path} was changed here, and the cluster does not have that: see f7tfs status"
            )
        # No await since nothing is in the way.
        with self._reintegration.log.claim(commission.changed), self._shown(commission) as transfer:
            if commission.doing in {"copy", "remove", "download"} and not commission.recursive:
                await self._check_no_directory(commission.source)
            if commission.doing != "upload":
                # An upload goes on where an earlier one of the same file ended.
                await self._sender.end_older(*commission.changed)
            try:
                await self._doers[commission.doing](commission, transfer)
            except BaseException:
                # A part may have been done.
                await self._displaced.changed(*commission.changed)
                raise
            if commission.doing in {"move", "remove"}:
                await self._displaced.moved(commission.source, commission.target)
            else:
                await self._displaced.changed(*commission.changed)

    @contextlib.contextmanager
    def _shown(self, commission: Commission) -> Iterator[Transfer]:
        """Among the transfers."""
        path = commission.source if commission.doing == "upload" else commission.place
        with self._transfers.running(Transfer(commission.doing, path, 0, phase="working")) as transfer:
            commission.transfer = transfer
            yield transfer

    def _check(self, commission: Commission) -> None:
        if self._options.read_only and commission.changed:
            raise ReadOnly("mounted read-only")
        for path in commission.concerned:
            self._cluster.check_name(path)
        if commission.doing in {"move", "remove"} and is_at_or_below(self._displaced.root, commission.source):
            raise PermissionDenied(f"{commission.source} is what is mounted, or lies above it")

    async def _check_no_directory(self, path: str) -> None:
        if (await self._cluster.stat(path)).kind is Kind.DIRECTORY:
            raise IsADirectory(f"{path} is a directory")
