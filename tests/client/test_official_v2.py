"""v2: this client and the official one give the same answers to the same calls, blocking and asynchronous."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from f7tfs.sandbox.process import SandboxProcess
from tests.client.official import Cases, Failed, Place, answers, differences, tried

MIB = 2**20
SCRIPT = "#!/bin/bash\necho $A; exit 3\n"
# Its own: it leaves sessions open, and calls what is deprecated in its libraries.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
case = Cases()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    settings = {"max_part_size": 5 * MIB, "ingest_poll_seconds": 0.1, "job_start_seconds": 0.05}
    with SandboxProcess(tmp_path_factory.mktemp("official-v2"), **settings) as sandbox:
        yield sandbox


# -- the site ----------------------------------------------------------------------------------------


@case
def site(c: Any, p: Place) -> Any:
    return [c.systems(), c.server_version(), c.userinfo(p.system), tried(lambda: c.userinfo("nowhere"))]


@case
def scheduler(c: Any, p: Place) -> Any:
    return [c.nodes(p.system), c.partitions(p.system), c.reservations(p.system)]


# -- files -------------------------------------------------------------------------------------------


@case
def list_files(c: Any, p: Place) -> Any:
    everything = c.list_files(p.system, f"{p.far}/d", True, True, True, True)
    return [c.list_files(p.system, p.far), everything, tried(lambda: c.list_files(p.system, f"{p.far}/no"))]


@case
def stat(c: Any, p: Place) -> Any:
    link = f"{p.far}/link"
    return [c.stat(p.system, link), c.stat(p.system, link, True), tried(lambda: c.stat(p.system, "/etc"))]


@case
def head(c: Any, p: Place) -> Any:
    text = f"{p.far}/text"
    return [
        c.head(p.system, text),
        c.head(p.system, text, num_bytes=4),
        c.head(p.system, text, num_lines=19, exclude_trailing=True),
        tried(lambda: c.head(p.system, text, 4, 4)),
        tried(lambda: c.head(p.system, text, exclude_trailing=True)),
        tried(lambda: c.head(p.system, f"{p.far}/no")),
    ]


@case
def tail(c: Any, p: Place) -> Any:
    text = f"{p.far}/text"
    return [
        c.tail(p.system, text),
        c.tail(p.system, text, num_bytes=4),
        c.tail(p.system, text, num_lines=19, exclude_beginning=True),
        tried(lambda: c.tail(p.system, text, 4, 4)),
        tried(lambda: c.tail(p.system, text, exclude_beginning=True)),
    ]


@case
def content(c: Any, p: Place) -> Any:
    text = f"{p.far}/text"
    return [c.view(p.system, text), c.checksum(p.system, text), c.file_type(p.system, text)]


@case
def owner_and_mode(c: Any, p: Place) -> Any:
    text = f"{p.far}/text"
    return [
        c.chmod(p.system, text, "600"),
        c.chown(p.system, text, "", "users"),
        tried(lambda: c.chown(p.system, text, "root", "users")),
        tried(lambda: c.chmod(p.system, text, "no mode")),
    ]


@case
def new_entries(c: Any, p: Place) -> Any:
    return [
        c.symlink(p.system, f"{p.far}/text", f"{p.far}/new"),
        c.mkdir(p.system, f"{p.far}/made"),
        c.mkdir(p.system, f"{p.far}/a/b", create_parents=True),
        tried(lambda: c.mkdir(p.system, f"{p.far}/d")),
        tried(lambda: c.mkdir(p.system, f"{p.far}/no/where")),
    ]


@case
def rm(c: Any, p: Place) -> Any:
    return [c.rm(p.system, f"{p.far}/d"), tried(lambda: c.rm(p.system, f"{p.far}/d")), (p.real / "d").exists()]


@case
def mv(c: Any, p: Place) -> Any:
    started = c.mv(p.system, f"{p.far}/job.sh", f"{p.far}/later", blocking=False)
    moved = c.mv(p.system, f"{p.far}/text", f"{p.far}/moved", account="staff", timeout=60)
    return [started, moved, tried(lambda: c.mv(p.system, f"{p.far}/no", p.far)), (p.real / "moved").exists()]


@case
def cp(c: Any, p: Place) -> Any:
    done = c.cp(p.system, f"{p.far}/link", f"{p.far}/copy", dereference=True)
    return [done, (p.real / "copy").is_symlink(), tried(lambda: c.cp(p.system, f"{p.far}/no", p.far))]


@case
def archives(c: Any, p: Place) -> Any:
    made = c.compress(p.system, f"{p.far}/d", f"{p.far}/d.tar.gz")
    some = c.compress(p.system, f"{p.far}/d", f"{p.far}/d.tar.xz", True, "xz", r".*hidden")
    got = c.extract(p.system, f"{p.far}/d.tar.gz", f"{p.far}/d/sub")
    wrong = tried(lambda: c.extract(p.system, f"{p.far}/no", p.far))
    return [made, some, got, wrong, sorted(path.name for path in p.real.rglob("*"))]


# -- transfers ---------------------------------------------------------------------------------------


@case
def upload(c: Any, p: Place) -> Any:
    large = str(p.near / "large")
    return [
        c.upload(p.system, str(p.near / "small"), p.far, "a"),
        c.upload(p.system, large, p.far, "b"),
        (p.real / "b").stat().st_size,
        tried(lambda: c.upload(p.system, str(p.near / "no"), p.far, "c")),
        tried(lambda: c.upload(p.system, large, p.far, "c", transfer_method="pigeon")),
    ]


@case
def upload_in_steps(c: Any, p: Place) -> Any:
    transfer = c.upload(p.system, str(p.near / "large"), p.far, "b", blocking=False)
    transfer.upload_file_to_stage()
    transfer.wait_for_transfer_job(timeout=60)
    return (p.real / "b").stat().st_size


@case
def download(c: Any, p: Place) -> Any:
    near = p.near / "back"
    small = c.download(p.system, f"{p.far}/text", str(near)), near.read_bytes()
    large = c.download(p.system, f"{p.far}/large", near), near.stat().st_size
    return [small, large, tried(lambda: c.download(p.system, f"{p.far}/text", near, transfer_method="pigeon"))]


@case
def download_in_steps(c: Any, p: Place) -> Any:
    transfer = c.download(p.system, f"{p.far}/large", str(p.near / "back"), blocking=False)
    transfer.wait_for_transfer_job(timeout=60)
    transfer.download_file_from_stage(str(p.near / "other"))
    return (p.near / "other").stat().st_size


# -- jobs --------------------------------------------------------------------------------------------


@case
def submit(c: Any, p: Place) -> Any:
    def ended(**script: str) -> Any:
        submitted = c.submit(p.system, p.far, env_vars={"A": "b"}, account="staff", **script)
        (job,) = c.wait_for_job(p.system, submitted["jobId"])
        output = (p.real / f"slurm-{submitted['jobId']}.out").read_text()
        return submitted, job["status"], job["account"], job["workingDirectory"], output

    return [
        ended(script_str=SCRIPT),
        ended(script_local_path=str(p.near / "job.sh"), partition="xfer"),
        ended(script_remote_path=f"{p.far}/job.sh"),
        tried(lambda: c.submit(p.system, p.far)),
        tried(lambda: c.submit(p.system, p.far, script_local_path="no-such-file")),
        tried(lambda: c.submit(p.system, p.far, script_remote_path="relative")),
        tried(lambda: c.submit(p.system, p.far, script_str="not a script")),
    ]


@case
def jobs(c: Any, p: Place) -> Any:
    return [
        isinstance(c.job_info(p.system), list),
        c.job_info(p.system, name="nobody has this name"),
        c.job_info(p.system, allusers=True, account="none", time_window="1h"),
        tried(lambda: c.job_info(p.system, "999999")),
        tried(lambda: c.job_metadata(p.system, "999999")),
        tried(lambda: c.cancel_job(p.system, "999999")),
        tried(lambda: c.attach_to_job(p.system, "999999", "true")),
        tried(lambda: c.wait_for_job(p.system, "999999", not_found_timeout=0.1)),
    ]


@case
def running_job(c: Any, p: Place) -> Any:
    job_id = c.submit(p.system, p.far, script_str="#!/bin/bash\nsleep 300\n")["jobId"]
    deadline = time.monotonic() + 60
    while c.job_info(p.system, job_id)[0]["status"]["state"] != "RUNNING":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    attached = c.attach_to_job(p.system, job_id, "touch attached")
    metadata = c.job_metadata(p.system, job_id)
    cancelled = c.cancel_job(p.system, job_id)
    (job,) = c.wait_for_job(p.system, job_id)
    return [attached, metadata, cancelled, job["status"], (p.real / "attached").exists()]


@pytest.mark.parametrize("name", case.works)
def test_all_clients_answer_the_same(server: SandboxProcess, tmp_path: Path, name: str) -> None:
    found = answers(server, "v2", case.works[name], tmp_path)
    for theirs in ("pyfirecrest", "pyfirecrest for asyncio"):
        for ours in ("f7tfs", "f7tfs for trio"):
            assert differences(found[ours], found[theirs]) == [], (ours, theirs)


SLOW = ("compress", "extract", "rm")


@pytest.mark.parametrize("name", SLOW)
def test_all_clients_leave_what_takes_too_long_to_a_job(server: SandboxProcess, tmp_path: Path, name: str) -> None:
    def work(c: Any, p: Place) -> Any:
        c.compress(p.system, f"{p.far}/d", f"{p.far}/d.tar.gz")
        server.faults({"match": f"/ops/{name}", "status": 408, "count": 1})
        paths = {"compress": ("d", "e.tar.gz"), "extract": ("d.tar.gz", "d/sub"), "rm": ("d",)}[name]
        done = getattr(c, name)(p.system, *(f"{p.far}/{path}" for path in paths))
        return [done, sorted(path.name for path in p.real.rglob("*"))]

    found = answers(server, "v2", work, tmp_path)
    assert not isinstance(found["f7tfs"], Failed)
    assert [line for other in found.values() for line in differences(found["f7tfs"], other)] == []


def test_no_client_is_let_in_with_a_token_that_is_none(server: SandboxProcess, tmp_path: Path) -> None:
    def work(c: Any, p: Place) -> Any:
        server.expire_tokens()
        return c.systems()

    found = answers(server, "v2", work, tmp_path)
    assert {(answer.names[0], answer.status) for answer in found.values()} == {
        ("UnauthorizedException", 401),
        ("UnexpectedStatusException", 401),
    }
    assert differences(found["f7tfs"], found["pyfirecrest"]) == []
