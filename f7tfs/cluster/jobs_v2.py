"""The scheduler over v2: one call tells of all recent jobs, and one of a single job what is not told there."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Protocol

import trio

from f7tfs.cluster import translate
from f7tfs.cluster.errors import NotFound, SchedulerRefused, Unsupported
from f7tfs.cluster.job_marks import has_mark, is_newer, marked, may_be_of
from f7tfs.cluster.jobs import base_id, files_of_v2, is_transfer_name, job_of_v2, settle_cancel
from f7tfs.cluster.model import Job, JobFiles, JobRequest
from f7tfs.cluster.translate import translated
from f7tfs.firecrest.client_v2 import FirecrestV2

_DENIALS = 3
_PAUSE = 0.5
_FEW = 5
"""Up to so many jobs are asked for one by one."""
_CANDIDATES = 10
"""So many jobs are looked into at a time when one is searched by its script, the newest first."""


class Files(Protocol):
    """What is needed of the direct calls."""

    @property
    def system(self) -> str: ...
    async def read_direct(self, path: str) -> bytes: ...


class JobsV2:
    """Jobs of one user on one system."""

    def __init__(self, files: Files, client: FirecrestV2, transfers: Collection[str], account: str | None) -> None:
        self._files = files
        self._client = client
        self._account = account
        self._transfers = transfers
        """The ids of our own transfer jobs so far, which nobody is shown."""
        self._submitted: set[str] = set()

    async def submit(self, request: JobRequest) -> str:
        """One call, never repeated."""
        job = job_description(request, self._account)
        with translated(translate.v2):
            job_id = await self._client.submit(self._files.system, job)
        self._submitted.add(job_id)
        return job_id

    async def find_submission(self, request: JobRequest, since: float, known: Collection[str]) -> str | None:
        """One call, and one for each candidate."""
        jobs = [job for job in await self._recent() if job.job_id not in known and not self._is_ours(job)]
        candidates = [job.job_id for job in jobs if may_be_of(job, request, since)]
        if request.script_path is not None:
            # It has no mark, and may have been submitted before, by others or long ago.
            candidates = [job_id for job_id in candidates if is_newer(job_id, known)]
        if not candidates:
            return None
        wanted = await self._script_of(request)
        found = [job_id for job_id in candidates[-_CANDIDATES:] if await self._has_script(job_id, request, wanted)]
        return found[0] if len(found) == 1 else None

    async def _script_of(self, request: JobRequest) -> str:
        if request.script_path is None:
            return ""
        return (await self._files.read_direct(request.script_path)).decode(errors="replace")

    async def _has_script(self, job_id: str, request: JobRequest, wanted: str) -> bool:
        try:
            with translated(translate.v2):
                found = await self._client.job_metadata(self._files.system, job_id)
        except NotFound:
            return False
        script = str(found[0].get("script") or "") if found else ""
        return has_mark(script, request.mark) if request.script_path is None else script == wanted

    async def jobs(self, ids: Sequence[str] | None) -> list[Job]:
        """One call for all jobs or for one; for several, one more for each old one. Unknown ones are left out."""
        if ids is None:
            return [job for job in await self._recent() if not self._is_ours(job)]
        found = {job.job_id: job for job in await self._recent()} if len(ids) > _FEW else {}
        for job_id in ids:
            if job_id not in found:
                found.update({job.job_id: job for job in await self._job(job_id)})
        return [job for job in found.values() if base_id(job.job_id) in ids or job.job_id in ids]

    async def _recent(self) -> list[Job]:
        with translated(translate.v2):
            return [job_of_v2(item) for item in await self._client.jobs(self._files.system)]

    def _is_ours(self, job: Job) -> bool:
        return job.job_id in self._transfers or is_transfer_name(job.name)

    async def _job(self, job_id: str) -> list[Job]:
        # A job that was submitted just now may be denied once.
        for denials in range(_DENIALS if job_id in self._submitted else 1):
            if denials:
                await trio.sleep(_PAUSE)
            try:
                with translated(translate.v2):
                    return [job_of_v2(item) for item in await self._client.job_info(self._files.system, job_id)]
            except NotFound:
                continue
        return []

    async def job_files(self, job_id: str) -> JobFiles:
        """One call."""
        with translated(translate.v2):
            found = await self._client.job_metadata(self._files.system, job_id)
        if not found:
            raise NotFound(f"no job {job_id}")
        return files_of_v2(found[0])

    async def attach(self, job_id: str, command: str) -> None:
        """One call; the command's output is lost."""
        with translated(translate.v2):
            await self._client.attach(self._files.system, job_id, command)

    async def cancel(self, job_id: str) -> None:
        """One call."""
        try:
            with translated(translate.v2):
                await self._client.cancel(self._files.system, job_id)
        except SchedulerRefused as error:
            settle_cancel(str(error))


def job_description(request: JobRequest, account: str | None) -> dict[str, Any]:
    """The JSON of a submission. Raises Unsupported for what the server would change silently."""
    if (request.script is None) == (request.script_path is None):
        raise ValueError("a job has either a script or the path of one")
    for name, value in request.environment.items():
        if "," in value:
            raise Unsupported(f"FirecREST v2 cuts the value of {name} at its comma")
    told = {
        "name": request.name,
        "workingDirectory": request.working_directory,
        "script": None if request.script is None else marked(request.script, request.mark),
        "scriptPath": request.script_path,
        "account": request.account or account,
        "env": dict(request.environment) or None,
    }
    return {key: value for key, value in told.items() if value is not None}
