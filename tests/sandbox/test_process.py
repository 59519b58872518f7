"""A sandbox as a process: it starts, counts, fails on demand, and comes back as it was."""

from __future__ import annotations

import socket
import time
import urllib.error
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from f7tfs.mount.mountinfo import FILE_SYSTEM_TYPE
from f7tfs.sandbox.jobs import isolation
from f7tfs.sandbox.process import SandboxProcess


def headers(sandbox: SandboxProcess) -> dict[str, str]:
    return {"Authorization": f"Bearer {sandbox.token()}"}


def stat(sandbox: SandboxProcess, path: str) -> httpx.Response:
    url = f"{sandbox.info.url_v2}/filesystem/{sandbox.info.system}/ops/stat"
    return httpx.get(url, params={"path": path}, headers=headers(sandbox), timeout=60)


def test_calls_are_counted_by_method_and_route(sandbox: SandboxProcess) -> None:
    stat(sandbox, sandbox.info.home)
    stat(sandbox, f"{sandbox.info.home}/none")
    assert sandbox.calls() == {"GET /v2/filesystem/{system}/ops/stat": 2}


def test_a_restart_keeps_port_secret_and_files(start_sandbox: Callable[..., SandboxProcess]) -> None:
    sandbox = start_sandbox()
    before = sandbox.info
    token = sandbox.token()
    (sandbox.home / "kept").write_bytes(b"x")
    sandbox.stop()
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{before.url_v2}/status/systems", timeout=60)
    after = sandbox.start()
    assert after == before
    answer = httpx.get(
        f"{after.url_v2}/filesystem/cluster/ops/ls",
        params={"path": after.home},
        headers={"Authorization": f"Bearer {token}"},
        timeout=60,
    )
    assert [e["name"] for e in answer.json()["output"]] == ["kept"]


def test_pulling_the_plug_leaves_no_process_behind_on_the_port(start_sandbox: Callable[..., SandboxProcess]) -> None:
    sandbox = start_sandbox()
    sandbox.kill()
    assert not sandbox.running
    sandbox.start()
    assert stat(sandbox, sandbox.info.home).status_code == 200


def test_jobs_end_with_the_sandbox_even_if_it_is_killed(start_sandbox: Callable[..., SandboxProcess]) -> None:
    sandbox = start_sandbox(job_start_seconds=0.0)
    script = "#!/bin/bash\necho $$ > pid.new; mv pid.new pid; exec sleep 1000\n"
    job = {"workingDirectory": sandbox.info.home, "script": script}
    url = f"{sandbox.info.url_v2}/compute/cluster/jobs"
    first = httpx.post(url, json={"job": job}, headers=headers(sandbox), timeout=60).json()["jobId"]
    pid_file = sandbox.home / "pid"
    give_up = time.monotonic() + 20
    while not pid_file.exists():
        assert time.monotonic() < give_up
    pid = int(pid_file.read_text())
    sandbox.kill()
    sandbox.start()
    while Path(f"/proc/{pid}").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text():
        assert time.monotonic() < give_up
    second = httpx.post(url, json={"job": job}, headers=headers(sandbox), timeout=60).json()["jobId"]
    assert int(second) == int(first) + 1


def test_jobs_find_their_script_below_a_directory_that_they_do_not_see(tmp_path: Path) -> None:
    top: dict[str, Any] = {"path": f"/{tmp_path.parts[1]}", "default_work_dir": True}
    with SandboxProcess(tmp_path, job_start_seconds=0.0, file_systems=[top]) as sandbox:
        job = {"workingDirectory": sandbox.info.home, "script": "#!/bin/bash\necho ran > ran.new; mv ran.new ran\n"}
        httpx.post(
            f"{sandbox.info.url_v2}/compute/cluster/jobs", json={"job": job}, headers=headers(sandbox), timeout=60
        )
        give_up = time.monotonic() + 60
        while not (sandbox.home / "ran").exists():
            assert time.monotonic() < give_up
            time.sleep(0.02)
    assert (tmp_path / top["path"].strip("/") / "user/ran").read_text() == "ran\n"


def test_a_rule_answers_the_next_calls_that_match_and_no_more(sandbox: SandboxProcess) -> None:
    sandbox.faults({"match": "GET .*/ops/stat", "count": 2, "status": 503, "retry_after": 1.5})
    first = stat(sandbox, "/home")
    assert (first.status_code, first.headers["retry-after"]) == (503, "1.5")
    assert stat(sandbox, "/home").status_code == 503
    assert stat(sandbox, "/home").status_code == 200


def test_a_connection_dropped_before_the_work_leaves_it_undone(sandbox: SandboxProcess) -> None:
    sandbox.faults({"match": "POST .*/ops/mkdir", "drop": "before"})
    with pytest.raises(httpx.TransportError):
        mkdir(sandbox, f"{sandbox.info.home}/dropped-before")
    assert not (sandbox.home / "dropped-before").exists()


def test_a_connection_dropped_after_the_work_leaves_it_done(sandbox: SandboxProcess) -> None:
    sandbox.faults({"match": "POST .*/ops/mkdir", "drop": "after"})
    with pytest.raises(httpx.TransportError):
        mkdir(sandbox, f"{sandbox.info.home}/dropped-after")
    assert (sandbox.home / "dropped-after").is_dir()


def mkdir(sandbox: SandboxProcess, path: str) -> httpx.Response:
    url = f"{sandbox.info.url_v2}/filesystem/{sandbox.info.system}/ops/mkdir"
    return httpx.post(url, json={"path": path}, headers=headers(sandbox), timeout=60)


def test_expired_tokens_are_refused_and_new_ones_taken(sandbox: SandboxProcess) -> None:
    old = headers(sandbox)
    sandbox.expire_tokens()
    refused = httpx.get(f"{sandbox.info.url_v2}/status/systems", headers=old, timeout=60)
    assert (refused.status_code, refused.json()["message"]) == (401, "Access token expired")
    assert httpx.get(f"{sandbox.info.url_v2}/status/systems", headers=headers(sandbox), timeout=60).status_code == 200


def test_the_admin_endpoints_want_their_token(sandbox: SandboxProcess) -> None:
    assert httpx.get(f"{sandbox.info.admin_url}/calls", timeout=60).status_code == 401


def test_an_unknown_fault_is_refused(sandbox: SandboxProcess) -> None:
    with pytest.raises(urllib.error.HTTPError, match="400"):
        sandbox.faults(no_such_fault=1)


def test_what_a_job_holds_are_no_mounts_of_f7tfs() -> None:
    """A mount that a job's namespace holds cannot end before the job does."""
    leaving_out = isolation.SCRIPT.index('[ "$type" = fuse.f7tfs ]')
    assert leaving_out < isolation.SCRIPT.index("--rbind")
    assert FILE_SYSTEM_TYPE == "fuse.f7tfs"


def test_who_goes_away_in_the_middle_of_an_upload_is_no_error_of_the_server(
    start_sandbox: Callable[..., SandboxProcess], capfd: pytest.CaptureFixture[str]
) -> None:
    sandbox = start_sandbox()
    home, system = sandbox.info.home, sandbox.info.system
    asked = httpx.post(
        f"{sandbox.info.url_v1}/storage/xfer-external/upload",
        data={"targetPath": home, "sourcePath": "large"},
        headers={**headers(sandbox), "X-Machine-Name": system},
        timeout=60,
    )
    assert asked.status_code == 201
    for url in (f"{sandbox.info.url_v1}/utilities/upload", f"http://127.0.0.1:{sandbox.info.s3_port}/user"):
        target = urlsplit(url)
        with socket.create_connection((target.hostname, target.port)) as wire:
            lines = (
                f"POST {target.path}?targetPath={home} HTTP/1.1",
                f"Host: {target.netloc}",
                f"Authorization: Bearer {sandbox.token()}",
                f"X-Machine-Name: {system}",
                "Content-Type: multipart/form-data; boundary=abc",
                "Content-Length: 1000000",
            )
            wire.sendall(("\r\n".join(lines) + "\r\n\r\n--abc\r\n").encode())
    sandbox.stop()
    assert "Traceback" not in capfd.readouterr().err
