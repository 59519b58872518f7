"""v2's transfer jobs: starting one, following it, and cleaning up after it.

A job that failed ends COMPLETED, so its end proves nothing: what it was to do is looked at. The end of a job only
tells that there is no use in waiting any longer; then its error log tells why.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import trio

from f7tfs.cluster import translate
from f7tfs.cluster.errand import Errand, failure, submitting
from f7tfs.cluster.errors import AccountRequired, ClusterError, NotFound, TimedOut, Unavailable
from f7tfs.cluster.jobs import state_of
from f7tfs.cluster.model import JobState
from f7tfs.cluster.patience import Patience, Poll
from f7tfs.cluster.scratch import removed
from f7tfs.cluster.site_v2 import SiteV2
from f7tfs.cluster.translate import translated
from f7tfs.firecrest.client_v2 import FirecrestV2

logger = logging.getLogger(__name__)

_ASK_SCHEDULER = 3
"""Every so many looks at the file, one at the job: that costs the server five times as much."""
_LAST_LOOKS = 3
"""So often the file is looked at after the job's end: what it did may be seen late."""
_SETTLE = 1.0
"""Seconds after which a job whose work was seen has ended."""
_MISSING = 3
"""A new job may be unknown for a moment: only so many denials in a row are believed."""

Look = Callable[[], Awaitable[bool]]
Starter = Callable[..., Awaitable[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class TransferJob:
    """A job that was started, its two log files, and what else the server answered."""

    job_id: str
    logs: tuple[str, ...]
    error_log: str
    directives: Mapping[str, Any]


class TransferJobs:
    """Starts and follows the transfer jobs of one user on one system."""

    def __init__(self, client: FirecrestV2, site: SiteV2, account: str | None, patience: Patience) -> None:
        self._client = client
        self._site = site
        self._account = account
        self.patience = patience
        self._litter: deque[tuple[float, TransferJob]] = deque()
        self.ids: set[str] = set()
        """The jobs that were started here, which are nobody's business."""

    async def start(self, method: Starter, *arguments: Any) -> TransferJob:
        """Call `method` of the client, which submits a job. Raises Uncertain when the answer is lost."""
        await self.sweep()
        if self._site.needs_account and not self._account:
            raise AccountRequired(
                "this site's transfer jobs need an account: give --account or set FIRECREST_ACCOUNT"
            )
        with translated(translate.v2):
            answer = await method(self._site.name, *arguments, self._account)
            job = _job_of(answer)
        self.ids.add(job.job_id)
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
            self.clean_later(job)

    def clean_later(self, job: TransferJob) -> None:
        """Its logs are removed some time after its end."""
        self._litter.append((trio.current_time(), job))

    async def follow(self, job: TransferJob, look: Look, bound: float, what: str) -> None:
        """Wait until `look` says that the job has done its work.

        Raises what the job's error log tells when it has ended without, and TimedOut, having cancelled it.
        """
        poll = Poll(self.patience, bound, what)
        missing = last_looks = 0
        while not await look():
            if last_looks:
                last_looks += 1
                if last_looks > _LAST_LOOKS:
                    raise await self.failure(job, what)
            elif poll.looks % _ASK_SCHEDULER == _ASK_SCHEDULER - 1:
                state = await self.has_ended(job.job_id)
                missing = missing + 1 if state is None else 0
                last_looks = 1 if state or missing >= _MISSING else 0
            try:
                await poll.wait()
            except TimedOut:
                await self.cancel(job)
                if await look():
                    return
                raise

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
            while missing < _MISSING and not (state is not None and state.ended):
                await poll.wait()
                try:
                    state = await self._state(job.job_id)
                except Unavailable as error:
                    logger.info("job %s cannot be looked at now: %s", job.job_id, error)
                    continue
                missing = missing + 1 if state is None else 0
            told = await self._told(job)
        return told if told or state is JobState.COMPLETED else None

    async def has_ended(self, job_id: str) -> bool | None:
        """Whether a job has ended; None where the server does not know it."""
        state = await self._state(job_id)
        return None if state is None else state.ended

    async def _state(self, job_id: str) -> JobState | None:
        try:
            with translated(translate.v2):
                found = await self._client.job_info(self._site.name, job_id)
                return state_of(str(found[0]["status"]["state"])) if found else JobState.UNKNOWN
        except NotFound:
            return None

    async def failure(self, job: TransferJob, what: str) -> ClusterError:
        """The error that a job's error log tells of."""
        return failure(what, await self._told(job) or f"transfer job {job.job_id} ended without doing its work")

    async def _told(self, job: TransferJob) -> str | None:
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
            for log in job.logs:
                await removed(self._remove, log)

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
        str(job["jobId"]), paths, str(logs.get("errorLog", "")), dict(answer.get("transferDirectives") or {})
    )
