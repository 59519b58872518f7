"""Jobs as both versions tell of them."""

from __future__ import annotations

import pytest

from f7tfs.cluster import jobs
from f7tfs.cluster.errors import NotFound, PermissionDenied, SchedulerRefused, Unsupported
from f7tfs.cluster.jobs_v1 import named
from f7tfs.cluster.jobs_v2 import job_description
from f7tfs.cluster.model import JobRequest, JobState
from f7tfs.firecrest.s3 import plan_parts
from tests.unit.recorded import body


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("COMPLETED", JobState.COMPLETED),
        ("CANCELLED by 4103", JobState.CANCELLED),
        ("CANCELLED+", JobState.CANCELLED),
        ("OUT_OF_MEMORY", JobState.OUT_OF_MEMORY),
        ("SPECIAL_EXIT", JobState.SPECIAL_EXIT),
        ("POWERED_BY_HAMSTERS", JobState.UNKNOWN),
        ("", JobState.UNKNOWN),
    ],
)
def test_states_are_slurms_words(text: str, state: JobState) -> None:
    assert jobs.state_of(text) is state


def test_a_pending_job_of_v2_has_neither_begun_nor_ended() -> None:
    job = jobs.job_of_v2(body("v2", "job_info_pending_or_running")["jobs"][0])
    assert (job.job_id, job.name, job.state) == ("55", "t1", JobState.PENDING)
    assert (job.started, job.ended, job.exit_code, job.reason) == (None, None, None, "")


@pytest.mark.parametrize(
    ("name", "state", "exit_code", "signal"),
    [
        ("job_info_completed", JobState.COMPLETED, 0, None),
        ("job_info_failed", JobState.FAILED, 7, None),
        ("job_info_signal", JobState.FAILED, 0, 11),
        ("job_info_cancelled", JobState.CANCELLED, None, 15),
        ("job_info_running", JobState.RUNNING, None, None),
    ],
)
def test_recorded_jobs_of_v2(name: str, state: JobState, exit_code: int | None, signal: int | None) -> None:
    job = jobs.job_of_v2(body("v2", name)["jobs"][0])
    assert (job.state, job.exit_code, job.signal) == (state, exit_code, signal)


def test_recorded_files_of_a_job_of_v2() -> None:
    files = jobs.files_of_v2(body("v2", "job_metadata")["jobs"][0])
    assert files.script.startswith("#!/bin/bash")
    assert files.stdout == files.stderr == "/home/fireuser/x/slurm-55.out"


def test_recorded_queue_of_v1_with_its_swapped_times() -> None:
    items = body("v1", "compute poll active: task at status 200")["task"]["data"]
    found = {job.job_id: job for job in map(jobs.job_of_v1_queue, items.values())}
    assert (found["70"].state, found["70"].elapsed, found["70"].nodes) == (JobState.RUNNING, 3.0, "localhost")
    assert (found["63"].state, found["63"].reason, found["63"].nodes) == (JobState.PENDING, "PartitionConfig", "")


def test_recorded_accounting_of_v1() -> None:
    items = body("v1", "compute acct: task at status 200")["task"]["data"]
    job = jobs.job_of_v1_acct(items[0])
    assert (job.job_id, job.state, job.elapsed, job.exit_code) == ("70", JobState.RUNNING, 16.0, None)


def test_the_exit_code_and_signal_of_v1_are_one_text() -> None:
    job = jobs.job_of_v1_acct({"jobid": "1", "state": "FAILED", "exit_code": "7:9"})
    assert (job.exit_code, job.signal) == (7, 9)


@pytest.mark.parametrize(
    ("text", "seconds"), [("1-02:03:04", 93784.0), ("02:03:04", 7384.0), ("3:04", 184.0), ("N/A", None)]
)
def test_durations(text: str, seconds: float | None) -> None:
    assert jobs.seconds_of(text) == seconds


def test_cancelling_an_ended_job_is_no_error() -> None:
    jobs.settle_cancel(body("v2", "job_cancel_again")["message"])


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("scancel: error: Kill job error on job id 9: Invalid job id specified", NotFound),
        ("scancel: error: Kill job error on job id 9: Access/permission denied", PermissionDenied),
        ("scancel: error: unable to contact the controller", SchedulerRefused),
    ],
)
def test_other_words_of_scancel_are(text: str, meant: type[Exception]) -> None:
    with pytest.raises(meant):
        jobs.settle_cancel(text)


def test_a_job_description_holds_what_was_given() -> None:
    request = JobRequest("/w", script="#!/bin/sh\n", name="n", environment={"A": "b c"})
    assert job_description(request, "acct") == {
        "name": "n",
        "workingDirectory": "/w",
        "script": "#!/bin/sh\n",
        "account": "acct",
        "env": {"A": "b c"},
    }


def test_an_environment_that_v2_would_cut_is_refused() -> None:
    with pytest.raises(Unsupported, match="A"):
        job_description(JobRequest("/w", script="#!/bin/sh\n", environment={"A": "b,c"}), None)


def test_a_job_name_becomes_a_directive_that_the_scripts_own_overrides() -> None:
    assert named("#!/bin/sh\n#SBATCH -J own\n", "n") == "#!/bin/sh\n#SBATCH --job-name=n\n#SBATCH -J own\n"
    assert named("#!/bin/sh", "n") == "#!/bin/sh"


@pytest.mark.parametrize(
    ("urls", "largest", "size", "spans"),
    [
        (["u"], 100, 60, [(0, 60)]),
        (["u", "v"], 50, 60, [(0, 50), (50, 60)]),
        (["u", "v"], 30, 60, [(0, 30), (30, 60)]),
        (["u"], 50, 60, []),
        ([], 50, 60, []),
    ],
)
def test_parts_cover_the_file_exactly(urls: list[str], largest: int, size: int, spans: list[tuple[int, int]]) -> None:
    parts = plan_parts(urls, largest, size)
    assert [(part.start, part.stop) for part in parts] == spans
    assert [part.url for part in parts] == urls[: len(spans)]
