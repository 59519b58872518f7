"""What a scheduler takes and tells. A real one can be put in place of the local one behind this protocol."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol


class SlurmRefused(Exception):
    """A Slurm command ended with an error; the text is its stderr, final newline included."""

    def __init__(self, status: int, stderr: str) -> None:
        super().__init__(stderr)
        self.status = status
        self.stderr = stderr


class UnknownJob(Exception):
    """There is no job of that id."""


class SchedulerMissing(Exception):
    """The scheduler that was asked for cannot run on this machine; says why."""


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """What `sbatch` is given; paths are the cluster's. Options here win over those in the script."""

    script: str
    directory: str
    name: str | None = None
    account: str | None = None
    partition: str | None = None
    output: str | None = None
    error: str | None = None
    input: str | None = None
    environment: dict[str, str] = field(default_factory=dict)
    script_path: str | None = None
    """Where the script lies on the cluster, if it was not given as text."""
    seconds: float | None = None


@dataclass(slots=True)
class JobOutput:
    """What a job that is not a process writes to its two files."""

    out: list[str] = field(default_factory=list)
    err: list[str] = field(default_factory=list)


Work = Callable[[JobOutput], Awaitable[int]]
"""A job that is not a process: returns its exit status."""


ACTIVE = {"PENDING", "CONFIGURING", "RUNNING", "SUSPENDED", "COMPLETING"}


@dataclass(slots=True)
class JobRecord:
    """What the scheduler knows of one job. Times are epoch seconds."""

    job_id: str
    name: str
    request: BatchRequest
    account: str
    partition: str
    limit: float
    output: str
    error: str
    state: str = "PENDING"
    exit_code: int = 0
    signal: int = 0
    step_state: str = ""
    """State of the batch step; empty while there is none."""
    reason: str = "None"
    """Why it is in that state, in Slurm's words."""
    submitted: float = 0.0
    started: float | None = None
    ended: float | None = None

    @property
    def active(self) -> bool:
        return self.state in ACTIVE


class Scheduler(Protocol):
    """What both APIs need of one."""

    async def start(self) -> None:
        """Be ready for jobs. Raises SchedulerMissing."""

    def close(self) -> None:
        """End everything that was started."""

    async def submit(self, request: BatchRequest, work: Work | None = None) -> str:
        """Queue a job; returns its id. Raises SlurmRefused in sbatch's words."""

    async def find(self, job_id: str) -> list[JobRecord]:
        """The job of that id, or the tasks of that job array. Raises UnknownJob."""

    async def jobs(self) -> list[JobRecord]:
        """Every job it still knows, oldest first."""

    async def cancel(self, job_id: str) -> str:
        """Cancel; returns what scancel says. Raises SlurmRefused if it has ended or never was."""

    async def attach(self, job_id: str, command: str) -> None:
        """Run a shell command inside a running job. Raises SlurmRefused with its stderr if it fails."""
