"""Arrays: the scheduler tells of their tasks, and of the array itself only through them. Pure."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable

from f7tfs.cluster.jobs import base_id
from f7tfs.cluster.model import Job, JobState

_JOB_ID = re.compile(r"\d+(_\d+|\+\d+)?")
_ACTIVE_ORDER = (JobState.RUNNING, JobState.COMPLETING, JobState.SUSPENDED, JobState.CONFIGURING)


def is_job_id(name: str) -> bool:
    """Whether the scheduler may call a job, or one task of an array, so."""
    return _JOB_ID.fullmatch(name) is not None


def is_task(job_id: str) -> bool:
    """Whether it is of an array: `12_3`, or `12_[4-9]` for those that have not begun."""
    return "_" in job_id


def with_arrays(jobs: Iterable[Job]) -> list[Job]:
    """The jobs of a look, and one for each array. The rows of several tasks are in that only."""
    found = {job.job_id: job for job in jobs}
    arrays: dict[str, list[Job]] = {}
    for job in found.values():
        if is_task(job.job_id):
            arrays.setdefault(base_id(job.job_id), []).append(job)
    told = [job for job in found.values() if is_job_id(job.job_id) and job.job_id not in arrays]
    return told + [array_of(key, tasks) for key, tasks in arrays.items()]


def array_of(job_id: str, tasks: list[Job]) -> Job:
    """An array as one job: it has ended when all tasks have, and then how the first one did that failed."""
    active = [task for task in tasks if not task.state.ended]
    failed = [task for task in tasks if task.state.ended and task.state is not JobState.COMPLETED]
    first = (failed or tasks)[0]
    return dataclasses.replace(
        first,
        job_id=job_id,
        state=_state_of([task.state for task in active]) if active else first.state,
        reason=active[-1].reason if active else first.reason,
        exit_code=None if active else max((task.exit_code or 0 for task in tasks), default=None),
        signal=None if active else first.signal,
        nodes=",".join(sorted({task.nodes for task in tasks if task.nodes and "(" not in task.nodes})),
        started=min((task.started for task in tasks if task.started is not None), default=None),
        ended=None if active else max((task.ended for task in tasks if task.ended is not None), default=None),
        elapsed=max((task.elapsed for task in tasks if task.elapsed is not None), default=None),
        steps=(),
        started_local=min((task.started_local for task in tasks if task.started_local), default=""),
        ended_local="" if active else max((task.ended_local for task in tasks), default=""),
    )


def _state_of(states: list[JobState]) -> JobState:
    return next((state for state in _ACTIVE_ORDER if state in states), states[0])


def task_number(job_id: str) -> int:
    """Of `12_3`: 3."""
    return int(job_id.partition("_")[2])
