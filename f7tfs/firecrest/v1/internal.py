"""v1: operations on files that run as jobs of the scheduler, and archives."""

from __future__ import annotations

from typing import Any

from f7tfs.firecrest.errors import FirecrestException
from f7tfs.firecrest.v1.jobs import Jobs, timed_out


class Internal(Jobs):
    """The `submit_…` methods return when the job is in the queue: `wait_for_job` tells of its end.

    A job's record has `jobid`, `job_file_out`, `job_file_err`, `system`, …. `time` is a limit as Slurm takes it, and
    `stage_out_job_id` a job that has to end first.
    """

    async def compress(
        self,
        machine: str,
        source_path: str,
        target_path: str,
        dereference: bool = False,
        fail_on_timeout: bool = True,
    ) -> str:
        """Make a .tar.gz; `target_path`. What takes too long for one command is done by a job if not to fail."""
        options = {"dereference": "true"} if dereference else {}
        try:
            await self.api.compress(machine, source_path, target_path, **options)
        except FirecrestException as error:
            if fail_on_timeout or not timed_out(error):
                raise
            job = await self.submit_compress_job(machine, source_path, target_path, dereference)
            await self._done(machine, job)
        return target_path

    async def extract(
        self,
        machine: str,
        source_path: str,
        target_path: str,
        extension: str = "auto",
        fail_on_timeout: bool = True,
    ) -> str:
        """Extract an archive into the directory `target_path`, which is returned; see `compress`."""
        options = {} if extension == "auto" else {"type": extension}
        try:
            await self.api.extract(machine, source_path, target_path, **options)
        except FirecrestException as error:
            if fail_on_timeout or not timed_out(error):
                raise
            await self._done(machine, await self.submit_extract_job(machine, source_path, target_path, extension))
        return target_path

    async def _done(self, machine: str, job: dict[str, Any]) -> None:
        ended = await self.wait_for_job(machine, job["jobid"])
        if ended["state"] != "COMPLETED":
            raise FirecrestException(message=f"job {job['jobid']} ended as {ended['state']}: {job['job_file_err']}")

    async def submit_move_job(
        self,
        machine: str,
        source_path: str,
        target_path: str,
        job_name: str | None = None,
        time: str | None = None,
        stage_out_job_id: str | None = None,
        account: str | None = None,
    ) -> dict[str, Any]:
        """A job that moves; its record."""
        options = _options(job_name, time, stage_out_job_id, account)
        return await self._job(machine, "mv", sourcePath=source_path, targetPath=target_path, **options)

    async def submit_copy_job(
        self,
        machine: str,
        source_path: str,
        target_path: str,
        job_name: str | None = None,
        time: str | None = None,
        stage_out_job_id: str | None = None,
        account: str | None = None,
    ) -> dict[str, Any]:
        """A job that copies; its record."""
        options = _options(job_name, time, stage_out_job_id, account)
        return await self._job(machine, "cp", sourcePath=source_path, targetPath=target_path, **options)

    async def submit_rsync_job(
        self,
        machine: str,
        source_path: str,
        target_path: str,
        job_name: str | None = None,
        time: str | None = None,
        stage_out_job_id: str | None = None,
        account: str | None = None,
    ) -> dict[str, Any]:
        """A job that runs rsync; its record."""
        options = _options(job_name, time, stage_out_job_id, account)
        return await self._job(machine, "rsync", sourcePath=source_path, targetPath=target_path, **options)

    async def submit_delete_job(
        self,
        machine: str,
        target_path: str,
        job_name: str | None = None,
        time: str | None = None,
        stage_out_job_id: str | None = None,
        account: str | None = None,
    ) -> dict[str, Any]:
        """A job that removes; its record."""
        options = _options(job_name, time, stage_out_job_id, account)
        return await self._job(machine, "rm", targetPath=target_path, **options)

    async def submit_compress_job(
        self,
        machine: str,
        source_path: str,
        target_path: str,
        dereference: bool = False,
        job_name: str | None = None,
        time: str | None = None,
        stage_out_job_id: str | None = None,
        account: str | None = None,
    ) -> dict[str, Any]:
        """A job that makes a .tar.gz; its record."""
        options = _options(job_name, time, stage_out_job_id, account)
        options["dereference"] = "true" if dereference else None
        return await self._job(machine, "compress", sourcePath=source_path, targetPath=target_path, **options)

    async def submit_extract_job(
        self,
        machine: str,
        source_path: str,
        target_path: str,
        extension: str | None = "auto",
        job_name: str | None = None,
        time: str | None = None,
        stage_out_job_id: str | None = None,
        account: str | None = None,
    ) -> dict[str, Any]:
        """A job that extracts an archive; its record."""
        options = _options(job_name, time, stage_out_job_id, account)
        options["extension"] = extension
        return await self._job(machine, "extract", sourcePath=source_path, targetPath=target_path, **options)

    async def _job(self, machine: str, action: str, **fields: str | None) -> dict[str, Any]:
        given = {name: value for name, value in fields.items() if value is not None}
        task = await self._task(self.api.internal_transfer(machine, action, given))
        return {**task["data"], "system": task.get("system", "")}


def _options(
    job_name: str | None, time: str | None, stage_out_job_id: str | None, account: str | None
) -> dict[str, str | None]:
    return {"jobName": job_name, "time": time, "stageOutJobId": stage_out_job_id, "account": account}
