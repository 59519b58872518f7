"""From what either version says of jobs to the values of the port. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from f7tfs.cluster.diagnosis import errno_phrase
from f7tfs.cluster.errors import NotFound, PermissionDenied, SchedulerRefused
from f7tfs.cluster.job_marks import unmarked
from f7tfs.cluster.model import Job, JobFiles, JobState, JobStep

_TRANSFER_NAMES = re.compile(
    r"(Ingress|Outgoing)FileTransfer|(Move|Copy|Delete|Compress|Extract)Files?|f7t[_-].*", re.IGNORECASE
)
_LOCAL_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
_SECONDS = re.compile(r"(?:(\d+)-)?(?:(\d+):)?(\d+):(\d+)(?:\.\d+)?")

_MADE_TO_END = frozenset({JobState.CANCELLED, JobState.TIMEOUT, JobState.DEADLINE, JobState.PREEMPTED})


def state_of(text: str) -> JobState:
    """From Slurm's word; `CANCELLED by 4103` is CANCELLED."""
    words = text.split()
    try:
        return JobState(words[0].upper().rstrip("+"))
    except (IndexError, ValueError):
        return JobState.UNKNOWN


def base_id(job_id: str) -> str:
    """The id of the array that a job belongs to: `55` of `55_3`."""
    return job_id.partition("_")[0]


def is_transfer_name(name: str) -> bool:
    """Whether FirecREST itself calls its transfer jobs so."""
    return _TRANSFER_NAMES.fullmatch(name) is not None


def job_of_v2(item: Mapping[str, Any]) -> Job:
    """From a job of v2. Start and end of a job that has not started are guesses of the scheduler's: left out."""
    status = item.get("status") or {}
    time = item.get("time") or {}
    state = state_of(str(status.get("state", "")))
    steps = tuple(_step(step) for step in item.get("tasks") or ())
    exit_code, signal = _result(state, status.get("exitCode"), status.get("interruptSignal"), steps)
    started = state.ended or state in {JobState.RUNNING, JobState.COMPLETING, JobState.SUSPENDED}
    return Job(
        job_id=str(item["jobId"]),
        name=str(item.get("name") or ""),
        state=state,
        reason=_text(status.get("stateReason")),
        exit_code=exit_code,
        signal=signal,
        user=_text(item.get("user")),
        account=_text(item.get("account")),
        partition=_text(item.get("partition")),
        nodes=_text(item.get("nodes")),
        working_directory=_text(item.get("workingDirectory")),
        started=_float(time.get("start")) if started else None,
        ended=_float(time.get("end")) if state.ended else None,
        elapsed=_float(time.get("elapsed")),
        limit=_float(time.get("limit")),
        steps=steps,
    )


def _result(
    state: JobState, exit_code: object, signal: object, steps: tuple[JobStep, ...] = ()
) -> tuple[int | None, int | None]:
    """Exit code and signal of a job, by the scheduler's figures.

    Of a job that was made to end, the accounting says 0 and 0, and only its steps have the signal: that 0 is not what
    a script has returned.
    """
    code, by = _int(exit_code) if state.ended else None, _int(signal) or None
    if code == 0 and state in _MADE_TO_END:
        return None, by or next((step.signal for step in steps if step.signal), None)
    return code, by


def _step(item: Mapping[str, Any]) -> JobStep:
    status = item.get("status") or {}
    state = state_of(str(status.get("state", "")))
    return JobStep(
        step_id=str(item.get("id", "")),
        name=_text(item.get("name")),
        state=state,
        exit_code=_int(status.get("exitCode")) if state.ended else None,
        signal=_int(status.get("interruptSignal")) or None,
    )


def files_of_v2(item: Mapping[str, Any]) -> JobFiles:
    """From a job's metadata."""
    return JobFiles(
        script=unmarked(str(item.get("script") or "")),
        stdout=_path(item.get("standardOutput")),
        stderr=_path(item.get("standardError")),
    )


def job_of_v1_acct(item: Mapping[str, Any]) -> Job:
    """From v1's accounting. Its times have no zone, so they are told as they are."""
    state = state_of(str(item.get("state", "")))
    exit_code, _, signal = str(item.get("exit_code", "")).partition(":")
    code, by = _result(state, exit_code, signal)
    return Job(
        job_id=str(item["jobid"]),
        name=_text(item.get("name")),
        state=state,
        exit_code=code,
        signal=by,
        user=_text(item.get("user")),
        partition=_text(item.get("partition")),
        nodes=_text(item.get("nodelist")),
        elapsed=seconds_of(str(item.get("elapsed_time", ""))),
        started_local=_local_time(item.get("start_time")),
        ended_local=_local_time(item.get("termination_time")) if state.ended else "",
    )


def job_of_v1_queue(item: Mapping[str, Any]) -> Job:
    """From v1's queue, where `start_time` holds the elapsed time and the other way round."""
    nodes = _text(item.get("nodelist"))
    reason = nodes[1:-1] if nodes.startswith("(") and nodes.endswith(")") else ""
    return Job(
        job_id=str(item["jobid"]),
        name=_text(item.get("name")),
        state=state_of(str(item.get("state", ""))),
        reason=reason,
        user=_text(item.get("user")),
        partition=_text(item.get("partition")),
        nodes="" if reason else nodes,
        elapsed=seconds_of(str(item.get("start_time", ""))),
        started_local=_local_time(item.get("time")),
    )


def paths_of_v1(item: Mapping[str, Any]) -> tuple[str, str, str]:
    """Script, stdout and stderr of a job, as paths; empty where not known."""
    return _path(item.get("job_file")), _path(item.get("job_file_out")), _path(item.get("job_file_err"))


def seconds_of(text: str) -> float | None:
    """`1-02:03:04`, `02:03:04` or `3:04` in seconds."""
    match = _SECONDS.fullmatch(text)
    if match is None:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)


def _text(value: Any) -> str:
    text = "" if value is None else str(value)
    return "" if text in {"None", "(null)", "N/A", "None assigned"} else text


def _local_time(value: Any) -> str:
    text = _text(value)
    return text if _LOCAL_TIME.fullmatch(text) else ""


def _path(value: Any) -> str:
    text = _text(value)
    return text if text.startswith("/") else ""


def _int(value: Any) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError):
        return None


def _float(value: Any) -> float | None:
    return None if value is None else float(value)


def settle_cancel(text: str) -> None:
    """What Slurm's scancel said: nothing to do if the job has ended. Raises NotFound, PermissionDenied and others."""
    if "already completing or completed" in text:
        return
    if "Invalid job id" in text:
        raise NotFound(text)
    if "ermission denied" in text or "Access" in text:
        raise PermissionDenied(text)
    raise (errno_phrase(text) or SchedulerRefused)(text)
