"""The jobs of this mount: what the scheduler says of them, asked for once for all who look."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import re
from collections.abc import Awaitable, Callable

import cachetools
import trio

from f7tfs.cluster.errors import NotFound, Refused
from f7tfs.cluster.model import Job, JobFiles, JobRequest, JobState, Stat
from f7tfs.cluster.port import Cluster
from f7tfs.vfs.singleflight import SingleFlight

logger = logging.getLogger(__name__)

LOOK_SECONDS = 2.0
NAMED = re.compile(r"^#SBATCH\s+(?:.*\s)?(?:--job-name\b|-J)", re.MULTILINE)


class Jobs:
    """Jobs by id, from one call for all of them, and what was submitted here since."""

    def __init__(self, cluster: Cluster, account: str | None, settle: Callable[[str], Awaitable[None]]) -> None:
        self._cluster = cluster
        self._account = account
        self._settle = settle
        self._flight: SingleFlight[str, dict[str, Job]] = SingleFlight()
        self._known: cachetools.TTLCache[str, dict[str, Job]] = cachetools.TTLCache(
            1, LOOK_SECONDS, timer=trio.current_time
        )
        self._submitted: dict[str, Job] = {}
        self._files: dict[str, JobFiles] = {}
        self._scripts: dict[str, str] = {}
        """Of what was submitted here: v1 does not give a script back."""
        self.hidden: set[str] = set()
        self.last: str | None = None

    async def all(self) -> dict[str, Job]:
        """Every job that is to be seen, newest last."""
        if "jobs" not in self._known:
            await self._flight.run("jobs", self._ask)
        jobs = self._submitted | self._known.get("jobs", {})
        return {job_id: jobs[job_id] for job_id in sorted(jobs, key=_order) if job_id not in self.hidden}

    async def _ask(self) -> dict[str, Job]:
        jobs = {job.job_id: job for job in await self._cluster.jobs()}
        missing = [job_id for job_id in self._submitted if job_id not in jobs and job_id not in self.hidden]
        if missing:
            # What ended is no longer among the active ones; what is fresh is perhaps not there yet.
            with contextlib.suppress(Refused):
                jobs |= {job.job_id: job for job in await self._cluster.jobs(missing)}
        for job_id in self._submitted:
            if job_id in jobs:
                self._submitted[job_id] = jobs[job_id]
        self._known["jobs"] = jobs
        return jobs

    async def get(self, job_id: str) -> Job:
        """Raises NotFound."""
        jobs = await self.all()
        if job_id not in jobs:
            raise NotFound(f"no job {job_id}")
        return jobs[job_id]

    async def submit(self, script: str, name: str, directory: str) -> str:
        """Submit once all earlier changes of this mount are on the cluster; returns the job's id."""
        await self._settle(directory)
        request = JobRequest(
            working_directory=directory,
            script=script,
            name=None if NAMED.search(script) else name,
            account=self._account,
        )
        job_id = await self._cluster.submit(request)
        logger.info("job %s was submitted from %s in %s", job_id, name, directory)
        self._submitted[job_id] = Job(job_id=job_id, name=name, state=JobState.PENDING, working_directory=directory)
        self._scripts[job_id] = script
        self._known.clear()
        self.last = job_id
        return job_id

    async def cancel(self, job_id: str) -> None:
        """Cancel a job that has not ended, and show it no more."""
        job = await self.get(job_id)
        if not job.state.ended:
            await self._cluster.cancel(job_id)
        self._known.clear()
        self.hidden.add(job_id)
        if self.last == job_id:
            self.last = None

    async def files(self, job_id: str) -> JobFiles:
        """Where its output goes, and its script. Remembered once they are known."""
        files = self._files.get(job_id)
        if files is None:
            files = await self._cluster.job_files(job_id)
            files = dataclasses.replace(files, script=files.script or self._scripts.get(job_id, ""))
            if files.stdout and files.script:
                self._files[job_id] = files
        return files

    async def stat(self, path: str) -> Stat | None:
        """Of a job's output; None while there is none."""
        if not path:
            return None
        try:
            return await self._cluster.stat(path)
        except NotFound:
            return None


def _order(job_id: str) -> tuple[int, str]:
    digits = re.match(r"\d+", job_id)
    return (int(digits.group()) if digits else 0, job_id)
