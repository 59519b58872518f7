"""v1: jobs, and operations on files that run as jobs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import trio

from f7tfs.firecrest.errors import FirecrestException
from f7tfs.firecrest.job_states import has_ended
from f7tfs.firecrest.local import LocalPath, content_of
from f7tfs.firecrest.polling import JOB_WAITS, endless, within
from f7tfs.firecrest.trail import trail
from f7tfs.firecrest.v1.base import BaseV1

JobIds = Sequence[str | int]


class Jobs(BaseV1):
    """Each call waits for a task of the server's."""

    async def submit(
        self,
        machine: str,
        job_script: str | None = None,
        local_file: bool | None = True,
        script_str: str | None = None,
        script_local_path: LocalPath | None = None,
        script_remote_path: str | None = None,
        account: str | None = None,
        env_vars: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Submit a batch script; `jobid`, `job_file`, `job_file_out`, `job_file_err`, `firecrest_taskid`, ….

        Exactly one of a text, a local path and a path on the cluster, in whose directory the job then runs;
        `job_script` is one of the latter two, by `local_file`. Raises TaskException with the scheduler's words.
        """
        if job_script is not None and local_file:
            script_local_path = script_local_path or job_script
        elif job_script is not None:
            script_remote_path = script_remote_path or job_script
        if sum(given is not None for given in (script_str, script_local_path, script_remote_path)) != 1:
            raise ValueError("give exactly one of script_str, script_local_path and script_remote_path")
        if script_remote_path is not None:
            env = {name: str(value) for name, value in (env_vars or {}).items()}
            submitted = self.api.submit_path(machine, script_remote_path, account, env)
        else:
            fields = {"account": account} if account else {}
            if env_vars:
                fields["env"] = json.dumps(dict(env_vars))
            script = (script_str or "").encode() if script_local_path is None else await content_of(script_local_path)
            name = "script.batch" if script_local_path is None else Path(script_local_path).name
            submitted = self.api.submit_upload(machine, script, fields, name)
        task = await self._task(submitted)
        return {**task["data"], "firecrest_taskid": task.get("task_id") or task.get("hash_id")}

    async def poll(
        self,
        machine: str,
        jobs: JobIds | None = None,
        start_time: str | None = None,
        end_time: str | None = None,
        page_size: int | None = None,
        page_number: int | None = None,
    ) -> list[dict[str, Any]]:
        """The accounting of jobs, ended ones too: those named, or the user's of today."""
        if jobs is not None and not jobs:
            return []
        options = {"starttime": start_time, "endtime": end_time, **_page(page_size, page_number)}
        return list(await self._result(self.api.poll(machine, _texts(jobs), **options)))

    async def poll_active(
        self,
        machine: str,
        jobs: JobIds | None = None,
        page_size: int | None = None,
        page_number: int | None = None,
    ) -> list[dict[str, Any]]:
        """The user's jobs in the queue, or those named."""
        if jobs is not None and not jobs:
            return []
        options = _page(page_size, page_number)
        return list((await self._result(self.api.poll_active(machine, _texts(jobs), **options))).values())

    async def cancel(self, machine: str, job_id: str | int) -> str:
        """Cancel a job; what the scheduler said."""
        return str(await self._result(self.api.cancel(machine, str(job_id))))

    async def wait_for_job(self, machine: str, job_id: str | int, timeout: float | None = None) -> dict[str, Any]:
        """The accounting of a job once it has ended. Raises WaitTimedOut after `timeout` seconds."""
        with trail(), within(timeout, f"job {job_id}"):
            for seconds in endless(JOB_WAITS):
                await trio.sleep(seconds)
                for job in await self.poll(machine, [job_id]):
                    if str(job.get("jobid")) == str(job_id) and has_ended(str(job.get("state"))):
                        return job
        raise AssertionError("waits have no end")

    async def nodes(self, machine: str, nodes: Sequence[str] | None = None) -> list[dict[str, Any]]:
        """All nodes, or those named."""
        return list(await self._result(self.api.nodes(machine, nodes or ())))

    async def partitions(self, machine: str, partitions: Sequence[str] | None = None) -> list[dict[str, Any]]:
        """All partitions, or those named."""
        return list(await self._result(self.api.partitions(machine, partitions or ())))

    async def reservations(self, machine: str, reservations: Sequence[str] | None = None) -> list[dict[str, Any]]:
        """All reservations, or those named."""
        return list(await self._result(self.api.reservations(machine, reservations or ())))


def timed_out(error: FirecrestException) -> bool:
    """Whether the server stopped a command because it took too long."""
    return bool(error.responses) and "x-timeout" in error.responses[-1].headers


def _texts(jobs: JobIds | None) -> list[str]:
    return [str(job) for job in jobs or ()]


def _page(size: int | None, number: int | None) -> dict[str, str | int | None]:
    return {"pageSize": size, "pageNumber": number}
