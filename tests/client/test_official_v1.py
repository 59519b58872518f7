"""v1: this client and the official one give the same answers to the same calls, blocking and asynchronous."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from f7tfs.sandbox.process import SandboxProcess
from tests.client.official import Cases, Failed, Place, answers, differences, tried

SCRIPT = "#!/bin/bash\nexit 3\n"
# Its own: it leaves sessions open, and calls what is deprecated in its libraries.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
case = Cases()
# What the official asyncio client gets wrong by itself, so that it is not compared.
FAULTS = {
    "head": "it sends `bytes` empty beside `lines`",
    "tail": "it sends `bytes` empty beside `lines`",
    "file_jobs": "it sends `jobname` where the server reads `jobName`",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    settings = {"ingest_poll_seconds": 0.1, "job_start_seconds": 0.05}
    with SandboxProcess(tmp_path_factory.mktemp("official-v1"), **settings) as sandbox:
        yield sandbox


# -- the site ----------------------------------------------------------------------------------------


@case
def site(c: Any, p: Place) -> Any:
    return [
        c.all_services(),
        c.service("utilities"),
        tried(lambda: c.service("no")),
        c.all_systems(),
        c.system(p.system),
        tried(lambda: c.system("no")),
        c.parameters(),
        c.filesystems(),
        c.filesystems(p.system),
        tried(lambda: c.filesystems("no")),
    ]


@case
def user(c: Any, p: Place) -> Any:
    return [c.whoami(), c.whoami(p.system), c.groups(p.system)]


@case
def scheduler(c: Any, p: Place) -> Any:
    return [
        c.nodes(p.system),
        c.nodes(p.system, ["localhost"]),
        c.partitions(p.system),
        c.partitions(p.system, ["part01"]),
        c.reservations(p.system),
        c.reservations(p.system, ["none"]),
    ]


# -- files -------------------------------------------------------------------------------------------


@case
def list_files(c: Any, p: Place) -> Any:
    return [
        c.list_files(p.system, p.far),
        c.list_files(p.system, f"{p.far}/d", True, True),
        tried(lambda: c.list_files(p.system, f"{p.far}/no")),
        tried(lambda: c.list_files("nowhere", p.far)),
    ]


@case
def stat(c: Any, p: Place) -> Any:
    link = f"{p.far}/link"
    return [c.stat(p.system, link), c.stat(p.system, link, True), tried(lambda: c.stat(p.system, f"{p.far}/no"))]


@case
def head(c: Any, p: Place) -> Any:
    text = f"{p.far}/text"
    return [
        c.head(p.system, text, lines="3"),
        c.head(p.system, text, lines="19", skip_ending=True),
        tried(lambda: c.head(p.system, f"{p.far}/no", lines="3")),
        tried(lambda: c.head(p.system, text, "4", "4")),
    ]


@case
def tail(c: Any, p: Place) -> Any:
    text = f"{p.far}/text"
    return [c.tail(p.system, text, lines="3"), c.tail(p.system, text, lines="19", skip_beginning=True)]


@case
def content(c: Any, p: Place) -> Any:
    text = f"{p.far}/text"
    return [c.view(p.system, text), c.checksum(p.system, text), c.file_type(p.system, text)]


@case
def owner_and_mode(c: Any, p: Place) -> Any:
    text = f"{p.far}/text"
    return [
        c.chmod(p.system, text, "600"),
        c.chown(p.system, text, group="users"),
        c.chown(p.system, text),
        tried(lambda: c.chown(p.system, text, owner="root")),
        tried(lambda: c.chmod(p.system, text, "no mode")),
    ]


@case
def new_entries(c: Any, p: Place) -> Any:
    c.symlink(p.system, f"{p.far}/text", f"{p.far}/new")
    return [
        c.mkdir(p.system, f"{p.far}/made"),
        c.mkdir(p.system, f"{p.far}/a/b", p=True),
        tried(lambda: c.mkdir(p.system, f"{p.far}/d")),
        c.copy(p.system, f"{p.far}/text", f"{p.far}/copy"),
        c.mv(p.system, f"{p.far}/copy", f"{p.far}/moved"),
        tried(lambda: c.mv(p.system, f"{p.far}/no", f"{p.far}/moved")),
        c.simple_delete(p.system, f"{p.far}/moved"),
        tried(lambda: c.simple_delete(p.system, f"{p.far}/moved")),
        sorted(path.name for path in p.real.rglob("*")),
    ]


@case
def archives(c: Any, p: Place) -> Any:
    return [
        c.compress(p.system, f"{p.far}/d", f"{p.far}/d.tar.gz"),
        c.compress(p.system, f"{p.far}/d", f"{p.far}/e.tar.gz", dereference=True),
        c.extract(p.system, f"{p.far}/d.tar.gz", f"{p.far}/d/sub"),
        tried(lambda: c.compress(p.system, f"{p.far}/no", f"{p.far}/no.tar.gz")),
        tried(lambda: c.extract(p.system, f"{p.far}/no", p.far)),
        sorted(path.name for path in p.real.rglob("*")),
    ]


@case
def small_transfers(c: Any, p: Place) -> Any:
    sink = io.BytesIO()
    small = str(p.near / "small")
    return [
        c.simple_upload(p.system, small, p.far),
        c.simple_upload(p.system, p.near / "small", p.far, filename="named"),
        c.simple_upload(p.system, io.BytesIO(b"open"), p.far, "opened"),
        tried(lambda: c.simple_upload(p.system, "no-such-file", p.far)),
        tried(lambda: c.simple_upload(p.system, str(p.near / "large"), p.far)),
        c.simple_download(p.system, f"{p.far}/text", str(p.near / "back")),
        c.simple_download(p.system, f"{p.far}/opened", sink),
        tried(lambda: c.simple_download(p.system, f"{p.far}/no", str(p.near / "no"))),
        tried(lambda: c.simple_download(p.system, f"{p.far}/large", str(p.near / "no"))),
        [sink.getvalue(), (p.near / "back").read_bytes(), sorted(path.name for path in p.real.iterdir())],
    ]


# -- jobs --------------------------------------------------------------------------------------------


def ended(c: Any, p: Place, job: dict[str, Any]) -> Any:
    """A job's record as it was submitted and in the accounting, once it is over."""
    deadline = time.monotonic() + 60
    while (found := c.poll(p.system, [job["jobid"]])) == [] or found[0]["state"] in {"PENDING", "RUNNING"}:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return job, found


@case
def submit(c: Any, p: Place) -> Any:
    far = f"{p.far}/job.sh"
    return [
        ended(c, p, c.submit(p.system, script_str=SCRIPT, account="staff", env_vars={"A": "b"})),
        ended(c, p, c.submit(p.system, script_local_path=str(p.near / "job.sh"))),
        ended(c, p, c.submit(p.system, script_remote_path=far)),
        ended(c, p, c.submit(p.system, str(p.near / "job.sh"))),
        ended(c, p, c.submit(p.system, far, local_file=False)),
        tried(lambda: c.submit(p.system)),
        tried(lambda: c.submit(p.system, "no-such-file")),
        tried(lambda: c.submit(p.system, script_str="no script")),
    ]


@case
def jobs(c: Any, p: Place) -> Any:
    return [
        isinstance(c.poll(p.system), list),
        c.poll(p.system, ["999999"], "2020-01-01", "2020-01-02", 10, 0),
        isinstance(c.poll_active(p.system), list),
        tried(lambda: c.poll_active(p.system, ["999999"])),
        tried(lambda: c.cancel(p.system, "999999")),
        tried(lambda: c.poll("nowhere")),
    ]


@case
def running_job(c: Any, p: Place) -> Any:
    job = c.submit(p.system, script_str="#!/bin/bash\nsleep 300\n")
    (active,) = c.poll_active(p.system, [job["jobid"]])
    return [active.keys() >= {"jobid", "state"}, c.cancel(p.system, job["jobid"]), ended(c, p, job)[1][0]["state"]]


@case
def file_jobs(c: Any, p: Place) -> Any:
    text = f"{p.far}/text"
    return [
        ended(c, p, c.submit_copy_job(p.system, text, f"{p.far}/a", "name", "00:10:00", None, "staff")),
        ended(c, p, c.submit_rsync_job(p.system, text, f"{p.far}/b")),
        ended(c, p, c.submit_move_job(p.system, text, f"{p.far}/c")),
        ended(c, p, c.submit_delete_job(p.system, f"{p.far}/large")),
        sorted(path.name for path in p.real.iterdir()),
    ]


@case
def archive_jobs(c: Any, p: Place) -> Any:
    return [
        ended(c, p, c.submit_compress_job(p.system, f"{p.far}/d", f"{p.far}/d.tar.gz", dereference=True)),
        ended(c, p, c.submit_extract_job(p.system, f"{p.far}/d.tar.gz", f"{p.far}/d/sub")),
        sorted(path.name for path in p.real.rglob("*")),
    ]


# -- transfers ---------------------------------------------------------------------------------------


@case
def external_upload(c: Any, p: Place) -> Any:
    transfer = c.external_upload(p.system, str(p.near / "large"), f"{p.far}/d")
    data = transfer.object_storage_data
    transfer.finish_upload()
    deadline = time.monotonic() + 60
    while transfer.in_progress:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return [data, transfer.status, transfer.data, len(transfer.task_id), (p.real / "d" / "large").stat().st_size]


@case
def external_download(c: Any, p: Place) -> Any:
    transfer = c.external_download(p.system, f"{p.far}/large")
    transfer.finish_download(str(p.near / "back"))
    link = transfer.object_storage_link == transfer.object_storage_data["url"]
    size = (p.near / "back").stat().st_size
    told = [transfer.status, transfer.data, transfer.in_progress, transfer.object_storage_data, link, size]
    transfer.invalidate_object_storage_link()
    return [told, tried(lambda: c.external_download(p.system, f"{p.far}/no"))]


@case
def external_download_that_fails(c: Any, p: Place) -> Any:
    # The server's own script cannot read such a name.
    (p.real / "two words").write_bytes(b"x")
    transfer = c.external_download(p.system, f"{p.far}/two words")
    return tried(lambda: transfer.finish_download(str(p.near / "back")))


@pytest.mark.parametrize("name", case.works)
def test_all_clients_answer_the_same(server: SandboxProcess, tmp_path: Path, name: str) -> None:
    found = answers(server, "v1", case.works[name], tmp_path)
    for theirs in ("pyfirecrest",) if name in FAULTS else ("pyfirecrest", "pyfirecrest for asyncio"):
        for ours in ("f7tfs", "f7tfs for trio"):
            assert differences(found[ours], found[theirs]) == [], (ours, theirs)


def test_no_client_is_let_in_with_a_token_that_is_none(server: SandboxProcess, tmp_path: Path) -> None:
    def work(c: Any, p: Place) -> Any:
        server.expire_tokens()
        return tried(c.all_systems)

    found = answers(server, "v1", work, tmp_path)
    assert {(answer.names[0], answer.status) for answer in found.values()} == {("UnauthorizedException", 401)}
    assert not any(isinstance(answer, Failed) and answer.status is None for answer in found.values())
