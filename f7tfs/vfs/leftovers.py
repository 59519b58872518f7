"""What a killed daemon has left behind: archives, links and logs on the cluster, archives on the local disk.

What is made on the cluster for a while is put down in the journal before, and struck off when it is gone. What an
earlier run has not struck off, the next one removes, in the background. The server may still be making it: so what is
not there is looked for once more, when that can no longer be.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from f7tfs.cluster.doubts import MARGIN
from f7tfs.cluster.errors import ClusterError, NotADirectory, NotFound, Refused, Unauthorized
from f7tfs.cluster.lane import background
from f7tfs.cluster.port import Cluster
from f7tfs.vfs.going_on import go_on
from f7tfs.vfs.journal import Journal

logger = logging.getLogger(__name__)

FACT = "leftovers"
FIRST_PAUSE = 2.0
LONGEST_PAUSE = 60.0
TIDYING_SECONDS = 10.0


@asynccontextmanager
async def cleaning_up(
    cluster: Cluster, journal: Journal, directory: Path, nursery: trio.Nursery
) -> AsyncIterator[None]:
    """After earlier runs, and after this one. `directory`: where archives lie on the local disk."""
    leftovers = Leftovers(cluster, journal, directory)
    cluster.note_in(leftovers)
    go_on(nursery, leftovers.remove)
    try:
        yield
    finally:
        with trio.CancelScope(shield=True, deadline=trio.current_time() + TIDYING_SECONDS):
            await cluster.tidy()
        leftovers.close()


class Leftovers:
    """The Ledger of a mount."""

    def __init__(self, cluster: Cluster, journal: Journal, directory: Path) -> None:
        self._cluster = cluster
        self._journal = journal
        self._directory = directory
        self._closed = False
        self._places: dict[str, list[float]] = json.loads(journal.fact(FACT) or "{}")
        """By path: epoch seconds before which it is left alone, and after which the server makes it no more."""
        self._earlier = list(self._places)

    async def note(self, *paths: str, rest: float = 0.0) -> None:
        """As Ledger has it."""
        due = time.time() + rest
        until = due + self._cluster.limits.command_seconds + MARGIN
        new = {path: [due, until] for path in paths if path not in self._places}
        if new:
            self._places |= new
            await self._put_down()

    async def strike(self, *paths: str) -> None:
        """As Ledger has it."""
        known = [path for path in paths if self._places.pop(path, None)]
        if known:
            await self._put_down()

    async def _put_down(self) -> None:
        if not self._closed:
            await self._journal.set_fact(FACT, json.dumps(self._places))

    def close(self) -> None:
        """The journal is closed next. What goes later is looked for at the next mount."""
        self._closed = True

    # -- what an earlier run has left ------------------------------------------------------------

    async def remove(self) -> None:
        """Until nothing is left of earlier runs; that can take as long as the cluster is away."""
        for archive in self._directory.glob("*.tar.gz"):
            archive.unlink(missing_ok=True)
        pause = FIRST_PAUSE
        with background():
            while left := list(self._due()):
                if not await self._removed(left):
                    pause = min(2 * pause, LONGEST_PAUSE)
                await trio.sleep(pause)

    def _due(self) -> Iterator[str]:
        """All that is left; in the order in which it was noted."""
        return (path for path in self._earlier if path in self._places)

    async def _removed(self, paths: list[str]) -> bool:
        """Try each once. False: the cluster is away."""
        for path in paths:
            due, until = self._places[path]
            now = time.time()
            if now < due:
                continue
            try:
                await self._cluster.remove(path)
            except (NotFound, NotADirectory):
                if now < until:
                    continue
            except ClusterError as error:
                if not isinstance(error, Refused) or isinstance(error, Unauthorized):
                    return False
                logger.warning("a temporary file is left on the cluster: %s: %s", path, error)
            else:
                logger.info("removed what an earlier run has left: %s", path)
            await self.strike(path)
        return True
