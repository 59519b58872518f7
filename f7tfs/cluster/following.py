"""Following a job, of the site's or ours, until what it was to do is there.

A job's end proves nothing, as one that failed may end COMPLETED: what it was to do is looked at. The end of a job
only tells that there is no use in waiting any longer; then its error log tells why.
"""

from __future__ import annotations

import abc
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from f7tfs.cluster.errand import failure
from f7tfs.cluster.errors import ClusterError, TimedOut
from f7tfs.cluster.model import JobState
from f7tfs.cluster.patience import Patience, Poll

_ASK_SCHEDULER = 3
"""Every so many looks at the file, one at the job: that costs the server five times as much."""
_LAST_LOOKS = 3
"""So often the file is looked at after the job's end: what it did may be seen late."""
MISSING = 3
"""A new job may be unknown for a moment: only so many denials in a row are believed."""

Look = Callable[[], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class TransferJob:
    """A job that was started, its log files, and what else the server answered."""

    job_id: str
    error_log: str
    logs: tuple[str, ...] = ()
    directives: Mapping[str, Any] = field(default_factory=dict)


class JobFollower(abc.ABC):
    """Follows the jobs that were started here for one user on one system."""

    def __init__(self, patience: Patience) -> None:
        self.patience = patience
        self.ids: set[str] = set()
        """The jobs that were started here, which are nobody's business."""

    @abc.abstractmethod
    async def state(self, job_id: str) -> JobState | None:
        """What the scheduler says of a job; None where the server does not know it."""

    @abc.abstractmethod
    async def told(self, job: TransferJob) -> str | None:
        """What is in a job's error log; None where it cannot be read."""

    @abc.abstractmethod
    async def cancel(self, job: TransferJob) -> None:
        """It may have ended by itself. Within seconds, also where the caller is being cancelled."""

    async def has_ended(self, job_id: str) -> bool | None:
        """Whether a job has ended; None where the server does not know it."""
        state = await self.state(job_id)
        return None if state is None else state.ended

    async def follow(self, job: TransferJob, look: Look, bound: float, what: str, *, patient: bool = False) -> None:
        """Wait until `look` says that the job has done its work.

        Raises what the job's error log tells when it has ended without, and TimedOut, having cancelled it. Who is
        `patient` goes on waiting for a job that is still in the scheduler's queue then.
        """
        poll = Poll(self.patience, bound, what)
        missing = last_looks = 0
        state: JobState | None = None
        while not await look():
            if last_looks:
                last_looks += 1
                if last_looks > _LAST_LOOKS:
                    raise await self.failure(job, what, state)
            elif poll.looks % _ASK_SCHEDULER == _ASK_SCHEDULER - 1:
                state = await self.state(job.job_id)
                missing = missing + 1 if state is None else 0
                last_looks = 1 if (state is not None and state.ended) or missing >= MISSING else 0
            try:
                await poll.wait()
            except TimedOut:
                if patient and await self._is_queued(job):
                    poll.begin_anew()
                    continue
                await self.cancel(job)
                if await look():
                    return
                raise

    async def _is_queued(self, job: TransferJob) -> bool:
        state = await self.state(job.job_id)
        return state is not None and state.queued

    async def failure(self, job: TransferJob, what: str, state: JobState | None = None) -> ClusterError:
        """The error that a job's error log tells of; where that is empty, how the job ended."""
        how = "" if state in {None, JobState.COMPLETED} else f" ({state.value})"
        return failure(what, await self.told(job) or f"job {job.job_id} ended{how} without doing its work")
