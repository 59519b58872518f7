"""Following jobs of ours on v1: they are jobs of the user, by the same calls as any other."""

from __future__ import annotations

import logging
from typing import Protocol

import trio

from f7tfs.cluster.errors import ClusterError
from f7tfs.cluster.following import JobFollower, TransferJob
from f7tfs.cluster.jobs_v1 import JobsV1
from f7tfs.cluster.model import JobState
from f7tfs.cluster.patience import Patience
from f7tfs.cluster.scratch import CLEANING

logger = logging.getLogger(__name__)


class Files(Protocol):
    """What is needed of the direct calls."""

    async def read_direct(self, path: str) -> bytes: ...


class OwnJobsV1(JobFollower):
    """For one user on one system."""

    def __init__(self, files: Files, jobs: JobsV1, patience: Patience) -> None:
        super().__init__(patience)
        self._files = files
        self._jobs = jobs

    async def state(self, job_id: str) -> JobState | None:
        found = await self._jobs.jobs([job_id])
        return found[0].state if found else None

    async def told(self, job: TransferJob) -> str | None:
        try:
            return (await self._files.read_direct(job.error_log)).decode(errors="replace")
        except ClusterError as error:
            logger.debug("%s cannot be read: %s", job.error_log, error)
            return None

    async def cancel(self, job: TransferJob) -> None:
        with trio.CancelScope(shield=True, deadline=trio.current_time() + CLEANING):
            try:
                await self._jobs.cancel(job.job_id)
            except ClusterError as error:
                logger.debug("job %s was not cancelled: %s", job.job_id, error)
