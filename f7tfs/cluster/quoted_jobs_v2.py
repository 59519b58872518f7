"""What v2's transfer jobs do, by jobs of our own, for names that the site's own scripts get wrong.

The site pastes names into its scripts through an HTML-escaping template; ours are quoted for the shell. They run
where the site's own do, by its directives, and answer as its calls do. Their logs lie in the private directory.
"""

from __future__ import annotations

import secrets
import shlex
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from f7tfs.cluster.model import JobRequest
from f7tfs.cluster.names import check_directive, survives_template
from f7tfs.cluster.scratch import Scratch
from f7tfs.cluster.script_jobs import Submit
from f7tfs.firecrest.client_v2 import FirecrestV2

Starter = Callable[..., Awaitable[dict[str, Any]]]
"""A call that submits a job: takes the system, the paths, and the account."""

_NAME = "f7t_files"
"""What the jobs are called: as FirecREST's own, they are not shown among the user's."""


class FileJobs:
    """Moves, copies and removes, by the site's jobs where they get the names right, else by our own."""

    def __init__(
        self, client: FirecrestV2, submit: Submit, scratch: Scratch, directives: Callable[[], Sequence[str]]
    ) -> None:
        self._client = client
        self._submit = submit
        self._scratch = scratch
        self._directives = directives

    def move(self, source: str, target: str) -> Starter:
        """`mv` of a path to another one, which is no directory."""
        if survives_template(source) and survives_template(target):
            return self._client.transfer_mv
        return self._own("mv -fT --")

    def copy(self, source: str, target: str) -> Starter:
        """`cp` with all below it, and all that is known of it."""
        if survives_template(source) and survives_template(target):
            return self._client.transfer_cp
        return self._own("cp --force -dRT --preserve=all --")

    def remove(self, path: str) -> Starter:
        """`rm` with all below it."""
        return self._client.transfer_rm if survives_template(path) else self._own("rm -R --interactive=never --")

    def _own(self, command: str) -> Starter:
        async def start(_system: str, *words: str | None) -> dict[str, Any]:
            *paths, _account = words
            directory = await self._scratch.directory(str(paths[-1]))
            check_directive(directory)
            logs = {"outputLog": f"{directory}/{secrets.token_hex(8)}.out"}
            logs["errorLog"] = logs["outputLog"].replace(".out", ".err")
            script = file_script(self._directives(), command, [str(path) for path in paths], *logs.values())
            job_id = await self._submit(JobRequest(working_directory=directory, script=script, name=_NAME))
            return {"transferJob": {"jobId": job_id, "logs": logs}}

        return start


def file_script(directives: Sequence[str], command: str, paths: Sequence[str], out: str, err: str) -> str:
    """A batch script that runs `command` with these paths, whatever is in them. Pure.

    `out` and `err` are plain names.
    """
    lines = [
        "#!/bin/bash",
        *directives,
        f"#SBATCH --output={out}",
        f"#SBATCH --error={err}",
        "export LC_ALL=C",
        f"exec {command} {' '.join(map(shlex.quote, paths))}",
        "",
    ]
    return "\n".join(lines)
