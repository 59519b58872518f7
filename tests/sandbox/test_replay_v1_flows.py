"""Calls recorded from a real v1 that need each other: tasks, jobs, and transfers through the object store."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from f7tfs.sandbox.process import SandboxProcess
from tests.sandbox.recordings import Expected, flow, kind_of, outlined
from tests.sandbox.trees import cleared, sized, write

PATIENCE = 120.0
SETTINGS: dict[str, Any] = {
    "user": "fireuser",
    "time_zone": "UTC",
    "stall_seconds": 0.05,
    "down_systems": ["downhost"],
}
SCRIPT = b"#!/bin/bash\n#SBATCH --job-name=fx\nsleep 1000\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    settings = {**SETTINGS, "job_start_seconds": 0.0, "ingest_poll_seconds": 0.05}
    with SandboxProcess(tmp_path_factory.mktemp("v1flows"), **settings) as sandbox:
        yield sandbox


@pytest.fixture
def cluster(server: SandboxProcess) -> Iterator[SandboxProcess]:
    cleared(server.home / "x1")
    yield server
    server.clear_faults()


def ask(sandbox: SandboxProcess, method: str, path: str, user: str | None = None, **rest: Any) -> httpx.Response:
    headers = {
        "Authorization": f"Bearer {sandbox.token(user)}",
        "X-Machine-Name": "cluster",
        **rest.pop("headers", {}),
    }
    return httpx.request(method, sandbox.info.url_v1 + path, headers=headers, timeout=PATIENCE, **rest)


def post_form(sandbox: SandboxProcess, request: dict[str, Any]) -> httpx.Response:
    return ask(sandbox, "POST", request["path"], data=request["body"]["form"])


def until(found: Callable[[], httpx.Response | None]) -> httpx.Response:
    give_up = time.monotonic() + PATIENCE
    while (answer := found()) is None:
        assert time.monotonic() < give_up, "this did not come about"
        time.sleep(0.02)
    return answer


def at(sandbox: SandboxProcess, task: str, status: str) -> httpx.Response:
    """The answer about a task once it is at that status."""

    def look() -> httpx.Response | None:
        answer = ask(sandbox, "GET", f"/tasks/{task}")
        return answer if answer.json()["task"]["status"] == status else None

    return until(look)


def task_of(answer: httpx.Response) -> str:
    return str(answer.json()["task_id"])


def of_list(body: Any) -> Any:
    """The tasks of a list, whose keys are their ids."""
    return [outlined(task) for task in body["tasks"].values()]


@flow("v1", "mkdir on read-only filesystem")
def test_a_read_only_file_system(cluster: SandboxProcess, expected: Expected) -> None:
    place = cluster.root / "scratch/rofs"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "tmpfs", str(place)], check=True)
    try:
        answer = post_form(cluster, expected.request("mkdir on read-only filesystem"))
    finally:
        subprocess.run(["umount", str(place)], check=True)
    expected.same("mkdir on read-only filesystem", answer)


# -- cluster to store ----------------------------------------------------------------------------


@flow(
    "v1",
    "xfer download request",
    "xfer download: task at status 100",
    "xfer download: task at status 116",
    "xfer download: task at status 117",
    "tasks list (GET /tasks/?tasks=id)",
    "task of another user",
    "invalidate",
    "task after invalidate",
    "tasks list after invalidate",
)
def test_a_staged_download_and_its_task(cluster: SandboxProcess, expected: Expected) -> None:
    sized(cluster.home / "x1/big60", 60_000)
    cluster.faults(hold_tasks="100")
    task = task_of(
        expected.same("xfer download request", post_form(cluster, expected.request("xfer download request")))
    )
    expected.same("xfer download: task at status 100", at(cluster, task, "100"))
    cluster.faults(hold_tasks="116")
    expected.same("xfer download: task at status 116", at(cluster, task, "116"))
    cluster.clear_faults()
    done = expected.same("xfer download: task at status 117", at(cluster, task, "117"))
    expected.same("tasks list (GET /tasks/?tasks=id)", ask(cluster, "GET", f"/tasks/?tasks={task}"), of_list)
    expected.same("task of another user", ask(cluster, "GET", f"/tasks/{task}", user="somebody"))
    void = ask(cluster, "POST", "/storage/xfer-external/invalidate", headers={"X-Task-Id": task})
    expected.same("invalidate", void)
    expected.same("task after invalidate", at(cluster, task, "302"))
    expected.same("tasks list after invalidate", ask(cluster, "GET", f"/tasks/?tasks={task}"), of_list)
    assert len(httpx.get(done.json()["task"]["data"]["url"], timeout=60).content) == 60_000


@flow("v1", "xfer download 'sp ace2': task at status 118")
def test_a_staged_download_of_a_name_that_curl_does_not_take(cluster: SandboxProcess, expected: Expected) -> None:
    write(cluster.home / "x1/sp ace2")
    form = {"sourcePath": f"{cluster.info.home}/x1/sp ace2"}
    task = task_of(ask(cluster, "POST", "/storage/xfer-external/download", data=form))
    expected.same("xfer download 'sp ace2': task at status 118", at(cluster, task, "118"))


# -- store to cluster ----------------------------------------------------------------------------


def send_form(task: httpx.Response, content: bytes) -> httpx.Response:
    parameters = task.json()["task"]["data"]["msg"]["parameters"]
    files = {"file": ("local", content)}
    return httpx.post(parameters["url"], data=parameters["data"], files=files, timeout=PATIENCE)


@flow(
    "v1",
    "xfer upload to file path request",
    "xfer upload to file path: task at status 110",
    "xfer upload to file path: task at status 111",
    "xfer upload to file path: POST of the form to the object store",
    "xfer upload: task at status 112",
    "xfer upload to file path: task at status 113",
    "xfer upload to file path: task at status 114",
)
def test_a_staged_upload_and_its_task(cluster: SandboxProcess, expected: Expected) -> None:
    base = "xfer upload to file path"
    cluster.faults(hold_tasks="110")
    task = task_of(expected.same(f"{base} request", post_form(cluster, expected.request(f"{base} request"))))
    expected.same(f"{base}: task at status 110", at(cluster, task, "110"))
    cluster.faults(hold_tasks="112")
    asked = expected.same(f"{base}: task at status 111", at(cluster, task, "111"))
    sent = send_form(asked, b"content")
    expected.same(f"{base}: POST of the form to the object store", sent)
    expected.same("xfer upload: task at status 112", at(cluster, task, "112"), without_names)
    cluster.faults(hold_tasks="113")
    expected.same(f"{base}: task at status 113", at(cluster, task, "113"))
    cluster.clear_faults()
    expected.same(f"{base}: task at status 114", at(cluster, task, "114"))
    assert (cluster.home / "x1/renamed.bin").read_bytes() == b"content"


def without_names(body: Any) -> Any:
    """That one was recorded of another transfer."""
    task = outlined(body["task"])
    data = task["data"]
    files = kind_of(data["msg"]["parameters"].pop("files"))
    return {**task, "data": {**data, "source": kind_of(data["source"]), "target": kind_of(data["target"])}}, files


@flow("v1", "xfer upload, target dir vanished: task at status 115")
def test_a_staged_upload_whose_directory_vanishes(cluster: SandboxProcess, expected: Expected) -> None:
    (cluster.home / "x1/dir").mkdir()
    form = {"targetPath": f"{cluster.info.home}/x1/dir", "sourcePath": "f"}
    task = task_of(ask(cluster, "POST", "/storage/xfer-external/upload", data=form))
    asked = at(cluster, task, "111")
    (cluster.home / "x1/dir").rmdir()
    cluster.faults(hold_tasks="115")
    send_form(asked, b"x")
    answer = at(cluster, task, "115")
    expected.same("xfer upload, target dir vanished: task at status 115", answer, without_names)
    (cluster.home / "x1/dir").mkdir()
    cluster.clear_faults()
    at(cluster, task, "114")


@flow("v1", "invalidate of an upload never sent")
def test_an_upload_never_sent_cannot_be_invalidated(cluster: SandboxProcess, expected: Expected) -> None:
    form = {"targetPath": f"{cluster.info.home}/x1", "sourcePath": "f"}
    task = task_of(ask(cluster, "POST", "/storage/xfer-external/upload", data=form))
    at(cluster, task, "111")
    answer = ask(cluster, "POST", "/storage/xfer-external/invalidate", headers={"X-Task-Id": task})
    expected.same("invalidate of an upload never sent", answer, lambda body: body.splitlines())


# -- jobs ----------------------------------------------------------------------------------------


@flow(
    "v1",
    "compute submit upload",
    "compute submit upload: task at status 100",
    "compute submit upload: task at status 200",
    "compute poll active",
    "compute poll active: task at status 200",
    "compute GET /jobs/<id>: task at status 100",
    "compute acct: task at status 200",
    "compute cancel: task at status 200",
)
def test_a_job_and_its_tasks(cluster: SandboxProcess, expected: Expected) -> None:
    cluster.faults(hold_tasks="100")
    files = {"file": ("job.sh", SCRIPT)}
    task = task_of(expected.same("compute submit upload", ask(cluster, "POST", "/compute/jobs/upload", files=files)))
    expected.same("compute submit upload: task at status 100", at(cluster, task, "100"))
    cluster.clear_faults()
    done = expected.same("compute submit upload: task at status 200", at(cluster, task, "200"))
    job = done.json()["task"]["data"]["jobid"]
    running(cluster, job)
    polled = task_of(expected.same("compute poll active", ask(cluster, "GET", "/compute/jobs")))
    expected.same("compute poll active: task at status 200", at(cluster, polled, "200"), of_queue)
    one = task_of(ask(cluster, "GET", f"/compute/jobs/{job}"))
    expected.same("compute GET /jobs/<id>: task at status 100", at(cluster, one, "100"))
    accounted = task_of(ask(cluster, "GET", f"/compute/acct?jobs={job}"))
    expected.same("compute acct: task at status 200", at(cluster, accounted, "200"), of_accounting)
    cancelled = task_of(ask(cluster, "DELETE", f"/compute/jobs/{job}"))
    answer = at(cluster, cancelled, "200")
    expected.same("compute cancel: task at status 200", answer, without_job)


def running(cluster: SandboxProcess, job: str) -> None:
    url = f"{cluster.info.url_v2}/compute/cluster/jobs/{job}"

    def look() -> httpx.Response | None:
        answer = httpx.get(url, headers={"Authorization": f"Bearer {cluster.token()}"}, timeout=60)
        return answer if answer.json()["jobs"][0]["status"]["state"] == "RUNNING" else None

    until(look)


def of_queue(body: Any) -> Any:
    """The fields of a job in the queue, whichever it is, and those whose values are of the site."""
    task = outlined(body["task"])
    jobs = task.pop("data")
    entry = jobs["0"]
    assert list(jobs) == [str(place) for place in range(len(jobs))]
    return {**task, "data": [entry.keys(), entry["partition"], entry["user"], entry["job_info_extra"]]}


TIMES = {"start_time", "termination_time", "cpu_time", "elapsed_time", "time", "time_left"}


def of_accounting(body: Any) -> Any:
    task = outlined(body["task"])
    (job,) = task.pop("data")
    return {**task, "data": {k: kind_of(v) if k in TIMES else v for k, v in job.items()}}


def without_job(body: Any) -> Any:
    task = outlined(body["task"])
    return {**task, "data": task["data"].rstrip("0123456789")}
