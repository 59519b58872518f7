"""What v2's servers do that a client would not expect, beyond what single recordings show."""

from __future__ import annotations

import http.client
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from f7tfs.sandbox.process import SandboxProcess

MIB = 1024 * 1024
BOUND_SECONDS = 20.0


class Client:
    """Just enough of v2."""

    def __init__(self, sandbox: SandboxProcess) -> None:
        self.sandbox = sandbox
        self.home = sandbox.info.home
        self.http = httpx.Client(headers={"Authorization": f"Bearer {sandbox.token(seconds=3600)}"}, timeout=30)

    def call(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        return self.http.request(method, f"{self.sandbox.info.url_v2}{path}", **arguments)

    def ops(self, method: str, name: str, **arguments: Any) -> httpx.Response:
        return self.call(method, f"/filesystem/cluster/ops/{name}", **arguments)

    def transfer(self, name: str, method: str = "POST", **arguments: Any) -> httpx.Response:
        return self.call(method, f"/filesystem/cluster/transfer/{name}", **arguments)

    def submit(self, script: str, **fields: Any) -> str:
        job = {"workingDirectory": self.home, "script": script, **fields}
        answer = self.call("POST", "/compute/cluster/jobs", json={"job": job})
        assert answer.status_code == 201, answer.text
        job_id: str = answer.json()["jobId"]
        return job_id

    def job(self, job_id: str) -> dict[str, Any]:
        job: dict[str, Any] = self.call("GET", f"/compute/cluster/jobs/{job_id}").json()["jobs"][0]
        return job

    def until(self, job_id: str, done: Callable[[str], bool]) -> dict[str, Any]:
        """Poll a job until its state is as wanted."""
        give_up = time.monotonic() + BOUND_SECONDS
        while time.monotonic() < give_up:
            job = self.job(job_id)
            if done(job["status"]["state"]):
                return job
        pytest.fail(f"job {job_id} is still {job['status']['state']}")

    def ended(self, job_id: str) -> dict[str, Any]:
        return self.until(job_id, lambda state: state not in {"PENDING", "RUNNING"})

    def transferred(self, answer: httpx.Response) -> tuple[dict[str, Any], str]:
        """The ended job of a transfer, and what its error log says."""
        assert answer.status_code in {200, 201}, answer.text
        made = answer.json()["transferJob"]
        job = self.ended(made["jobId"])
        log = self.sandbox.real(made["logs"]["errorLog"])
        assert self.sandbox.real(made["logs"]["outputLog"]).exists()
        return job, log.read_text()

    def stage_in(self, path: str, content: bytes) -> tuple[dict[str, Any], str]:
        body = {"sourcePath": path, "transferDirectives": {"transferMethod": "s3", "fileSize": len(content)}}
        answer = self.transfer("upload", json=body)
        directives = answer.json()["transferDirectives"]
        part = directives["maxPartSize"]
        tags = ""
        for number, url in enumerate(directives["partsUploadUrls"], 1):
            sent = httpx.put(url, content=content[(number - 1) * part : number * part], timeout=60)
            assert sent.status_code == 200, sent.text
            tags += f"<Part><PartNumber>{number}</PartNumber><ETag>{sent.headers['etag']}</ETag></Part>"
        text = f"<CompleteMultipartUpload>{tags}</CompleteMultipartUpload>"
        done = httpx.post(directives["completeUploadUrl"], content=text, timeout=60)
        assert done.status_code == 200, done.text
        return self.transferred(answer)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    settings = {
        "max_part_size": 1 * MIB,
        "ingest_poll_seconds": 0.1,
        "job_start_seconds": 0.05,
        "stall_seconds": 0.2,
        "command_seconds": 2.0,
        "max_sessions": 4,
    }
    with SandboxProcess(tmp_path_factory.mktemp("quirks2"), **settings) as sandbox:
        yield sandbox


@pytest.fixture
def client(server: SandboxProcess) -> Iterator[Client]:
    server.clear_faults()
    made = Client(server)
    yield made
    made.http.close()


def test_an_empty_upload_times_out_and_makes_the_file(client: Client) -> None:
    answer = client.ops("POST", "upload", params={"path": client.home}, files={"file": ("empty", b"")})
    assert (answer.status_code, answer.json()["message"]) == (408, "Command execution timeout limit exceeded.")
    assert (client.sandbox.home / "empty").read_bytes() == b""


def test_an_upload_keeps_inode_mode_and_links(client: Client) -> None:
    path = client.sandbox.home / "kept"
    path.write_bytes(b"old content")
    path.chmod(0o600)
    before = path.stat()
    answer = client.ops("POST", "upload", params={"path": client.home}, files={"file": ("kept", b"new")})
    assert answer.status_code == 204
    after = path.stat()
    assert (after.st_ino, after.st_mode, path.read_bytes()) == (before.st_ino, before.st_mode, b"new")


def test_quoted_file_names_of_uploads_arrive_exactly(client: Client) -> None:
    body = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a\\"b \xc3\xa9"\r\n\r\nx\r\n--b--\r\n'
    answer = client.ops(
        "POST",
        "upload",
        params={"path": client.home},
        content=body,
        headers={"Content-Type": "multipart/form-data; boundary=b"},
    )
    assert answer.status_code == 204
    assert (client.sandbox.home / 'a"b é').read_bytes() == b"x"


def test_the_connection_is_gone_after_a_crash(client: Client) -> None:
    info = client.sandbox.info
    connection = http.client.HTTPConnection("127.0.0.1", info.port, timeout=BOUND_SECONDS)
    query = urlencode({"path": "/home/user/a'; echo '"})
    headers = {"Authorization": f"Bearer {client.sandbox.token()}"}
    connection.request("GET", f"/v2/filesystem/cluster/ops/stat?{query}", headers=headers)
    crashed = connection.getresponse()
    assert (crashed.status, crashed.getheader("connection")) == (500, None)
    assert b"zip()" in crashed.read()
    assert connection.sock.recv(1) == b""
    connection.close()


def test_more_commands_than_channels_are_refused(client: Client) -> None:
    os.mkfifo(client.sandbox.home / "pipe")
    url = f"{client.sandbox.info.url_v2}/filesystem/cluster/ops/head"
    headers = {"Authorization": f"Bearer {client.sandbox.token()}"}

    def head(_: int) -> httpx.Response:
        return httpx.get(url, params={"path": f"{client.home}/pipe"}, headers=headers, timeout=60)

    client.sandbox.faults()
    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(answer.status_code for answer in pool.map(head, range(8)))
    assert set(statuses) <= {408, 424}
    assert 408 in statuses


def test_names_of_systems_have_no_case(client: Client) -> None:
    answer = client.call("GET", "/filesystem/CLUSTER/ops/ls", params={"path": client.home})
    assert answer.status_code == 200


def test_rm_with_a_slash_empties_what_the_link_leads_to(client: Client) -> None:
    target = client.sandbox.home / "precious"
    target.mkdir()
    (target / "file").write_bytes(b"x")
    (client.sandbox.home / "link").symlink_to("precious")
    answer = client.ops("DELETE", "rm", params={"path": f"{client.home}/link/"})
    assert (answer.status_code, list(target.iterdir())) == (500, [])
    assert (client.sandbox.home / "link").is_symlink()


def test_a_quota_leaves_a_partial_file(client: Client) -> None:
    client.sandbox.faults(quota=5)
    answer = client.ops("POST", "upload", params={"path": client.home}, files={"file": ("part", b"0123456789")})
    assert answer.status_code == 500
    assert answer.json()["message"].endswith("base64: write error: Disk quota exceeded")
    assert (client.sandbox.home / "part").read_bytes() == b"01234"


def test_an_unhealthy_service_is_503_but_the_status_is_not(client: Client) -> None:
    client.sandbox.faults(unhealthy=True)
    assert client.ops("GET", "ls", params={"path": client.home}).status_code == 503
    assert client.call("GET", "/status/systems").status_code == 200


# -- transfer jobs -------------------------------------------------------------------------------


def test_a_failed_move_ends_well_and_tells_only_in_its_log(client: Client) -> None:
    body = {"sourcePath": f"{client.home}/nothing", "targetPath": f"{client.home}/x"}
    job, log = client.transferred(client.transfer("mv", json=body))
    assert (job["status"]["state"], job["status"]["exitCode"]) == ("COMPLETED", 0)
    assert log == f"mv: cannot stat '{client.home}/nothing': No such file or directory\n"


def test_names_in_job_scripts_are_escaped_as_html(client: Client) -> None:
    (client.sandbox.home / "a&b").write_bytes(b"x")
    body = {"sourcePath": f"{client.home}/a&b", "targetPath": f"{client.home}/c"}
    _, log = client.transferred(client.transfer("mv", json=body))
    assert "a&amp;b" in log
    assert (client.sandbox.home / "a&b").exists()


def test_a_move_goes_into_an_existing_directory(client: Client) -> None:
    (client.sandbox.home / "one").write_bytes(b"1")
    (client.sandbox.home / "directory").mkdir()
    body = {"sourcePath": f"{client.home}/one", "targetPath": f"{client.home}/directory"}
    client.transferred(client.transfer("mv", json=body))
    assert (client.sandbox.home / "directory/one").read_bytes() == b"1"


def test_a_staged_download_appears_whole_and_honours_ranges(client: Client) -> None:
    content = os.urandom(3 * MIB)
    (client.sandbox.home / "big").write_bytes(content)
    body = {"sourcePath": f"{client.home}/big", "transferDirectives": {"transferMethod": "s3"}}
    answer = client.transfer("download", json=body)
    url = answer.json()["transferDirectives"]["downloadUrl"]
    job, _ = client.transferred(answer)
    assert job["status"]["state"] == "COMPLETED"
    assert httpx.get(url, timeout=60).content == content
    ranged = httpx.get(url, headers={"Range": "bytes=100-199"}, timeout=60)
    assert (ranged.status_code, ranged.headers["content-range"]) == (206, f"bytes 100-199/{len(content)}")
    assert ranged.content == content[100:200]
    assert httpx.get(url, headers={"Range": f"bytes={len(content)}-"}, timeout=60).status_code == 416
    assert httpx.head(url, timeout=60).status_code == 403
    assert httpx.get(url, headers={"Authorization": "Bearer x"}, timeout=60).status_code == 400
    assert httpx.get(url.replace("X-Amz-Expires=604800", "X-Amz-Expires=604801"), timeout=60).status_code == 403


@pytest.mark.parametrize(("name", "content", "code"), [("sp ace", b"x", 34), ("zero", b"", 70)])
def test_a_download_that_the_script_cannot_do_fails(client: Client, name: str, content: bytes, code: int) -> None:
    (client.sandbox.home / name).write_bytes(content)
    body = {"sourcePath": f"{client.home}/{name}", "transferDirectives": {"transferMethod": "s3"}}
    answer = client.transfer("download", json=body)
    job, _ = client.transferred(answer)
    assert (job["status"]["state"], job["status"]["exitCode"]) == ("FAILED", code)
    missing = httpx.get(answer.json()["transferDirectives"]["downloadUrl"], timeout=60)
    assert missing.status_code == 404
    assert "NoSuchKey" in missing.text


def test_a_downloaded_symlink_is_cut_short(client: Client) -> None:
    (client.sandbox.home / "target").write_bytes(os.urandom(2 * MIB))
    (client.sandbox.home / "short").symlink_to("target")
    body = {"sourcePath": f"{client.home}/short", "transferDirectives": {"transferMethod": "s3"}}
    answer = client.transfer("download", json=body)
    client.transferred(answer)
    assert len(httpx.get(answer.json()["transferDirectives"]["downloadUrl"], timeout=60).content) == MIB


def test_a_staged_upload_destroys_part_files_and_loses_the_mode(client: Client) -> None:
    content = os.urandom(2 * MIB + 5)
    target = client.sandbox.home / "staged"
    target.write_bytes(b"old")
    target.chmod(0o600)
    (client.sandbox.home / "staged.1").write_bytes(b"the user's own")
    job, log = client.stage_in(f"{client.home}/staged", content)
    assert (job["status"]["state"], log) == ("COMPLETED", "")
    assert target.read_bytes() == content
    assert target.stat().st_mode & 0o777 == 0o644
    assert not (client.sandbox.home / "staged.1").exists()


def test_a_staged_upload_into_nowhere_ends_well(client: Client) -> None:
    job, log = client.stage_in(f"{client.home}/no/such/file", b"content")
    assert (job["status"]["state"], job["status"]["exitCode"]) == ("COMPLETED", 0)
    assert "No such file or directory" in log


def test_a_staged_upload_onto_a_directory_fails(client: Client) -> None:
    (client.sandbox.home / "isdir").mkdir()
    body = {
        "sourcePath": f"{client.home}/isdir",
        "transferDirectives": {"transferMethod": "s3", "fileSize": 1},
    }
    job, _ = client.transferred(client.transfer("upload", json=body))
    assert (job["status"]["state"], job["status"]["exitCode"]) == ("FAILED", 3)


def test_an_upload_of_nothing_has_no_parts_and_waits(client: Client) -> None:
    body = {"sourcePath": f"{client.home}/n", "transferDirectives": {"transferMethod": "s3", "fileSize": 0}}
    made = client.transfer("upload", json=body).json()
    assert made["transferDirectives"]["partsUploadUrls"] == []
    job_id = made["transferJob"]["jobId"]
    client.until(job_id, lambda state: state == "RUNNING")
    assert client.call("DELETE", f"/compute/cluster/jobs/{job_id}").status_code == 204
    assert client.ended(job_id)["status"]["state"].split()[0] == "CANCELLED"


def test_transfers_can_be_made_to_fail(client: Client) -> None:
    client.sandbox.faults(fail_transfers=1)
    (client.sandbox.home / "fails").write_bytes(b"x")
    body = {"sourcePath": f"{client.home}/fails", "transferDirectives": {"transferMethod": "s3"}}
    assert client.transferred(client.transfer("download", json=body))[0]["status"]["state"] == "FAILED"
    assert client.transferred(client.transfer("download", json=body))[0]["status"]["state"] == "COMPLETED"


def test_the_store_can_be_made_to_fail(client: Client) -> None:
    (client.sandbox.home / "stored").write_bytes(b"content")
    body = {"sourcePath": f"{client.home}/stored", "transferDirectives": {"transferMethod": "s3"}}
    answer = client.transfer("download", json=body)
    url = answer.json()["transferDirectives"]["downloadUrl"]
    client.transferred(answer)
    client.sandbox.faults(s3_rules=[{"match": "^GET .*/stored", "status": 503}, {"match": "^GET ", "drop": "before"}])
    assert httpx.get(url, timeout=60).status_code == 503
    with pytest.raises(httpx.TransportError):
        httpx.get(url, timeout=60)
    assert httpx.get(url, timeout=60).content == b"content"


# -- jobs ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "state", "code", "signal"),
    [
        ("#!/bin/sh\nexit 7\n", "FAILED", 7, 0),
        ("#!/bin/sh\nkill -11 $$\n", "FAILED", 0, 11),
        ("#!/bin/sh\ntrue\n", "COMPLETED", 0, 0),
    ],
)
def test_how_a_job_ended(client: Client, script: str, state: str, code: int, signal: int) -> None:
    status = client.ended(client.submit(script))["status"]
    assert (status["state"], status["exitCode"], status["interruptSignal"]) == (state, code, signal)


def test_the_local_scheduler_refuses_the_arrays_that_it_does_not_have(client: Client) -> None:
    job = {"script": "#!/bin/sh\n#SBATCH --array=1-3\n", "workingDirectory": client.home}
    refused = client.call("POST", "/compute/cluster/jobs", json={"job": job})
    assert refused.status_code == 500
    assert "f7tfs sandbox --scheduler slurm has arrays" in refused.json()["message"]


def test_a_cancelled_job_takes_its_children_along(client: Client) -> None:
    script = "#!/bin/bash\nsleep 1000 &\necho $! > child\nwait\n"
    job_id = client.submit(script)
    child = client.sandbox.home / "child"
    client.until(job_id, lambda state: state == "RUNNING" and child.exists() and child.read_text() != "")
    assert client.call("DELETE", f"/compute/cluster/jobs/{job_id}").status_code == 204
    assert client.ended(job_id)["status"]["state"] == "CANCELLED by 4103"
    again = client.call("DELETE", f"/compute/cluster/jobs/{job_id}")
    assert (again.status_code, "already completing" in again.text) == (500, True)
    give_up = time.monotonic() + BOUND_SECONDS
    while alive(int(child.read_text())):
        assert time.monotonic() < give_up


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_job_in_a_missing_directory_fails_before_it_starts(client: Client) -> None:
    job_id = client.submit("#!/bin/sh\n", workingDirectory=f"{client.home}/missing")
    status = client.ended(job_id)["status"]
    assert (status["state"], status["exitCode"], status["interruptSignal"]) == ("FAILED", 0, 53)


def test_output_files_and_environment_are_as_asked(client: Client) -> None:
    job_id = client.submit(
        "#!/bin/sh\necho $FOO; echo wrong >&2\n",
        env={"FOO": "b a,r"},
        standardOutput="o-%j.txt",
        standardError="e.txt",
    )
    client.ended(job_id)
    assert (client.sandbox.home / f"o-{job_id}.txt").read_text() == "b a\n"
    assert (client.sandbox.home / "e.txt").read_text() == "wrong\n"


def test_attach_runs_in_a_running_job_only(client: Client) -> None:
    job_id = client.submit("#!/bin/sh\nsleep 100\n")
    client.until(job_id, lambda state: state == "RUNNING")
    url = f"/compute/cluster/jobs/{job_id}/attach"
    assert client.call("PUT", url, json={"command": "touch attached"}).status_code == 204
    assert (client.sandbox.home / "attached").exists()
    failed = client.call("PUT", url, json={"command": "mv nothing x"})
    assert (failed.status_code, "cannot stat 'nothing'" in failed.text) == (500, True)
    client.call("DELETE", f"/compute/cluster/jobs/{job_id}")
    assert client.call("PUT", url, json={"command": "true"}).status_code == 500
