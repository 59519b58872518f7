"""Calls recorded from a real v2 that need each other: jobs, and transfers through the object store."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from f7tfs.sandbox.process import SandboxProcess
from tests.sandbox.recordings import Expected, body_of, flow
from tests.sandbox.trees import cleared, sized, write

PATIENCE = 120.0
SYSTEM = "cluster-slurm-ssh"
SETTINGS: dict[str, Any] = {
    "user": "fireuser",
    "system": SYSTEM,
    "file_systems": [{"path": "/home", "default_work_dir": True}],
    "time_zone": "UTC",
    "stall_seconds": 0.05,
}
ACTIVE = {"PENDING", "RUNNING"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    """Small `home`, quick jobs."""
    settings = {**SETTINGS, "job_start_seconds": 0.0, "ingest_poll_seconds": 0.05, "require_account": True}
    with SandboxProcess(tmp_path_factory.mktemp("v2flows"), **settings) as sandbox:
        yield sandbox


@pytest.fixture
def cluster(server: SandboxProcess) -> Iterator[SandboxProcess]:
    cleared(server.home / "x")
    yield server
    server.clear_faults()


def ask(sandbox: SandboxProcess, method: str, path: str, body: Any = None) -> httpx.Response:
    token = {"Authorization": f"Bearer {sandbox.token()}"}
    return httpx.request(method, sandbox.info.url_v2 + path, headers=token, json=body, timeout=PATIENCE)


def repeat(sandbox: SandboxProcess, request: dict[str, Any], job: str = "") -> httpx.Response:
    """A recorded request, about a job of ours."""
    path = re.sub(r"/jobs/\d+", f"/jobs/{job}", request["path"])
    return ask(sandbox, request["method"], path, request.get("body"))


def look(sandbox: SandboxProcess, job: str) -> httpx.Response:
    return ask(sandbox, "GET", f"/compute/{SYSTEM}/jobs/{job}")


def until(wanted: Callable[[], bool]) -> None:
    give_up = time.monotonic() + PATIENCE
    while not wanted():
        assert time.monotonic() < give_up, "this did not come about"
        time.sleep(0.02)


def in_state(sandbox: SandboxProcess, job: str, state: str) -> None:
    until(lambda: look(sandbox, job).json()["jobs"][0]["status"]["state"].split()[0] == state)


def submit(sandbox: SandboxProcess, command: str) -> str:
    body = {"job": {"workingDirectory": f"{sandbox.info.home}/x", "script": f"#!/bin/bash\n{command}\n"}}
    return str(ask(sandbox, "POST", f"/compute/{SYSTEM}/jobs", body).json()["jobId"])


# -- jobs ----------------------------------------------------------------------------------------


@flow("v2", "job_submit_script", "job_info_pending_or_running", "job_info_completed", "job_metadata")
def test_a_job_from_its_script(cluster: SandboxProcess, expected: Expected) -> None:
    request = expected.request("job_submit_script")
    script = request["body"]["job"]["script"]
    request["body"]["job"]["script"] = script.replace("sleep 4", "true  ")
    cluster.faults(hold_jobs=True)
    job = expected.same("job_submit_script", repeat(cluster, request)).json()["jobId"]
    expected.same("job_info_pending_or_running", look(cluster, job))
    cluster.clear_faults()
    in_state(cluster, job, "COMPLETED")
    expected.same("job_info_completed", look(cluster, job))
    metadata = repeat(cluster, expected.request("job_metadata"), job)

    def view(body: Any) -> Any:
        (shown,) = body["jobs"]
        return {k: re.sub(r"slurm-\d+", "slurm-N", v.replace("true  ", "sleep 4")) for k, v in shown.items()} | {
            "jobId": "N"
        }

    expected.same("job_metadata", metadata, view)
    assert (cluster.home / f"x/slurm-{job}.out").read_text() == "out b a\nerr\n/home/fireuser/x\n"


@flow("v2", "job_submit_script_path")
def test_a_job_from_a_script_on_the_cluster(cluster: SandboxProcess, expected: Expected) -> None:
    write(cluster.home / "x/job.sh", b"#!/bin/bash\necho out $FOO; echo err >&2\n")
    request = expected.request("job_submit_script_path")
    job = expected.same("job_submit_script_path", repeat(cluster, request)).json()["jobId"]
    in_state(cluster, job, "COMPLETED")
    assert (cluster.home / f"x/o-{job}.txt").read_text() == "out zz\n"
    assert (cluster.home / "x/e.txt").read_text() == "err\n"


@flow("v2", "job_info_failed")
def test_a_failed_job(cluster: SandboxProcess, expected: Expected) -> None:
    job = submit(cluster, "exit 7")
    in_state(cluster, job, "FAILED")
    expected.same("job_info_failed", look(cluster, job))


@flow("v2", "job_info_signal")
def test_a_job_that_a_signal_ended_seen_before_the_accounting_has_caught_up(
    cluster: SandboxProcess, expected: Expected
) -> None:
    job = submit(cluster, "kill -SEGV $$")
    in_state(cluster, job, "FAILED")
    cluster.faults(jobs_lagging=1)
    expected.same("job_info_signal", look(cluster, job))


@flow("v2", "job_info_running", "job_cancel", "job_info_cancelled", "job_cancel_again")
def test_a_cancelled_job(cluster: SandboxProcess, expected: Expected) -> None:
    job = submit(cluster, "sleep 1000")
    in_state(cluster, job, "RUNNING")
    expected.same("job_info_running", look(cluster, job))
    expected.same("job_cancel", repeat(cluster, expected.request("job_cancel"), job))
    in_state(cluster, job, "CANCELLED")
    until(lambda: look(cluster, job).json()["jobs"][0]["time"]["end"] is not None)
    expected.same("job_info_cancelled", look(cluster, job))

    def view(body: Any) -> Any:
        return re.sub(r"\d+$|(?<=job id )\d+", "N", body["message"], flags=re.MULTILINE)

    expected.same("job_cancel_again", repeat(cluster, expected.request("job_cancel_again"), job), view)


@flow("v2", "job_attach", "job_attach_failing")
def test_a_command_inside_a_running_job(cluster: SandboxProcess, expected: Expected) -> None:
    job = submit(cluster, "sleep 1000")
    in_state(cluster, job, "RUNNING")
    expected.same("job_attach", repeat(cluster, expected.request("job_attach"), job))
    assert (cluster.home / "x/attached").exists()

    def view(body: Any) -> Any:  # the task's number and node, and which mv it was
        return re.sub(r"srun: error: \S+: task", "srun: error: N: task", body["message"].replace("/usr/bin/mv", "mv"))

    expected.same("job_attach_failing", repeat(cluster, expected.request("job_attach_failing"), job), view)
    ask(cluster, "DELETE", f"/compute/{SYSTEM}/jobs/{job}")


@flow("v2", "job_info_failed_transfer")
def test_a_failed_transfer_job_ends_well(cluster: SandboxProcess, expected: Expected) -> None:
    body = {"path": f"{cluster.info.home}/x/none", "targetPath": f"{cluster.info.home}/x/a", "account": "users"}
    job = ask(cluster, "POST", f"/filesystem/{SYSTEM}/transfer/mv", body).json()["transferJob"]["jobId"]
    in_state(cluster, job, "COMPLETED")
    cluster.faults(jobs_lagging=1)
    expected.same("job_info_failed_transfer", look(cluster, job))


# -- the object store ----------------------------------------------------------------------------


def error_code(body: Any) -> Any:
    """Of S3's XML, the rest of which names hosts and requests."""
    return re.findall("<Code>.*</Code>", body)


@flow("v2", "transfer_download", "s3_get_before_job_done", "s3_get_range", "s3_head_with_get_url")
def test_a_staged_download(cluster: SandboxProcess, expected: Expected) -> None:
    sized(cluster.home / "x/big9", 9_000_001)
    cluster.faults(hold_jobs=True)
    made = expected.same("transfer_download", repeat(cluster, expected.request("transfer_download"))).json()
    url = made["transferDirectives"]["downloadUrl"]
    expected.same("s3_get_before_job_done", httpx.get(url, timeout=60), error_code)
    cluster.clear_faults()
    in_state(cluster, made["transferJob"]["jobId"], "COMPLETED")
    expected.same("s3_get_range", httpx.get(url, headers={"Range": "bytes=100-199"}, timeout=60))
    expected.same("s3_head_with_get_url", httpx.head(url, timeout=60))
    assert len(httpx.get(url, timeout=60).content) == 9_000_001


@flow("v2", "transfer_download_zero_bytes", "transfer_download_symlink", "transfer_download_space")
def test_staged_downloads_that_go_wrong(cluster: SandboxProcess, expected: Expected) -> None:
    write(cluster.home / "x/zero", b"")
    write(cluster.home / "x/sp ace", b"x")
    sized(cluster.home / "x/big9", 9_000_001)
    (cluster.home / "x/lnk").symlink_to("big9")
    ends = {"zero_bytes": ("FAILED", 70), "symlink": ("COMPLETED", 0), "space": ("FAILED", 34)}
    for what, (state, code) in ends.items():
        name = f"transfer_download_{what}"
        made = expected.same(name, repeat(cluster, expected.request(name))).json()
        in_state(cluster, made["transferJob"]["jobId"], state)
        (job,) = look(cluster, made["transferJob"]["jobId"]).json()["jobs"]
        assert job["status"]["exitCode"] == code
        answer = httpx.get(made["transferDirectives"]["downloadUrl"], timeout=60)
        assert len(answer.content) == 1048576 if what == "symlink" else answer.status_code == 404


@flow("v2", "transfer_upload", "transfer_upload_put_part", "transfer_upload_complete")
def test_a_staged_upload(cluster: SandboxProcess, expected: Expected) -> None:
    made = expected.same("transfer_upload", repeat(cluster, expected.request("transfer_upload"))).json()
    directives = made["transferDirectives"]
    content = b"z" * 7_000_000
    put = expected.same(
        "transfer_upload_put_part", httpx.put(directives["partsUploadUrls"][0], content=content, timeout=60)
    )
    body = re.sub(r'"[0-9a-f]{32}"', put.headers["etag"], expected.request("transfer_upload_complete")["body"])
    done = httpx.post(directives["completeUploadUrl"], content=body, timeout=60)

    def view(answer: Any) -> Any:
        return re.findall(r"<(\w+)[ >]", answer)

    assert body_of(done)
    expected.same("transfer_upload_complete", done, view)
    in_state(cluster, made["transferJob"]["jobId"], "COMPLETED")
    assert (cluster.home / "x/u1").read_bytes() == content


@flow("v2", "transfer_upload_missing_dir", "transfer_upload_zero")
def test_staged_uploads_that_wait_for_their_object(cluster: SandboxProcess, expected: Expected) -> None:
    for name in ("transfer_upload_missing_dir", "transfer_upload_zero"):
        made = expected.same(name, repeat(cluster, expected.request(name))).json()
        job = made["transferJob"]["jobId"]
        in_state(cluster, job, "RUNNING")
        ask(cluster, "DELETE", f"/compute/{SYSTEM}/jobs/{job}")
