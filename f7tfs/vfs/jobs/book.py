"""The jobs of this mount: what the scheduler says of them, asked for once for all who look."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import re
import time
from collections.abc import Callable, Iterable

import trio

from f7tfs.cluster.errors import Busy, ClusterError, NotFound, Refused
from f7tfs.cluster.jobs import base_id
from f7tfs.cluster.model import Job, JobFiles, Stat
from f7tfs.cluster.port import Cluster
from f7tfs.vfs.jobs.arrays import is_job_id, is_task, task_number, with_arrays
from f7tfs.vfs.jobs.merge import FRESH_SECONDS, SHORTEST, interval, miss, observe
from f7tfs.vfs.jobs.record import Phase, Record
from f7tfs.vfs.jobs.store import JobStore
from f7tfs.vfs.singleflight import SingleFlight
from f7tfs.vfs.zones import Zone

logger = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 5.0, 60.0
"""After a look that failed nobody looks again for so long."""
PATIENCE_SECONDS, PROBE_SECONDS = 8.0, 3.0
"""A look takes no longer where something is known already; the second where the one before failed."""
MOST_MISSING = 5
"""So many jobs that the listing does not show are asked for by their ids in one look."""


class Book:
    """Jobs by the names of their directories. Nothing is asked while nobody looks."""

    def __init__(
        self, cluster: Cluster, store: JobStore, zone: Callable[[], Zone | None], shortest: float = SHORTEST
    ) -> None:
        """`shortest`: seconds for which what was seen is believed at least."""
        self._cluster = cluster
        self._store = store
        self._shortest = shortest
        self.zone = zone
        self._flight: SingleFlight[str, None] = SingleFlight()
        self._fresh_until = float("-inf")
        self._pause = FIRST_PAUSE
        self.on_moved: Callable[[str], None] = lambda _directory: None
        """Told of working directories whose jobs have begun or ended since the last look."""
        self._files: dict[str, JobFiles] = {}
        self._aliases: dict[str, Record] = {}
        """Names that jobs had before they had an id."""
        self._records: dict[str, Record] = {record.key: record for record in store.load()}
        self.seen: float | None = None
        """Epoch seconds of the last look that was answered."""

    # -- what is known ---------------------------------------------------------------------------

    def records(self) -> list[Record]:
        """Every job that is to be seen, oldest first; what has no id yet comes last."""
        return sorted((record for record in self._records.values() if not self._hidden(record)), key=_order)

    def _hidden(self, record: Record) -> bool:
        array = self._records.get(base_id(record.key)) if is_task(record.key) else None
        return record.hidden or (array is not None and array.hidden)

    def tasks(self, record: Record) -> list[Record]:
        """Of an array, those that are known one by one."""
        found = [task for key, task in self._records.items() if key.startswith(f"{record.key}_")]
        return sorted(found, key=lambda task: task_number(task.key))

    def ours(self) -> list[Record]:
        """Those that were submitted from here, hidden ones too."""
        return [record for record in self._records.values() if record.mark]

    def our_ids(self) -> set[str]:
        """The ids of the jobs that were submitted from here."""
        return {record.key for record in self.ours() if record.phase is Phase.SUBMITTED}

    def newest_id(self) -> str:
        """The highest id that is known; empty where none is."""
        ids = [record for record in self._records.values() if record.phase is Phase.SUBMITTED]
        return max(ids, key=_order).key if ids else ""

    def others(self, record: Record) -> set[str]:
        """What a lost submission cannot have made: see `find_submission`."""
        return self.our_ids() if record.script_path is None else {record.before}

    def last(self) -> Record | None:
        """The one submitted from here last; without any, the newest there is."""
        shown = self.records()
        ours = [record for record in shown if record.mark]
        if ours:
            return max(ours, key=lambda record: record.created)
        return shown[-1] if shown else None

    def named(self, directory: str) -> dict[str, Record]:
        """By the names of jobs and of their scripts the newest of each that was dropped in a directory."""
        found: dict[str, Record] = {}
        for record in sorted(self.records(), key=lambda record: record.created if record.mark else 0.0):
            if (record.dropped or record.directory) == directory:
                found |= {name: record for name in (record.called, record.name) if name and "/" not in name}
        return found

    def dropped(self, directory: str) -> dict[str, Record]:
        """By the names of their scripts the newest of each that was dropped in a directory, if it was not removed."""
        ours = [record for record in self._records.values() if record.mark and record.dropped == directory]
        newest = {record.name: record for record in sorted(ours, key=lambda record: record.created)}
        return {name: record for name, record in newest.items() if not (record.unnamed or record.hidden)}

    def __contains__(self, key: str) -> bool:
        return key in self._records or key in self._aliases

    def known(self, key: str) -> Record:
        """Raises NotFound. Asks nothing."""
        record = self._records.get(key) or self._aliases.get(key)
        if record is None or self._hidden(record):
            raise NotFound(f"no job {key}")
        return record

    async def find(self, key: str) -> Record:
        """A job by the name of its directory; one that is not known is asked for. Raises NotFound."""
        if key not in self._records and is_job_id(key):
            self._observe(with_arrays(await self._cluster.jobs([key])))
        return self.known(key)

    # -- submissions -----------------------------------------------------------------------------

    async def add(self, record: Record) -> None:
        """A script was dropped."""
        self._records[record.key] = record
        await self._store.save(record)

    async def submitted(self, record: Record, job: Job) -> None:
        """The scheduler has it: from now on its directory is called by its id."""
        self._aliases[record.key] = record
        self._records.pop(record.key, None)
        other = self._records.get(job.job_id)
        record.key, record.phase, record.problem = job.job_id, Phase.SUBMITTED, ""
        record.job = job if other is None or other.job is None else other.job
        record.changed = time.time()
        self._records[record.key] = record
        # It is seen from this moment, and looked at soon: the interval is by the youngest.
        self._fresh_until = min(self._fresh_until, trio.current_time() + self.interval([record]))
        await self._store.save(record)

    async def save(self, record: Record) -> None:
        """Its phase has changed."""
        await self._store.save(record)

    async def drop(self, record: Record) -> None:
        """It has never become a job."""
        self._records.pop(record.key, None)
        await self._store.drop(record)

    # -- looking ---------------------------------------------------------------------------------

    async def look(self) -> None:
        """See to it that what is known is not too old. While the cluster is away, what is known has to do."""
        if trio.current_time() >= self._fresh_until:
            await self._flight.run("look", self._ask)

    def interval(self, records: list[Record]) -> float:
        """Seconds for which what was seen of them is believed."""
        return interval(records, time.time(), self._shortest)

    async def fresh(self, record: Record) -> Record:
        """The same record, looked at again if it may have changed."""
        if record.active or record.phase is Phase.UNCERTAIN:
            await self.look()
        return record

    async def _ask(self) -> None:
        if not self._records:
            await self._take_in()
            return
        try:
            with trio.fail_after(PATIENCE_SECONDS if self._pause == FIRST_PAUSE else PROBE_SECONDS):
                await self._take_in()
            self._pause = FIRST_PAUSE
        except (ClusterError, trio.TooSlowError) as error:
            logger.warning("the scheduler cannot be asked; what is known of the jobs is shown: %s", error)
            self._fresh_until = trio.current_time() + self._pause
            self._pause = min(self._pause * 2, LONGEST_PAUSE)

    async def _take_in(self) -> None:
        asked = time.time()
        jobs = with_arrays(await self._cluster.jobs())
        missing = self._missing({job.job_id for job in jobs}, asked)
        if missing:
            with contextlib.suppress(Refused):
                jobs += with_arrays(await self._cluster.jobs(missing))
        changed = self._observe(jobs)
        for key in set(missing) - {job.job_id for job in jobs}:
            miss(self._records[key])
        self.seen = asked
        self._fresh_until = trio.current_time() + self.interval(list(self._records.values()))
        await self._store.save(*changed)
        for directory in {record.directory for record in changed}:
            self.on_moved(directory)

    def _missing(self, listed: set[str], now: float) -> list[str]:
        """What has not ended and is not listed: it ended long ago, or came a moment ago."""
        missing = [
            key
            for key, record in self._records.items()
            if record.active and key not in listed and now - record.created > FRESH_SECONDS
        ]
        return sorted(missing, key=lambda key: self._records[key].misses)[:MOST_MISSING]

    def _observe(self, jobs: Iterable[Job]) -> list[Record]:
        now, zone = time.time(), self.zone()
        changed = []
        for job in jobs:
            record = self._records.get(job.job_id)
            if record is None:
                began = job.submitted or job.started or now
                # v1's accounting tells of no directory; of a task, it is that of its array.
                array = self._records.get(base_id(job.job_id))
                directory = job.working_directory or (array.directory if array else "")
                record = Record(key=job.job_id, name=job.name, directory=directory, created=began)
                self._records[job.job_id] = record
            if observe(record, job, now, zone):
                changed.append(record)
        return changed

    # -- acting ----------------------------------------------------------------------------------

    async def cancel(self, record: Record) -> None:
        """Cancel a job that has not ended. One that waits for its upload is not submitted any more."""
        if record.phase is Phase.SENDING:
            raise Busy(f"{record.name} is being submitted right now")
        if record.phase is Phase.WAITING:
            record.phase, record.problem = Phase.REFUSED, "cancelled before it was submitted"
            await self._store.save(record)
        elif record.active:
            await self._cluster.cancel(record.key)
            self._fresh_until = float("-inf")

    async def forget(self, record: Record) -> None:
        """Show it no more."""
        record.hidden = True
        await self._store.save(record)

    async def unname(self, record: Record) -> None:
        """Its script's name stands for it no more."""
        record.unnamed = True
        await self._store.save(record)

    async def attach(self, record: Record, command: str) -> None:
        """Run a command inside a running job."""
        await self._cluster.attach(record.key, command)

    # -- its files -------------------------------------------------------------------------------

    async def files(self, record: Record) -> JobFiles:
        """Where its output goes, and its script. Remembered once they are known."""
        files = self._files.get(record.key)
        if files is not None:
            return files
        if record.phase is not Phase.SUBMITTED:
            return JobFiles(script=record.script or "")
        try:
            files = await self._cluster.job_files(record.key)
        except NotFound:
            if record.script is None:
                raise
            files = JobFiles()
        files = dataclasses.replace(files, script=record.script or files.script)
        if files.stdout:
            self._files[record.key] = files
        return files

    async def stat(self, path: str) -> Stat | None:
        """Of a job's output; None while there is none."""
        if not path:
            return None
        try:
            return await self._cluster.stat(path)
        except NotFound:
            return None


def _order(record: Record) -> tuple[float, str]:
    digits = re.match(r"\d+", record.key)
    return (float(digits.group()) if digits else float("inf"), record.key)
