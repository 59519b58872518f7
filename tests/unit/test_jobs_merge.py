"""What looks at the scheduler prove, what is said of jobs, and how often they are looked at."""

from __future__ import annotations

import dataclasses
import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from f7tfs.cluster.job_marks import has_mark, marked, unmarked
from f7tfs.cluster.model import Job, JobState, JobStep
from f7tfs.vfs.jobs import texts
from f7tfs.vfs.jobs.arrays import with_arrays
from f7tfs.vfs.jobs.merge import LONGEST, MOST_MISSES, SHORTEST, interval, miss, observe
from f7tfs.vfs.jobs.record import Phase, Record, from_json, new_record, to_json
from f7tfs.vfs.jobs.script import is_scratch

ZURICH = ZoneInfo("Europe/Zurich")


def job(state: JobState, job_id: str = "7", **told: object) -> Job:
    return dataclasses.replace(Job(job_id=job_id, name="run.sh", state=state), **told)  # type: ignore[arg-type]


def record(state: JobState = JobState.PENDING, age: float = 0.0) -> Record:
    return Record(
        key="7", name="run.sh", directory="/w", mark="a", job=job(state), created=1000.0 - age, changed=1000.0 - age
    )


def test_a_look_that_goes_back_in_time_counts_when_it_is_confirmed() -> None:
    it = record(JobState.RUNNING)
    assert not observe(it, job(JobState.PENDING), 1001.0, None)
    assert it.state == "RUNNING"
    observe(it, job(JobState.RUNNING), 1002.0, None)
    observe(it, job(JobState.PENDING), 1003.0, None)
    assert it.state == "RUNNING"
    assert observe(it, job(JobState.PENDING), 1004.0, None)
    assert it.state == "PENDING"


def test_what_the_accounting_does_not_know_yet_stays_as_it_was() -> None:
    it = record()
    observe(it, job(JobState.RUNNING, partition="part01", working_directory="/w"), 1001.0, None)
    observe(it, job(JobState.COMPLETED, exit_code=0, name="allocation"), 1002.0, None)
    assert it.job is not None
    assert (it.name, it.job.name, it.job.partition, it.job.working_directory) == ("run.sh", "run.sh", "part01", "/w")


def test_local_times_get_the_clusters_zone() -> None:
    it = record()
    observe(it, job(JobState.RUNNING, started_local="2026-07-01T12:00:00"), 1001.0, ZURICH)
    assert it.job is not None
    assert it.job.started == dt.datetime(2026, 7, 1, 10, tzinfo=dt.UTC).timestamp()
    assert texts.info(it, None, ZURICH, None)["started"] == "2026-07-01T12:00:00+02:00"


def test_a_job_that_is_missed_again_and_again_is_unknown_until_it_is_seen() -> None:
    it = record(JobState.RUNNING)
    for _ in range(MOST_MISSES):
        assert it.state == "RUNNING"
        miss(it)
    assert it.state == "UNKNOWN"
    observe(it, job(JobState.RUNNING), 1001.0, None)
    assert (it.state, it.misses) == ("RUNNING", 0)


@pytest.mark.parametrize(("age", "seconds"), [(0.0, SHORTEST), (100.0, 5.0), (1e6, LONGEST)])
def test_the_interval_grows_with_the_age_of_the_youngest_job_however_many_there_are(
    age: float, seconds: float
) -> None:
    assert interval([record(age=age)], 1000.0) == seconds
    assert interval([record(age=age + number) for number in range(200)], 1000.0) == seconds
    assert interval([record(JobState.COMPLETED), record(age=age)], 1000.0) == seconds
    assert interval([record(age=age)], 1000.0, 120.0) == 120.0


def test_an_array_is_made_of_its_tasks() -> None:
    tasks = [
        job(JobState.COMPLETED, "12_0", exit_code=0, elapsed=3.0),
        job(JobState.RUNNING, "12_1", elapsed=9.0, nodes="n1"),
        job(JobState.PENDING, "12_[2-9]", reason="Priority"),
    ]
    found = {each.job_id: each for each in with_arrays([*tasks, job(JobState.PENDING, "13")])}
    assert list(found) == ["12_0", "12_1", "13", "12"]
    assert (found["12"].state, found["12"].exit_code, found["12"].elapsed) == (JobState.RUNNING, None, 9.0)
    ended = [tasks[0], job(JobState.FAILED, "12_1", exit_code=2), job(JobState.CANCELLED, "12_[2-9]", exit_code=0)]
    (array,) = [each for each in with_arrays(ended) if each.job_id == "12"]
    assert (array.state, array.exit_code) == (JobState.FAILED, 2)


def test_a_record_outlives_the_mount_as_it_is() -> None:
    it = new_record("run.sh", "/scratch", "#!/bin/sh\n", dropped="/w")
    it.phase = Phase.SUBMITTED
    it.job = job(JobState.FAILED, exit_code=1, steps=(JobStep("7.batch", "batch", JobState.FAILED, 1),))
    again = from_json(to_json(it))
    assert to_json(again) == to_json(it)
    assert again.job == it.job


def test_a_job_has_the_name_that_the_scheduler_tells() -> None:
    it = new_record("run.sh", "/w", "#!/bin/sh\n#SBATCH --job-name=wave\n")
    it.phase, it.job = Phase.SUBMITTED, job(JobState.PENDING, name="")
    assert it.called == "run.sh"
    observe(it, job(JobState.RUNNING, name="allocation"), 1001.0, None)
    assert it.called == "run.sh"
    observe(it, job(JobState.RUNNING, name="wave"), 1002.0, None)
    told = texts.info(it, None, None, None)
    assert (told["name"], told["script_name"], texts.row(it)[1]) == ("wave", "run.sh", "wave")
    assert texts.known([it], None)[0]["name"] == "wave"


def test_the_mounts_own_jobs_are_told_before_those_of_others() -> None:
    states = [(state, mark) for state in (JobState.COMPLETED, JobState.RUNNING) for mark in ("", "f7t-1")]
    records = [dataclasses.replace(record(state), key=f"{state.value}{mark}", mark=mark) for state, mark in states]
    told = [(each["finished"], each["id"]) for each in texts.known(records, None)]
    assert told == [(False, "RUNNINGf7t-1"), (False, "RUNNING"), (True, "COMPLETEDf7t-1"), (True, "COMPLETED")]


def test_the_status_is_one_line_for_cut() -> None:
    it = record(JobState.COMPLETED)
    it.job = job(JobState.COMPLETED, exit_code=0, elapsed=12.0, nodes="n1")
    assert texts.status(it) == "COMPLETED\t0\t-\t12\tn1\n"
    assert texts.status(new_record("x", "/w", "")) == "WAITING_FOR_UPLOAD\t-\t-\t-\t-\n"


def test_the_queue_has_a_line_for_each_job() -> None:
    it = record()
    it.job = job(JobState.PENDING, reason="Priority")
    head, line = texts.queue([it]).splitlines()
    assert head.split() == list(texts.HEAD)
    assert line.split() == ["7", "run.sh", "PENDING", "-", "-", "(Priority)", "/w"]


def test_a_mark_is_put_at_the_end_and_taken_off_again() -> None:
    for script in ("#!/bin/sh\ntrue\n", "#!/bin/sh\ntrue"):
        sent = marked(script, "abc123")
        assert sent.startswith(script)
        assert has_mark(sent, "abc123")
        assert not has_mark(sent, "abc12345")
        assert unmarked(sent).rstrip("\n") == script.rstrip("\n")
    assert marked("#!/bin/sh\n", "") == "#!/bin/sh\n"
    assert not has_mark("#!/bin/sh\n", "")


@pytest.mark.parametrize("name", [".run.sh.swp", "run.sh~", "4913", "#run.sh#", "CuAbC123", ".hidden"])
def test_editors_own_files_are_never_submitted(name: str) -> None:
    assert is_scratch(name)
