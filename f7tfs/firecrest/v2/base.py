"""What the areas of the v2 client share: the connection, and waiting for jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import trio

from f7tfs.firecrest.base import Client
from f7tfs.firecrest.client_v2 import FirecrestV2
from f7tfs.firecrest.connection import Verify, authorization_of, options_of
from f7tfs.firecrest.errors import FirecrestException, NotFound, TransferJobFailedException
from f7tfs.firecrest.job_states import has_ended
from f7tfs.firecrest.lifetime import Lifetime
from f7tfs.firecrest.operations import Operation
from f7tfs.firecrest.operations_v2 import OPERATIONS_V2
from f7tfs.firecrest.polling import JOB_WAITS, endless, within
from f7tfs.firecrest.session import Options
from f7tfs.firecrest.trail import trail

Job = Mapping[str, Any]


class BaseV2(Client, Lifetime):
    """A client of one site. All methods raise FirecrestException; local files raise OSError."""

    operations: ClassVar[Mapping[str, Operation]] = OPERATIONS_V2
    api: FirecrestV2

    def __init__(
        self, firecrest_url: str, authorization: Any, verify: Verify = True, *, options: Options | None = None
    ) -> None:
        """`authorization` has a method `get_access_token()`, blocking or not."""
        self.options = options_of(verify, options)
        super().__init__(firecrest_url, authorization_of(authorization), self.options)
        self.api = FirecrestV2.over(self)
        """One method per endpoint."""
        self.polling_sleep_times: Sequence[float] = JOB_WAITS
        """Seconds before each look at a job; the last one is repeated."""

    def set_maximum_s3_connections(self, max_connections: int) -> None:
        """Let so many parts of a file be on their way to object storage at once, of transfers from now on."""
        if max_connections < 1:
            raise ValueError("at least one connection must be possible")
        self.options = replace(self.options, storage_concurrency=max_connections)

    async def wait_for_job(
        self, system_name: str, job_id: str | int, timeout: float | None = None, not_found_timeout: float = 20.0
    ) -> list[dict[str, Any]]:
        """The records of a job (of more for an array) once all have ended.

        Raises WaitTimedOut after `timeout` seconds, NotFound when the job is unknown for `not_found_timeout` seconds:
        a new job may be unknown for a moment.
        """
        known = trio.current_time()
        with trail(), within(timeout, f"job {job_id}"):
            for seconds in endless(self.polling_sleep_times):
                await trio.sleep(seconds)
                try:
                    jobs = await self.api.job_info(system_name, str(job_id))
                except NotFound:
                    if trio.current_time() - known >= not_found_timeout:
                        raise
                    continue
                known = trio.current_time()
                if jobs and all(has_ended(str(job["status"]["state"])) for job in jobs):
                    return jobs
        raise AssertionError("waits have no end")

    async def transfer_done(self, system_name: str, job: Job, timeout: float | None = None) -> None:
        """Wait for a transfer job. Raises TransferJobFailedException if it did not end well.

        That it ended well does not mean that it did its work.
        """
        (ended, *_) = await self.wait_for_job(system_name, str(job["jobId"]), timeout)
        state = str(ended["status"]["state"])
        if state != "COMPLETED":
            raise await self.transfer_failure(system_name, job, state)

    async def file_job_done(self, system_name: str, job: Job, timeout: float | None = None) -> None:
        """The same for a job that works on files, whose error log tells of failure."""
        await self.transfer_done(system_name, job, timeout)
        said = await self._error_log(system_name, job)
        if said:
            raise _failure(job, said)

    async def transfer_failure(self, system_name: str, job: Job, what: str) -> TransferJobFailedException:
        """The error that a job's error log tells of; `what` where that is silent."""
        try:
            said = await self._error_log(system_name, job)
        except FirecrestException:
            said = ""
        return _failure(job, said or what)

    async def _error_log(self, system_name: str, job: Job) -> str:
        log = (job.get("logs") or {}).get("errorLog")
        if not log:
            return ""
        try:
            end = await self.api.tail(system_name, str(log), lines=20)
        except NotFound:
            return ""
        return str(end.get("content") or "").strip()


def _failure(job: Job, said: str) -> TransferJobFailedException:
    return TransferJobFailedException(message=f"transfer job {job['jobId']}: {said}")
