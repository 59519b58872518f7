"""The scheduler of both APIs over Slurm's own commands."""

from __future__ import annotations

import math
import re
import secrets
from collections.abc import Sequence
from pathlib import Path
from subprocess import CompletedProcess

import trio

from f7tfs.sandbox.jobs.model import BatchRequest, JobRecord, SlurmRefused, UnknownJob, Work
from f7tfs.sandbox.jobs.sbatch import exported
from f7tfs.sandbox.jobs.spool import Spool
from f7tfs.sandbox.settings import SandboxSettings
from f7tfs.sandbox.slurm.daemons import Daemons
from f7tfs.sandbox.slurm.errands import Errands
from f7tfs.sandbox.slurm.records import lines_of, order, record_of

COMMAND_SECONDS = 60.0
OWN_DIRECTORY = re.compile(r"^#SBATCH\s+(.*\s)?(--chdir|-D)", re.MULTILINE)


class SlurmScheduler:
    """Implements `jobs.model.Scheduler`."""

    def __init__(self, settings: SandboxSettings, nursery: trio.Nursery) -> None:
        self._settings = settings
        self._spool = Spool(settings.root.resolve())
        self._daemons = Daemons(settings, self._spool.mount_point)
        self._errands = Errands(nursery)
        self._requests: dict[str, BatchRequest] = {}

    async def start(self) -> None:
        await self._daemons.start(self._spool.peek_id())
        await self._errands.start(self._daemons.directory / "errands")

    def close(self) -> None:
        self._daemons.close()

    # -- submitting ------------------------------------------------------------------------------

    async def submit(self, request: BatchRequest, work: Work | None = None) -> str:
        script = request.script if work is None else self._errands.script(work)
        words = ["sbatch", "--parsable", "--export=ALL", *_options(request, script)]
        environment = {**self._login(), **(exported(request.environment) if work is None else {})}
        if request.script_path is None:
            done = await self._run(words, environment, script)
        else:  # the job takes the name of the file
            place = self._spool.script_directory(secrets.token_hex(8))
            path = place / request.script_path.rstrip("/").rsplit("/", 1)[-1]
            path.write_bytes(script.encode("utf-8", "surrogateescape"))
            done = await self._run([*words, str(path)], environment)
        job_id = done.stdout.decode().strip().partition(";")[0]
        self._requests[job_id] = request
        self._spool.used_id(int(job_id))
        return job_id

    def _login(self) -> dict[str, str]:
        """The environment of the user's login, which jobs inherit."""
        settings = self._settings
        return {
            **self._daemons.environment,
            "HOME": settings.work_dir,
            "USER": settings.user,
            "LOGNAME": settings.user,
            "SHELL": "/bin/bash",
            "TZ": settings.time_zone,
        }

    # -- looking ---------------------------------------------------------------------------------

    async def find(self, job_id: str) -> list[JobRecord]:
        found = await self._show([job_id.partition(".")[0]])
        if not found:
            raise UnknownJob(job_id)
        return found

    async def jobs(self) -> list[JobRecord]:
        return await self._show([])

    async def _show(self, wanted: list[str]) -> list[JobRecord]:
        try:
            done = await self._run(["scontrol", "--oneliner", "show", "job", *wanted], {"SLURM_TIME_FORMAT": "%s"})
        except SlurmRefused as error:
            if "Invalid job id" in error.stderr:
                return []
            raise
        fields = sorted(lines_of(done.stdout.decode("utf-8", "surrogateescape")), key=order)
        return [record_of(each, self._request_of(each), self._settings) for each in fields]

    def _request_of(self, fields: dict[str, str]) -> BatchRequest | None:
        return self._requests.get(fields.get("ArrayJobId", fields["JobId"]))

    # -- changing --------------------------------------------------------------------------------

    async def cancel(self, job_id: str) -> str:
        done = await self._run(["scancel", "--verbose", job_id])
        said = done.stderr.decode(errors="replace")
        if "error:" in said:
            raise SlurmRefused(0 if "already" in said else 1, said)
        return said.strip()

    async def attach(self, job_id: str, command: str) -> None:
        found = await self._show([job_id])
        directory = found[0].request.directory if found else "/"
        words = ["srun", f"--jobid={job_id}", "--overlap", f"--chdir={directory}", "/bin/bash", "-c", command]
        await self._run(words, self._login())

    # -- commands --------------------------------------------------------------------------------

    async def _run(
        self, words: Sequence[str], more: dict[str, str] | None = None, text: str = ""
    ) -> CompletedProcess[bytes]:
        """Raises SlurmRefused with what the command said."""
        with trio.move_on_after(COMMAND_SECONDS):
            done = await trio.run_process(
                words,
                stdin=text.encode("utf-8", "surrogateescape"),
                env={**self._daemons.environment, **(more or {})},
                cwd=Path("/"),
                capture_stdout=True,
                capture_stderr=True,
                check=False,
            )
            if done.returncode:
                raise SlurmRefused(done.returncode, done.stderr.decode(errors="replace"))
            return done
        raise SlurmRefused(124, f"{words[0]}: error: no answer\n")


def _options(request: BatchRequest, script: str) -> list[str]:
    """sbatch's options. What is given here wins over the script's directives."""
    given = {
        "job-name": request.name,
        "account": request.account,
        "partition": request.partition,
        "output": request.output,
        "error": request.error,
        "input": request.input,
    }
    words = [f"--{name}={value}" for name, value in given.items() if value]
    if request.seconds:
        words.append(f"--time={math.ceil(request.seconds / 60)}")
    if not OWN_DIRECTORY.search(script):
        words.append(f"--chdir={request.directory}")
    return words
