"""Removed subtrees are set aside before they go, where the API can rename: under a name that nobody writes to.

The name lies beside the subtree's own, so that the rename is one step of one file system. It is put down in the
journal first: what a killed daemon, or a lost cluster, has left aside goes back to its place before anything else is
done there. A listing does not show such names.
"""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Iterable

from f7tfs.cluster.errors import NotADirectory, NotFound
from f7tfs.cluster.model import Entry
from f7tfs.cluster.port import Cluster
from f7tfs.vfs.journal import Journal
from f7tfs.vfs.names import conflict_name

logger = logging.getLogger(__name__)

PREFIX = ".f7tfs-removed-"
SERVERS_LOG = ".f7t_file_handling_job_"
"""How the log files begin that each transfer job of a v2 server leaves in the home."""
FACT = "asides"


def shown(entries: Iterable[Entry]) -> list[Entry]:
    """The entries of a directory without what was set aside in it, and without the logs of the server's own jobs."""
    return [entry for entry in entries if not entry.name.startswith((PREFIX, SERVERS_LOG))]


class Asides:
    """Where the subtrees are that are being removed, by their own places."""

    def __init__(self, cluster: Cluster, journal: Journal) -> None:
        self._cluster = cluster
        self._journal = journal
        self._places: dict[str, str] = json.loads(journal.fact(FACT) or "{}")

    @property
    def left(self) -> list[str]:
        """The places of subtrees that may be aside."""
        return list(self._places)

    async def away(self, top: str) -> str:
        """Set a subtree aside; returns where it is now. One call, none where the API has no rename."""
        if not self._cluster.features.cheap_rename:
            return top
        aside = f"{top.rpartition('/')[0]}/{PREFIX}{secrets.token_hex(8)}"
        self._places[top] = aside
        await self._put_down()
        await self._cluster.rename(top, aside, free=True)
        return aside

    async def gone(self, top: str) -> None:
        """Nothing is aside any more."""
        if self._places.pop(top, None) is not None:
            await self._put_down()

    async def back(self, top: str) -> None:
        """Whatever is aside has its own name again, or one beside it where something else has taken that."""
        if (aside := self._places.get(top)) is None:
            return
        if await self._is_there(aside):
            place = conflict_name(top) if await self._is_there(top) else top
            await self._cluster.rename(aside, place)
            if place != top:
                logger.warning("%s was made anew while it was removed; what was found in it is in %s", top, place)
        await self.gone(top)

    async def _is_there(self, path: str) -> bool:
        try:
            await self._cluster.stat(path)
        except (NotFound, NotADirectory):
            return False
        return True

    async def _put_down(self) -> None:
        await self._journal.set_fact(FACT, json.dumps(self._places))
