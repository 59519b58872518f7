"""What a look at the scheduler tells, put together with what was known before. Pure.

One look proves little: the accounting lags behind the queue by seconds. A job that was RUNNING may be PENDING in the
next look and RUNNING in the one after it, and records turn up that have no name, partition or directory yet.
"""

from __future__ import annotations

import dataclasses
import datetime as dt

from f7tfs.cluster.job_marks import PLACEHOLDERS
from f7tfs.cluster.model import Job, JobState
from f7tfs.vfs.jobs.record import Record
from f7tfs.vfs.zones import Zone, epoch

_ORDER = {JobState.PENDING: 0, JobState.CONFIGURING: 1, JobState.RUNNING: 2, JobState.COMPLETING: 3}
_NOT_BEGUN = -1
_ENDED = 4
_FILLED = ("account", "partition", "nodes", "working_directory", "user", "started_local", "ended_local")
_FILLED_NONE = ("submitted", "started", "elapsed", "limit")

SHORTEST, LONGEST = 2.0, 60.0
SHARE = 0.05
FRESH_SECONDS = 15.0
"""A job may be submitted so long ago and not be in the listing yet."""
MOST_MISSES = 20


def interval(records: list[Record], now: float, shortest: float = SHORTEST) -> float:
    """Seconds for which what was seen is believed: short after something happened, and longer with time.

    It is by the youngest job that has not ended, so it is the same for one job and for hundreds.
    """
    ages = [now - max(record.created, record.changed) for record in records if record.active]
    return max(min(min(ages, default=0.0) * SHARE, LONGEST), shortest)


def observe(record: Record, seen: Job, now: float, zone: Zone | None) -> bool:
    """Take in what a look told of a job; returns whether anything worth writing down has changed."""
    record.misses = 0
    old = record.job
    job = _with_times(_filled(old, seen), zone)
    if old is not None and _goes_back(old.state, job.state) and not _confirmed(record, job):
        record.doubted = job
        return False
    record.doubted = None
    record.job = job
    if record.name in PLACEHOLDERS or not record.mark:
        record.name = job.name
    record.directory = record.directory or job.working_directory
    if old is None or old.state is not job.state:
        record.changed = now
        return True
    return False


def miss(record: Record) -> None:
    """A look did not show a job that has not ended. After many of those nothing is known of it any more."""
    record.misses += 1
    if record.misses >= MOST_MISSES and record.job is not None:
        record.job = dataclasses.replace(record.job, state=JobState.UNKNOWN, reason="the scheduler does not know it")


def _goes_back(old: JobState, new: JobState) -> bool:
    if old is JobState.UNKNOWN:
        return False
    return _rank(new) < _rank(old)


def _rank(state: JobState) -> int:
    return _ENDED if state.ended else _ORDER.get(state, _NOT_BEGUN if state is JobState.UNKNOWN else 2)


def _confirmed(record: Record, job: Job) -> bool:
    return record.doubted is not None and record.doubted.state is job.state


def _filled(old: Job | None, new: Job) -> Job:
    """What the new look leaves open, as the old one had it."""
    if old is None:
        return new
    kept = {name: getattr(old, name) for name in _FILLED if not getattr(new, name)}
    kept |= {name: getattr(old, name) for name in _FILLED_NONE if getattr(new, name) is None}
    if new.name in PLACEHOLDERS:
        kept["name"] = old.name
    if not new.steps:
        kept["steps"] = old.steps
    return dataclasses.replace(new, **kept)


def _with_times(job: Job, zone: Zone | None) -> Job:
    """Local times in the cluster's zone, where that is known."""
    if zone is None:
        return job
    started = job.started
    if started is None and job.started_local:
        started = float(epoch(job.started_local, zone))
    ended = job.ended
    if ended is None and job.ended_local:
        ended = float(epoch(job.ended_local, zone))
    return dataclasses.replace(job, started=started, ended=ended)


def iso(seconds: float | None, zone: Zone | None = None) -> str | None:
    """A time with its zone: the cluster's where that is known, else this machine's."""
    if seconds is None:
        return None
    return dt.datetime.fromtimestamp(seconds, zone).astimezone(zone).isoformat(timespec="seconds")
