"""What is known of one job, from the moment its script was dropped."""

from __future__ import annotations

import dataclasses
import enum
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

from f7tfs.cluster.job_marks import PLACEHOLDERS, names_itself
from f7tfs.cluster.model import Job, JobRequest, JobState, JobStep


class Phase(enum.Enum):
    """How far a submission has come."""

    WAITING = "waiting"
    """For what was written before it to be on the cluster."""
    SENDING = "sending"
    UNCERTAIN = "uncertain"
    """Its answer was lost, and no job is seen that it has made."""
    SUBMITTED = "submitted"
    """The scheduler has it."""
    REFUSED = "refused"


WAITING_FOR_UPLOAD = "WAITING_FOR_UPLOAD"
SUBMITTING = "SUBMITTING"
UNCERTAIN = "UNCERTAIN"
REFUSED = "REFUSED"

_WORDS = {
    Phase.WAITING: WAITING_FOR_UPLOAD,
    Phase.SENDING: SUBMITTING,
    Phase.UNCERTAIN: UNCERTAIN,
    Phase.REFUSED: REFUSED,
}


@dataclass(eq=False, slots=True, kw_only=True)
class Record:
    """One job. Those that were submitted here have a mark, and outlive the mount. Times are epoch seconds."""

    key: str
    """The name of its directory: its id, and before it has one a name of ours."""
    name: str
    """Of its script, where that was dropped here; else the job's."""
    directory: str
    """Where it runs."""
    dropped: str = ""
    """The directory in whose `.jobs` its script was dropped."""
    mark: str = ""
    script: str | None = None
    script_path: str | None = None
    phase: Phase = Phase.SUBMITTED
    job: Job | None = None
    created: float = field(default_factory=time.time)
    sent: float = 0.0
    before: str = ""
    """The newest id that was known when it was sent."""
    problem: str = ""
    hidden: bool = False
    """The user has removed its directory."""
    unnamed: bool = False
    """The user has removed the link that its script became."""
    misses: int = 0
    """Looks in a row that did not show it though it has not ended."""
    doubted: Job | None = None
    """A look that went back in time, which the next one has to confirm."""
    changed: float = field(default_factory=time.time)
    """When its state was last seen to change."""

    @property
    def called(self) -> str:
        """The job's name: the scheduler's where it has told one, since a directive of the script may have set it."""
        told = "" if self.job is None else self.job.name
        return self.name if told in PLACEHOLDERS else told

    @property
    def state(self) -> str:
        """Slurm's word, or one of ours before the scheduler has it."""
        if self.phase is not Phase.SUBMITTED:
            return _WORDS[self.phase]
        return JobState.UNKNOWN.value if self.job is None else self.job.state.value

    @property
    def ended(self) -> bool:
        """Whether nothing will change any more."""
        if self.phase is Phase.SUBMITTED:
            return self.job is not None and self.job.state.ended
        return self.phase is Phase.REFUSED

    @property
    def active(self) -> bool:
        """Whether the scheduler has it and it has not ended."""
        return self.phase is Phase.SUBMITTED and not self.ended

    def request(self, account: str | None, environment: dict[str, str]) -> JobRequest:
        """What is sent for it."""
        return JobRequest(
            working_directory=self.directory,
            script=self.script,
            script_path=self.script_path,
            # sbatch takes the name from the path, and a directive of the script's own would lose against ours.
            name=self.name if self.script is not None and not names_itself(self.script) else None,
            account=account,
            environment=environment,
            mark=self.mark,
        )


def new_record(
    name: str, directory: str, script: str | None, script_path: str | None = None, *, dropped: str = ""
) -> Record:
    """Of a script that was dropped just now; `dropped`: where, if it is to run somewhere else."""
    mark = secrets.token_hex(8)
    return Record(
        key=f"new-{mark[:6]}",
        name=name,
        directory=directory,
        dropped=dropped or directory,
        mark=mark,
        script=script,
        script_path=script_path,
        phase=Phase.WAITING,
    )


_KEPT = (
    *("key", "name", "directory", "dropped", "mark", "script", "script_path"),
    *("created", "sent", "before", "problem", "hidden", "unnamed", "changed"),
)


def to_json(record: Record) -> dict[str, Any]:
    """What outlives the mount."""
    kept: dict[str, Any] = {name: getattr(record, name) for name in _KEPT}
    job = None if record.job is None else dataclasses.asdict(record.job)
    if job is not None:
        job["state"] = job["state"].value
        job["steps"] = [{**step, "state": step["state"].value} for step in job["steps"]]
    return kept | {"phase": record.phase.value, "job": job}


def from_json(kept: dict[str, Any]) -> Record:
    """What `to_json` made. Raises KeyError, TypeError or ValueError for anything else."""
    job = kept["job"]
    if job is not None:
        steps = tuple(JobStep(**{**step, "state": JobState(step["state"])}) for step in job["steps"])
        job = Job(**{**job, "state": JobState(job["state"]), "steps": steps})
    return Record(**{name: kept[name] for name in _KEPT if name in kept}, phase=Phase(kept["phase"]), job=job)
