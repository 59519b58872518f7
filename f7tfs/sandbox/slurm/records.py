"""What `scontrol --oneliner show job` says, as records: pure functions."""

from __future__ import annotations

import re
from collections.abc import Iterator

from f7tfs.sandbox.jobs.model import BatchRequest, JobRecord
from f7tfs.sandbox.jobs.sbatch import parse_time
from f7tfs.sandbox.settings import SandboxSettings

NOTHING = {"", "(null)", "N/A", "Unknown", "None"}
FIELD = re.compile(r"(?:^| )([A-Z][A-Za-z/:]*)=")


def fields_of(line: str) -> dict[str, str]:
    """The fields of one line. Values may hold blanks, so a value ends where the next name begins."""
    marks = list(FIELD.finditer(line))
    ends = [*(mark.start() for mark in marks[1:]), len(line)]
    return {mark[1]: line[mark.end() : end].strip() for mark, end in zip(marks, ends, strict=True)}


def lines_of(output: str) -> Iterator[dict[str, str]]:
    """The jobs of an answer; none if the text is `No jobs in the system`."""
    return (fields_of(line) for line in output.splitlines() if line.startswith("JobId="))


def job_id(fields: dict[str, str]) -> str:
    """As sacct writes it: `12`, `12_3` for a task of an array, `12_[4-7]` for those that have not started."""
    array, task = fields.get("ArrayJobId"), fields.get("ArrayTaskId")
    if array is None or task is None:
        return fields["JobId"]
    return f"{array}_{task}" if task.isdecimal() else f"{array}_[{task}]"


def order(fields: dict[str, str]) -> tuple[int, int]:
    """Oldest first, the tasks of an array by their number."""
    task = fields.get("ArrayTaskId", "0")
    return int(fields.get("ArrayJobId", fields["JobId"])), int(task) if task.isdecimal() else 1 << 62


def _time(text: str) -> float | None:
    return None if text in NOTHING else float(text)


def _state(fields: dict[str, str], settings: SandboxSettings) -> str:
    state = fields["JobState"]
    return f"CANCELLED by {settings.uid}" if state == "CANCELLED" else state


def _step_state(state: str, signal: int, *, started: bool) -> str:
    """Of the batch step, which scontrol does not tell of: as sacct shows it."""
    if not started:
        return ""
    if state.startswith(("CANCELLED", "TIMEOUT")) or signal:
        return "CANCELLED"
    return state


def record_of(fields: dict[str, str], request: BatchRequest | None, settings: SandboxSettings) -> JobRecord:
    """A record from one line. `request` is what was asked for, where that is known."""
    state = _state(fields, settings)
    code, _, signal = fields["ExitCode"].partition(":")
    started = _time(fields["StartTime"])
    if state == "PENDING":
        started = None  # a prediction
    ended = None if state in {"PENDING", "RUNNING"} or started is None else _time(fields["EndTime"])
    limit = fields["TimeLimit"]
    name, account = fields["JobName"], fields["Account"]
    return JobRecord(
        job_id=job_id(fields),
        name=name,
        request=request or BatchRequest(script="", directory=fields["WorkDir"], name=name),
        account=settings.accounts[0] if account in NOTHING else account,
        partition=fields["Partition"],
        limit=parse_time(limit) if limit[:1].isdecimal() else settings.max_job_seconds,
        output=fields["StdOut"],
        error=fields["StdErr"],
        state=state,
        exit_code=int(code),
        signal=int(signal or 0),
        step_state=_step_state(state, int(signal or 0), started=started is not None),
        reason=fields["Reason"],
        submitted=_time(fields["SubmitTime"]) or 0.0,
        started=started,
        ended=ended,
    )
