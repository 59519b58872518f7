"""What v1's servers do that a client would not expect, beyond what single recordings show."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from f7tfs.sandbox.process import SandboxProcess

BOUND_SECONDS = 20.0


class Client:
    """Just enough of v1."""

    def __init__(self, sandbox: SandboxProcess) -> None:
        self.sandbox = sandbox
        self.home = sandbox.info.home
        headers = {"Authorization": f"Bearer {sandbox.token(seconds=3600)}", "X-Machine-Name": "cluster"}
        self.http = httpx.Client(headers=headers, timeout=30)

    def call(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        return self.http.request(method, f"{self.sandbox.info.url_v1}{path}", **arguments)

    def task(self, answer: httpx.Response) -> str:
        assert answer.status_code in {200, 201}, answer.text
        name: str = answer.json()["task_id"]
        return name

    def until(self, task_id: str, *wanted: str) -> dict[str, Any]:
        """Poll a task until it has one of the states."""
        give_up = time.monotonic() + BOUND_SECONDS
        while time.monotonic() < give_up:
            task: dict[str, Any] = self.call("GET", f"/tasks/{task_id}").json()["task"]
            if task["status"] in wanted:
                return task
        pytest.fail(f"the task is still {task['status']}")

    def start_upload(self, target: str, name: str, content: bytes) -> str:
        form = {"targetPath": target, "sourcePath": name}
        task_id = self.task(self.call("POST", "/storage/xfer-external/upload", data=form))
        asked = self.until(task_id, "111")["data"]["msg"]["parameters"]
        sent = httpx.post(asked["url"], data=asked["data"], files={"file": content}, timeout=60)
        assert sent.status_code == 204, sent.text
        return task_id


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    settings = {"ingest_poll_seconds": 0.1, "job_start_seconds": 0.05, "utf8_locale": True}
    with SandboxProcess(tmp_path_factory.mktemp("quirks1"), **settings) as sandbox:
        yield sandbox


@pytest.fixture
def client(server: SandboxProcess) -> Iterator[Client]:
    server.clear_faults()
    made = Client(server)
    yield made
    made.http.close()


def test_an_upload_in_place_keeps_inode_and_mode(client: Client) -> None:
    path = client.sandbox.home / "kept"
    path.write_bytes(b"old")
    path.chmod(0o600)
    before = path.stat()
    task_id = client.start_upload(client.home, "kept", b"new content")
    client.until(task_id, "114")
    after = path.stat()
    assert (after.st_ino, after.st_mode, path.read_bytes()) == (before.st_ino, before.st_mode, b"new content")


def test_an_empty_file_can_be_staged(client: Client) -> None:
    client.until(client.start_upload(f"{client.home}/staged-empty", "x", b""), "114")
    assert (client.sandbox.home / "staged-empty").read_bytes() == b""


def test_a_failed_ingest_is_tried_again_until_it_works(client: Client) -> None:
    gone = client.sandbox.home / "gone"
    gone.mkdir()
    form = {"targetPath": f"{client.home}/gone", "sourcePath": "f"}
    task_id = client.task(client.call("POST", "/storage/xfer-external/upload", data=form))
    asked = client.until(task_id, "111")["data"]["msg"]["parameters"]
    gone.rmdir()
    httpx.post(asked["url"], data=asked["data"], files={"file": b"late"}, timeout=60)
    assert "error" not in client.until(task_id, "115")["data"]
    gone.mkdir()
    client.until(task_id, "114")
    assert (gone / "f").read_bytes() == b"late"


def test_a_staged_download_says_where_and_invalidating_it_changes_little(client: Client) -> None:
    content = os.urandom(100_000)
    (client.sandbox.home / "out").write_bytes(content)
    form = {"sourcePath": f"{client.home}/out"}
    task_id = client.task(client.call("POST", "/storage/xfer-external/download", data=form))
    url = client.until(task_id, "117")["data"]["url"]
    assert httpx.get(url, headers={"Range": "bytes=5-9"}, timeout=60).content == content[5:10]
    voided = client.call("POST", "/storage/xfer-external/invalidate", headers={"X-Task-Id": task_id})
    assert voided.status_code == 201
    assert client.until(task_id, "302")["data"] == ""
    assert httpx.get(url, timeout=60).content == content
    listed = client.call("GET", "/tasks", params={"tasks": f"{task_id},none"}).json()["tasks"]
    assert (list(listed), listed[task_id]["status"]) == ([task_id], "117")


def test_a_blank_in_the_path_breaks_a_staged_download(client: Client) -> None:
    (client.sandbox.home / "sp ace").write_bytes(b"x")
    form = {"sourcePath": f"{client.home}/sp ace"}
    task_id = client.task(client.call("POST", "/storage/xfer-external/download", data=form))
    assert "curl: (26)" in client.until(task_id, "118")["data"]["error"]


def test_a_name_that_no_header_can_hold_breaks_the_answer(client: Client) -> None:
    form = {"sourcePath": f"{client.home}/日本"}
    with pytest.raises(httpx.TransportError):
        client.call("POST", "/storage/xfer-external/download", data=form)


def test_invalidating_an_upload_that_was_never_sent_is_an_internal_error(client: Client) -> None:
    form = {"targetPath": client.home, "sourcePath": "never"}
    task_id = client.task(client.call("POST", "/storage/xfer-external/upload", data=form))
    answer = client.call("POST", "/storage/xfer-external/invalidate", headers={"X-Task-Id": task_id})
    assert (answer.status_code, answer.headers["content-type"]) == (500, "text/html; charset=utf-8")


def test_rm_of_two_blanks_removes_the_name_with_one(client: Client) -> None:
    (client.sandbox.home / "a b").write_bytes(b"x")
    (client.sandbox.home / "a  b").write_bytes(b"x")
    form = {"targetPath": f"{client.home}/a  b"}
    assert client.call("DELETE", "/utilities/rm", data=form).status_code == 204
    assert (client.sandbox.home / "a  b").exists()
    assert not (client.sandbox.home / "a b").exists()


def test_rm_takes_a_form_and_no_query(client: Client) -> None:
    answer = client.call("DELETE", "/utilities/rm", params={"targetPath": client.home})
    assert (answer.status_code, answer.json()["error"]) == (400, "'targetPath' not specified")


def test_relative_paths_start_at_home(client: Client) -> None:
    (client.sandbox.home / "relative").write_bytes(b"12345")
    answer = client.call("GET", "/utilities/stat", params={"targetPath": "relative"})
    assert answer.json()["output"]["size"] == 5


def test_an_archive_carries_what_no_other_call_can(client: Client) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", format=tarfile.PAX_FORMAT) as archive:
        for name, kind in (("it's", tarfile.REGTYPE), ("two  blanks", tarfile.REGTYPE), ("link", tarfile.SYMTYPE)):
            member = tarfile.TarInfo(name)
            member.type, member.mode, member.mtime = kind, 0o600, 1700000000.125
            member.linkname = "../elsewhere" if kind == tarfile.SYMTYPE else ""
            archive.addfile(member)
    (client.sandbox.home / "unpacked").mkdir()
    files = {"file": ("a.tar.gz", packed.getvalue())}
    client.call("POST", "/utilities/upload", data={"targetPath": client.home}, files=files)
    form = {"sourcePath": f"{client.home}/a.tar.gz", "targetPath": f"{client.home}/unpacked"}
    answer = client.call("POST", "/utilities/extract", data=form)
    assert (answer.status_code, answer.json()["description"]) == (201, "Success to extract file.")
    unpacked = client.sandbox.home / "unpacked"
    assert sorted(p.name for p in unpacked.iterdir()) == ["it's", "link", "two  blanks"]
    assert os.readlink(unpacked / "link") == "../elsewhere"
    info = (unpacked / "it's").stat()
    assert (info.st_mode & 0o777, info.st_mtime_ns) == (0o600, 1700000000_125000000)


def test_a_hard_link_in_an_archive_replaces_a_file_only_by_what_is_there(client: Client, tmp_path: Path) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, source in (("replaced", "aside/new"), ("kept", "aside/none"), ("made", "aside/new")):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = tarfile.LNKTYPE, source
            archive.addfile(member)
    top = client.sandbox.home / "linked"
    for directory in (top, tmp_path / "by tar"):
        (directory / "aside").mkdir(parents=True)
        (directory / "aside/new").write_bytes(b"new")
        (directory / "replaced").write_bytes(b"old")
        (directory / "kept").write_bytes(b"old")
    (top / "a.tar.gz").write_bytes(packed.getvalue())
    form = {"sourcePath": f"{client.home}/linked/a.tar.gz", "targetPath": f"{client.home}/linked"}
    assert client.call("POST", "/utilities/extract", data=form).status_code == 400
    done = subprocess.run(["tar", "-xzf", top / "a.tar.gz", "-C", tmp_path / "by tar"], check=False)
    assert done.returncode == 2
    for directory in (top, tmp_path / "by tar"):
        content = {name: (directory / name).read_bytes() for name in ("replaced", "kept", "made")}
        assert content == {"replaced": b"new", "kept": b"old", "made": b"new"}
        assert (directory / "made").stat().st_nlink == 3


def test_an_internal_copy_is_a_job_that_its_task_does_not_wait_for(client: Client) -> None:
    (client.sandbox.home / "original").write_bytes(b"x")
    form = {"sourcePath": f"{client.home}/original", "targetPath": f"{client.home}/duplicate"}
    answer = client.call("POST", "/storage/xfer-internal/cp", data=form)
    assert "task_url" not in answer.json()
    job_id = client.until(client.task(answer), "200")["data"]["jobid"]
    give_up = time.monotonic() + BOUND_SECONDS
    while time.monotonic() < give_up:
        asked = client.call("GET", "/compute/acct", params={"jobs": job_id})
        (job,) = client.until(client.task(asked), "200")["data"]
        if job["state"] == "COMPLETED":
            break
    assert (client.sandbox.home / "duplicate").read_bytes() == b"x"


def test_the_task_of_one_job_is_never_done(client: Client) -> None:
    task_id = client.task(client.call("GET", "/compute/jobs/1"))
    assert client.until(task_id, "100")["data"] == "Queued"


def test_the_task_of_an_unknown_job_fails(client: Client) -> None:
    task_id = client.task(client.call("GET", "/compute/jobs", params={"jobs": "999999"}))
    assert client.until(task_id, "400")["data"] == "slurm_load_jobs error: Invalid job id specified"
