"""The cluster's clock: which time zone its listings are in, learned once and kept for the next run."""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Sequence

from f7tfs.cluster.errors import ClusterError
from f7tfs.cluster.model import Entry
from f7tfs.cluster.port import Cluster
from f7tfs.vfs.journal import Journal
from f7tfs.vfs.zones import LIKELY, Zone, epoch, infer_zone, local_zone_name, named_zone, zone_name

logger = logging.getLogger(__name__)

ZONE_FACT = "zone"


class Clock:
    """Turns the raw times of listings into epoch seconds."""

    def __init__(self, cluster: Cluster, journal: Journal, zone: str | None) -> None:
        """`zone`: its name, where the user says so; None: learned."""
        self._cluster = cluster
        self._journal = journal
        self.zone: Zone | None = named_zone(zone or journal.fact(ZONE_FACT) or "")
        """None: not known (yet)."""

    def epoch(self, modified: str) -> int:
        """Seconds since the epoch of a listing's raw time."""
        return epoch(modified, self.zone or dt.UTC)

    async def learn(self, directory: str, entries: Sequence[Entry]) -> bool:
        """Compare one entry's time in the listing with its `stat`. Returns whether the zone is known by this.

        Once for a mount: no call where it is known already.
        """
        if self.zone is not None or not entries:
            return False
        by_age = sorted(entries, key=lambda entry: entry.modified)
        sample = by_age[len(by_age) // 2]
        try:
            stat = await self._cluster.stat(f"{directory.rstrip('/')}/{sample.name}")
        except ClusterError as error:
            logger.info("the cluster's time zone could not be learned yet: %s", error)
            return False
        local = local_zone_name()
        self.zone = infer_zone([(sample.modified, stat.mtime)], [*([local] if local else []), *LIKELY])
        if self.zone is None:
            return False
        await self._journal.set_fact(ZONE_FACT, zone_name(self.zone))
        logger.info("the cluster's time zone is taken to be %s", zone_name(self.zone))
        return True
