"""The scheduler over v1: every call is a task, and what one of them does not tell another may."""

from __future__ import annotations

import json
import logging
import posixpath
import secrets
from collections.abc import Collection, Sequence
from typing import Any, Protocol

from f7tfs.cluster import translate
from f7tfs.cluster.errors import (
    ClusterError,
    NotFound,
    RemoteFailure,
    SchedulerRefused,
    Unavailable,
    Uncertain,
    Unsupported,
)
from f7tfs.cluster.job_marks import is_newer, marked, unmarked
from f7tfs.cluster.jobs import base_id, is_transfer_name, job_of_v1_acct, job_of_v1_queue, paths_of_v1, settle_cancel
from f7tfs.cluster.ledger import Ledger, NoLedger
from f7tfs.cluster.model import Job, JobFiles, JobRequest
from f7tfs.cluster.names import check_v1
from f7tfs.cluster.scratch import Temporary, passing
from f7tfs.cluster.tasks_v1 import TasksV1
from f7tfs.cluster.translate import translated
from f7tfs.firecrest.client_v1 import FirecrestV1

logger = logging.getLogger(__name__)

_READING = 60.0
"""After so many seconds the scheduler has read a script that was submitted."""
_ANY_TASK = "4294967294"
"""Stands in the paths of an array of which no task has begun."""


class Files(Protocol):
    """What submission needs of the direct calls."""

    @property
    def system(self) -> str: ...
    async def read_direct(self, path: str) -> bytes: ...
    async def write_direct(self, path: str, content: bytes) -> None: ...
    async def remove(self, path: str) -> None: ...


class JobsV1:
    """Jobs of one user on one system."""

    def __init__(self, files: Files, client: FirecrestV1, tasks: TasksV1, account: str | None) -> None:
        self._files = files
        self._client = client
        self._tasks = tasks
        self._account = account
        self.ledger: Ledger = NoLedger()
        self._paths: dict[str, tuple[str, str, str]] = {}
        """Script, stdout and stderr of jobs seen so far: v1 does not tell them of jobs that have ended."""

    async def submit(self, request: JobRequest) -> str:
        """Submit a script that lies in its working directory, which is where v1 runs it.

        A script that does not is put there for the time of the submission: the scheduler keeps a copy of its own.
        One call where it lies there, else three; and the looks at the task.
        """
        path = _path_of(request)
        if path == request.script_path:
            return await self._submit(path, request)
        script = request.script
        if script is None:
            script = (await self._files.read_direct(str(request.script_path))).decode(errors="surrogateescape")
        # Else the job would be called by the name of the temporary; this is what sbatch and v2 call it.
        name = request.name or posixpath.basename(request.script_path or "sbatch")
        content = marked(named(script, name), request.mark).encode(errors="surrogateescape")
        async with passing(self.ledger, self._files.remove, Temporary(path), rest=_READING):
            await self._files.write_direct(path, content)
            return await self._submit(path, request)

    async def _submit(self, path: str, request: JobRequest) -> str:
        check_v1(path)
        account = request.account or self._account
        with translated(translate.v1):
            task_id = await self._client.submit_path(self._files.system, path, account, request.environment)
        try:
            data = await self._tasks.result(task_id, "submitting the job")
        except Unavailable as error:
            raise Uncertain(
                f"the job was sent (task {task_id}), but what became of it is not known: {error}"
            ) from error
        if not isinstance(data, dict) or "jobid" not in data:
            raise RemoteFailure(f"the server does not tell the job's id: {json.dumps(data)[:200]}")
        # An array that waits is `12_[0-9]` in the queue.
        job_id = base_id(str(data["jobid"]))
        self._paths[job_id] = paths_of_v1(data)
        return job_id

    async def find_submission(self, request: JobRequest, since: float, known: Collection[str]) -> str | None:
        """By the path of the script, which holds the mark: in the answers of the tasks, else in the queue.

        One call, or three and the looks at a task.
        """
        del since
        path = _path_of(request)
        with translated(translate.v1):
            tasks = [task.get("data") for task in (await self._client.tasks()).values()]
        told = [data for data in tasks if isinstance(data, dict)]
        if not any(data.get("job_file") == path for data in told):
            told = await self._queue(())
        found = {str(data["jobid"]): data for data in told if data.get("job_file") == path}
        # A script of the cluster's own may have been submitted before, by others or long ago.
        in_place = path == request.script_path
        fresh = [job_id for job_id in found if job_id not in known and (not in_place or is_newer(job_id, known))]
        if len(fresh) != 1:
            return None
        job_id = base_id(fresh[0])
        self._paths[job_id] = paths_of_v1(found[fresh[0]])
        return job_id

    async def jobs(self, ids: Sequence[str] | None) -> list[Job]:
        """From the queue what is there, from the accounting what has ended: one or two calls, and their tasks."""
        if ids is None:
            found = {job.job_id: job for job in await self._ended(())}
            found.update({job.job_id: job for job in await self._queued(())})
            return [job for job in found.values() if not is_transfer_name(job.name)]
        found = {job.job_id: job for job in await self._ended(ids)} if ids else {}
        told = {*found, *map(base_id, found)}
        missing = [job_id for job_id in ids if job_id not in told]
        if missing:
            found.update({job.job_id: job for job in await self._queued(missing)})
        return list(found.values())

    async def _ended(self, ids: Sequence[str]) -> list[Job]:
        with translated(translate.v1):
            task_id = await self._client.poll(self._files.system, ids)
        data = await self._tasks.result(task_id, "asking for jobs")
        with translated(translate.v1):
            return [job_of_v1_acct(item) for item in _items(data)]

    async def _queued(self, ids: Sequence[str]) -> list[Job]:
        try:
            items = await self._queue(ids)
        except SchedulerRefused as error:
            if "Invalid job id" in str(error):
                return []
            raise
        with translated(translate.v1):
            return [job_of_v1_queue(item) for item in items]

    async def _queue(self, ids: Sequence[str]) -> list[Any]:
        with translated(translate.v1):
            task_id = await self._client.poll_active(self._files.system, ids)
        items = _items(await self._tasks.result(task_id, "asking for jobs"))
        with translated(translate.v1):
            self._paths.update({str(item["jobid"]): paths_of_v1(item) for item in items})
        return items

    async def job_files(self, job_id: str) -> JobFiles:
        """Known of jobs that were submitted here or seen in the queue. Raises NotFound for others.

        One call for the script, and one more where the job has not been seen yet.
        """
        base, task, index = job_id.partition("_")
        if job_id not in self._paths and task and base in self._paths:
            script, stdout, stderr = (path.replace(_ANY_TASK, index) for path in self._paths[base])
            return JobFiles(await self._script(script), stdout, stderr)
        if job_id not in self._paths:
            try:
                await self._queue([job_id])
            except SchedulerRefused as error:
                raise NotFound(f"the files of job {job_id} are not known: {error}") from error
        if job_id not in self._paths:
            raise NotFound(f"the files of job {job_id} are not known")
        script, stdout, stderr = self._paths[job_id]
        return JobFiles(await self._script(script), stdout, stderr)

    async def _script(self, path: str) -> str:
        try:
            return unmarked((await self._files.read_direct(path)).decode(errors="replace")) if path else ""
        except ClusterError as error:
            logger.debug("the script %s cannot be read: %s", path, error)
            return ""

    async def attach(self, job_id: str, command: str) -> None:
        """v1 cannot."""
        raise Unsupported(f"FirecREST v1 runs no command inside a job ({job_id}: {command})")

    async def cancel(self, job_id: str) -> None:
        """One call, and a task."""
        with translated(translate.v1):
            task_id = await self._client.cancel(self._files.system, job_id)
        try:
            await self._tasks.result(task_id, f"cancelling job {job_id}")
        except SchedulerRefused as error:
            settle_cancel(str(error))


def _path_of(request: JobRequest) -> str:
    """Where the script lies when it is submitted: in its working directory, which is where v1 runs it."""
    directory = request.working_directory.rstrip("/") or "/"
    if request.script_path and not request.name and posixpath.dirname(request.script_path) == directory:
        return request.script_path
    return posixpath.join(directory, f".f7tfs-{request.mark or secrets.token_hex(6)}.sh")


def named(script: str, name: str) -> str:
    """`script` with a directive for the job's name after its first line; one of the script's own wins over it."""
    first, end, rest = script.partition("\n")
    if not end:
        return script
    return f"{first}\n#SBATCH --job-name={name}\n{rest}"


def _items(data: Any) -> list[Any]:
    """The accounting gives a list, the queue an object with the numbers as keys."""
    return list(data.values()) if isinstance(data, dict) else list(data or [])
