"""Jobs of ours that run a script in a private directory, and say there what became of it.

At the end of a script `done` is in the directory if all went well; `err` tells what did not.
"""

from __future__ import annotations

import shlex
from collections.abc import Awaitable, Callable, Sequence

from f7tfs.cluster.following import JobFollower, TransferJob
from f7tfs.cluster.lookup import StatCall, kind_of
from f7tfs.cluster.model import JobRequest

Submit = Callable[[JobRequest], Awaitable[str]]
"""Submits a batch script once; returns the job's id."""


class ScriptJobs:
    """For one system. `directives`: what is at the head of each script."""

    def __init__(
        self, stat: StatCall, submit: Submit, follower: JobFollower, directives: Callable[[], Sequence[str]]
    ) -> None:
        self._stat = stat
        self._submit = submit
        self._follower = follower
        self._directives = directives

    async def start(self, name: str, directory: str, commands: Sequence[str]) -> str:
        """Submit a job that runs `commands` in `directory`, which passed `check_directive`. Returns its id."""
        script = batch_script(self._directives(), directory, commands)
        return await self._submit(JobRequest(working_directory=directory, script=script, name=name))

    async def finish(self, job_id: str, directory: str, size: int, what: str) -> None:
        """Wait until it is done, however long it is in the scheduler's queue.

        `size`: of the file that it is about, in bytes: with it grows the time it may run. Raises what its error log
        tells, and TimedOut, having cancelled it.
        """
        self._follower.ids.add(job_id)

        async def is_done() -> bool:
            return await kind_of(self._stat, f"{directory}/done") is not None

        bound = self._follower.patience.upload(size)
        await self._follower.follow(_job(job_id, directory), is_done, bound, what, patient=True)

    async def cancel(self, job_id: str, directory: str) -> None:
        """It may have ended by itself. Within seconds, also where the caller is being cancelled."""
        await self._follower.cancel(_job(job_id, directory))


def _job(job_id: str, directory: str) -> TransferJob:
    return TransferJob(job_id, f"{directory}/err")


def batch_script(directives: Sequence[str], directory: str, commands: Sequence[str]) -> str:
    """Runs `commands` in `directory`, a plain name: `done` is there if all went well; `err` tells what did not."""
    return "\n".join(
        [
            "#!/bin/bash",
            *directives,
            f"#SBATCH --output={directory}/out",
            f"#SBATCH --error={directory}/err",
            "set -eu",
            "export LC_ALL=C",
            f"cd {shlex.quote(directory)}",
            *commands,
            "touch done",
            "",
        ]
    )
