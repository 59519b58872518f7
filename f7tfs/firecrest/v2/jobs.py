"""v2: jobs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import trio

from f7tfs.firecrest.local import LocalPath
from f7tfs.firecrest.trail import trail
from f7tfs.firecrest.v2.base import BaseV2


class Jobs(BaseV2):
    """Jobs of the scheduler."""

    async def submit(
        self,
        system_name: str,
        working_dir: str,
        script_str: str | None = None,
        script_local_path: LocalPath | None = None,
        script_remote_path: str | None = None,
        env_vars: Mapping[str, str] | None = None,
        account: str | None = None,
        partition: str | None = None,
        reservation: str | None = None,
    ) -> dict[str, Any]:
        """Submit a batch script to run in `working_dir`; `{"jobId": …}`.

        Exactly one of a text, a local path and an absolute path on the cluster. A comma ends a value of `env_vars`.
        """
        if sum(given is not None for given in (script_str, script_local_path, script_remote_path)) != 1:
            raise ValueError("give exactly one of script_str, script_local_path and script_remote_path")
        if script_remote_path is not None and not script_remote_path.startswith("/"):
            raise ValueError("script_remote_path must be an absolute path")
        if script_local_path is not None:
            script_str = await trio.Path(script_local_path).read_text()
        job = {
            "workingDirectory": working_dir,
            "script": script_str,
            "scriptPath": script_remote_path,
            "env": dict(env_vars) if env_vars else None,
            "account": account,
            "partition": partition,
            "reservation": reservation,
        }
        given = {name: value for name, value in job.items() if value is not None}
        return {"jobId": await self.api.submit(system_name, given)}

    async def job_info(
        self,
        system_name: str,
        jobid: str | int | None = None,
        allusers: bool = False,
        account: str | None = None,
        name: str | None = None,
        time_window: str | None = None,
    ) -> list[dict[str, Any]]:
        """One job (a list of one, of more for an array), or the user's active and recent ones."""
        if jobid is not None:
            return await self.api.job_info(system_name, str(jobid))
        options = {"account": account, "name": name, "time_window": time_window}
        given: dict[str, str | bool] = {key: value for key, value in options.items() if value is not None}
        if allusers:
            given["allusers"] = "true"
        return await self.api.jobs(system_name, **given)

    async def job_metadata(self, system_name: str, jobid: str | int) -> list[dict[str, Any]]:
        """Script and names of the output files."""
        return await self.api.job_metadata(system_name, str(jobid))

    async def cancel_job(self, system_name: str, jobid: str | int) -> dict[str, Any]:
        """Cancel a job; an empty answer."""
        await self.api.cancel(system_name, str(jobid))
        return {}

    async def attach_to_job(self, system_name: str, jobid: str | int, command: str) -> dict[str, Any]:
        """Run a command inside a running job; an empty answer."""
        await self.api.attach(system_name, str(jobid), command)
        return {}

    async def server_version(self) -> str | None:
        """The version of the API as the server tells it, `2` where it does not know more; None where it does not."""
        with trail() as replies:
            await self.api.systems()
            version = replies[-1].headers.get("f7t-appversion")
            return "2" if version == "2.x.x" else version
