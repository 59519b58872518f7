"""v2's transfer jobs: starting one, following it, and cleaning up after it."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import trio

from f7tfs.cluster import translate
from f7tfs.cluster.errand import Errand, submitting
from f7tfs.cluster.errors import ClusterError, NotFound, Unavailable
from f7tfs.cluster.following import MISSING, JobFollower, TransferJob
from f7tfs.cluster.jobs import state_of
from f7tfs.cluster.ledger import Ledger, NoLedger
from f7tfs.cluster.model import JobState
from f7tfs.cluster.patience import Patience, Poll
from f7tfs.cluster.scratch import removed
from f7tfs.cluster.site_v2 import SiteV2
from f7tfs.cluster.translate import translated
from f7tfs.firecrest.client_v2 import FirecrestV2

logger = logging.getLogger(__name__)

_SETTLE = 1.0
"""Seconds after which a job whose work was seen has ended."""
_WRITING = 30.0
"""So long a job of a killed process may take until its logs are there and ended. A later one leaves them."""
Starter = Callable[..., Awaitable[dict[str, Any]]]


class TransferJobs(JobFollower):
    """Starts and follows the transfer jobs of one user on one system."""

    def __init__(self, client: FirecrestV2, site: SiteV2, account: str | None, patience: Patience) -> None:
        super().__init__(patience)
        self._client = client
        self._site = site
        self._account = account
        self._litter: deque[tuple[float, TransferJob]] = deque()
        self.ledger: Ledger = NoLedger()

    def check_method(self, path: str) -> None:
        """Raises Unsupported where the site moves no large file by object storage."""
        self._site.check_method(path)

    async def start(self, method: Starter, *arguments: Any) -> TransferJob:
        """Call `method` of the client, which submits a job.

        Raises AccountRequired before it, and Uncertain when the answer is lost.
        """
        await self.sweep()
        self._site.directives_for(self._account)
        with translated(translate.v2):
            answer = await method(self._site.name, *arguments, self._account)
            job = _job_of(answer)
        self.ids.add(job.job_id)
        await self.ledger.note(*job.logs, rest=_WRITING)
        return job

    @asynccontextmanager
    async def given_up(self, job: TransferJob, errand: Errand | None = None) -> AsyncIterator[None]:
        """Cancels a job whose work fails here: it might hold a node until its time limit. Its logs go in any case.

        Only the job of an errand that is left to itself goes on when whoever follows it is cancelled.
        """
        try:
            yield
        except BaseException as error:
            if not (errand is not None and errand.leave and isinstance(error, trio.Cancelled)):
                await self.cancel(job)
            raise
        finally:
            await self.clean_later(job)

    async def clean_later(self, job: TransferJob) -> None:
        """Its logs are removed some time after its end."""
        await self.ledger.note(*job.logs, rest=_WRITING)
        self._litter.append((trio.current_time(), job))

    async def run(self, errand: Errand, what: str, method: Starter, *arguments: Any) -> str | None:
        """Start a job for an errand, and wait for its end, however long that takes, and though the site goes away.

        Returns what its error log tells; None where that, or how the job ended, is not known.
        """
        with submitting():
            job = await self.start(method, *arguments)
        errand.begin(job.job_id)
        async with self.given_up(job, errand):
            poll = Poll(self.patience, self.patience.errand, what, self.patience.rarest)
            missing, state = 0, None
            while missing < MISSING and not (state is not None and state.ended):
                await poll.wait()
                try:
                    state = await self.state(job.job_id)
                except Unavailable as error:
                    logger.info("job %s cannot be looked at now: %s", job.job_id, error)
                    continue
                missing = missing + 1 if state is None else 0
            told = await self.told(job)
        return told if told or state is JobState.COMPLETED else None

    async def state(self, job_id: str) -> JobState | None:
        """What the scheduler says of a job; None where the server does not know it."""
        try:
            with translated(translate.v2):
                found = await self._client.job_info(self._site.name, job_id)
                return state_of(str(found[0]["status"]["state"])) if found else JobState.UNKNOWN
        except NotFound:
            return None

    async def told(self, job: TransferJob) -> str | None:
        """What is in a job's error log; None where it cannot be read."""
        try:
            with translated(translate.v2):
                return (await self._client.download(self._site.name, job.error_log)).decode(errors="replace")
        except ClusterError as error:
            logger.debug("the log of job %s cannot be read: %s", job.job_id, error)
            return None

    async def sweep(self, *, settle: bool = False) -> None:
        """Remove the log files that jobs have left in the user's home; those of the last second only if `settle`.

        A job ends, and closes its logs, a moment after its work is seen: so it is the next one that cleans up.
        """
        if settle and self._litter:
            await trio.sleep_until(self._litter[-1][0] + _SETTLE)
        while self._litter and self._litter[0][0] + _SETTLE <= trio.current_time():
            _, job = self._litter.popleft()
            gone = [log for log in job.logs if await removed(self._remove, log)]
            await self.ledger.strike(*gone)

    async def _remove(self, path: str) -> None:
        with translated(translate.v2):
            await self._client.rm(self._site.name, path)

    async def cancel(self, job: TransferJob) -> None:
        """It may have ended by itself. Within seconds, also where the caller is being cancelled."""
        with trio.CancelScope(shield=True, deadline=trio.current_time() + 20):
            try:
                with translated(translate.v2):
                    await self._client.cancel(self._site.name, job.job_id)
            except ClusterError as error:
                logger.debug("job %s was not cancelled: %s", job.job_id, error)


def _job_of(answer: Mapping[str, Any]) -> TransferJob:
    job = answer["transferJob"]
    logs = job.get("logs") or {}
    paths = tuple(str(logs[key]) for key in ("outputLog", "errorLog") if logs.get(key))
    return TransferJob(
        str(job["jobId"]), str(logs.get("errorLog", "")), paths, dict(answer.get("transferDirectives") or {})
    )
