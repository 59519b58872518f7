"""The official client drives v1 through all of its calls, in both of its forms."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import firecrest
import httpx
import pytest
from firecrest.v1 import (
    AsyncExternalDownload,
    AsyncExternalUpload,
    AsyncFirecrest,
    ExternalDownload,
    ExternalUpload,
    Firecrest,
)

from f7tfs.sandbox.process import SandboxProcess
from tests.sandbox.official import FORMS, Driven, on_cluster, own_directory, public, until, used

MIB = 1024 * 1024
SYSTEM = "cluster"
# Its own: it leaves sessions open, and calls what is deprecated in its libraries.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    settings = {"ingest_poll_seconds": 0.1, "job_start_seconds": 0.0}
    with SandboxProcess(tmp_path_factory.mktemp("pyfirecrest1"), **settings) as sandbox:
        yield sandbox


@pytest.fixture(params=FORMS)
def v1(request: pytest.FixtureRequest, server: SandboxProcess) -> Iterator[Any]:
    info = server.info
    authorization = firecrest.ClientCredentialsAuth(info.client_id, info.client_secret, info.token_url)
    kind = Firecrest if request.param == "sync" else AsyncFirecrest
    client = kind(firecrest_url=info.url_v1, authorization=authorization)
    client.polling_sleep_times = [0.05] * 2000
    with contextlib.closing(asyncio.new_event_loop()) as loop:
        driven = Driven(loop, client)
        if isinstance(client, AsyncFirecrest):
            client.time_between_calls = dict.fromkeys(client.time_between_calls, 0)
        yield driven
        if isinstance(client, AsyncFirecrest):
            driven.close_session()
        else:
            client._session.close()


@pytest.fixture
def place(request: pytest.FixtureRequest, server: SandboxProcess) -> Path:
    return own_directory(request.node.name, server)


# -- the client itself ---------------------------------------------------------------------------


def test_settings_of_the_client(v1: Any) -> None:
    v1.set_api_version("1.16.0")
    v1.log(logging.DEBUG, "a word")
    assert v1.TOO_MANY_REQUESTS_CODE == 429
    assert v1.TIMEOUT_STR
    if isinstance(v1.inner, AsyncFirecrest):
        v1.close_session()
        assert v1.is_session_closed
        v1.create_new_session()
    assert [entry["system"] for entry in v1.all_systems()] == [SYSTEM]


# -- status --------------------------------------------------------------------------------------


def test_what_the_site_tells(v1: Any) -> None:
    assert [entry["system"] for entry in v1.all_systems()] == [SYSTEM]
    assert v1.system(SYSTEM)["status"] == "available"
    assert "utilities" in [entry["service"] for entry in v1.all_services()]
    assert v1.service("utilities")["status"] == "available"
    assert v1.parameters()["utilities"][0]["value"] == "5"
    assert [entry["path"] for entry in v1.filesystems()[SYSTEM]] == ["/home", "/scratch"]
    assert [entry["path"] for entry in v1.filesystems(SYSTEM)[SYSTEM]] == ["/home", "/scratch"]
    assert v1.whoami() == v1.whoami(SYSTEM) == "user"
    assert v1.groups(SYSTEM)["group"] == {"id": "100", "name": "users"}


def test_what_the_cluster_tells(v1: Any) -> None:
    assert [entry["NodeName"] for entry in v1.nodes(SYSTEM)] == ["localhost"]
    assert [entry["PartitionName"] for entry in v1.partitions(SYSTEM)] == ["part01", "xfer"]
    assert v1.reservations(SYSTEM) == []


def test_reservations(v1: Any) -> None:
    times = {"start_time": "2030-01-01T00:00:00", "end_time": "2030-01-01T12:00:00"}
    v1.create_reservation(SYSTEM, "mine", "users", "1", "knl", **times)
    assert [entry["reservationname"] for entry in v1.all_reservations(SYSTEM)] == ["mine"]
    v1.update_reservation(SYSTEM, "mine", "users", "2", "knl", **times)
    assert v1.all_reservations(SYSTEM)[0]["numberOfNodes"] == "2"
    v1.delete_reservation(SYSTEM, "mine")
    assert v1.all_reservations(SYSTEM) == []
    with pytest.raises(firecrest.FirecrestException):
        v1.delete_reservation(SYSTEM, "mine")


# -- files ---------------------------------------------------------------------------------------


def test_looking_at_files(v1: Any, server: SandboxProcess, place: Path) -> None:
    (place / "f").write_bytes(b"one\ntwo\nthree\n")
    (place / "l").symlink_to("f")
    path = on_cluster(server, place, "f")
    listed = {entry["name"]: entry["type"] for entry in v1.list_files(SYSTEM, on_cluster(server, place))}
    assert listed == {"f": "-", "l": "l"}
    assert v1.stat(SYSTEM, path)["size"] == 14
    assert v1.file_type(SYSTEM, path) == "ASCII text"
    assert v1.head(SYSTEM, path, lines="1") == "one\n"
    assert v1.tail(SYSTEM, path, bytes="6") == "three\n"
    assert v1.view(SYSTEM, path) == "one\ntwo\nthree\n"
    assert v1.checksum(SYSTEM, path) == hashlib.sha256(b"one\ntwo\nthree\n").hexdigest()


def test_changing_files(v1: Any, server: SandboxProcess, place: Path) -> None:
    home = on_cluster(server, place)
    v1.mkdir(SYSTEM, f"{home}/a/b", p=True)
    (place / "a/f").write_bytes(b"x")
    v1.chmod(SYSTEM, f"{home}/a/f", "640")
    assert (place / "a/f").stat().st_mode & 0o777 == 0o640
    v1.chown(SYSTEM, f"{home}/a/f", owner="user", group="users")
    v1.symlink(SYSTEM, f"{home}/a/f", f"{home}/l")
    assert (place / "l").is_symlink()
    v1.mv(SYSTEM, f"{home}/a/f", f"{home}/a/g")
    v1.copy(SYSTEM, f"{home}/a/g", f"{home}/a/h")
    assert sorted(os.listdir(place / "a")) == ["b", "g", "h"]
    v1.simple_delete(SYSTEM, f"{home}/a")
    assert not (place / "a").exists()


def test_archives(v1: Any, server: SandboxProcess, place: Path) -> None:
    home = on_cluster(server, place)
    (place / "d").mkdir()
    (place / "d/f").write_bytes(b"x")
    (place / "out").mkdir()
    v1.compress(SYSTEM, f"{home}/d", f"{home}/d.tar.gz")
    v1.extract(SYSTEM, f"{home}/d.tar.gz", f"{home}/out")
    assert (place / "out/d/f").read_bytes() == b"x"


def test_small_transfers(v1: Any, server: SandboxProcess, place: Path, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"some text\n")
    v1.simple_upload(SYSTEM, str(tmp_path / "f"), on_cluster(server, place))
    assert (place / "f").read_bytes() == b"some text\n"
    v1.simple_download(SYSTEM, on_cluster(server, place, "f"), str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == b"some text\n"


# -- transfers through the object store ----------------------------------------------------------


def test_staged_transfers(v1: Any, server: SandboxProcess, place: Path, tmp_path: Path) -> None:
    content = os.urandom(12 * MIB + 7)
    (tmp_path / "large").write_bytes(content)
    upload = v1.external_upload(SYSTEM, str(tmp_path / "large"), on_cluster(server, place))
    assert upload.client is not None
    assert upload.task_id
    assert upload.object_storage_data["parameters"]["method"] == "POST"
    upload.finish_upload()
    until(lambda: not upload.in_progress)
    assert upload.status == "114"
    assert upload.data["target"] == on_cluster(server, place, "large")
    assert (place / "large").read_bytes() == content
    download = v1.external_download(SYSTEM, on_cluster(server, place, "large"))
    until(lambda: not download.in_progress)
    assert (download.status, download.data["system_name"]) == ("117", SYSTEM)
    assert httpx.get(download.object_storage_link, timeout=60).content == content
    assert download.object_storage_data["url"] == download.object_storage_link
    download.finish_download(str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == content
    download.invalidate_object_storage_link()
    task = httpx.get(
        f"{server.info.url_v1}/tasks/{download.task_id}",
        headers={"Authorization": f"Bearer {server.token()}"},
        timeout=60,
    )
    assert task.json()["task"]["status"] == "302"


# -- jobs ----------------------------------------------------------------------------------------


def ended(v1: Any, job: str) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def look() -> bool:
        found.update(v1.poll(SYSTEM, [job])[0])
        return found["state"] not in {"PENDING", "RUNNING"}

    until(look)
    return found


@pytest.mark.parametrize("source", ["text", "local", "remote"])
def test_a_job(v1: Any, server: SandboxProcess, place: Path, tmp_path: Path, source: str) -> None:
    script = "#!/bin/bash\n#SBATCH --job-name=hello\necho said; exit 3\n"
    (tmp_path / "job.sh").write_text(script)
    (place / "job.sh").write_text(script)
    how = {
        "text": {"script_str": script},
        "local": {"script_local_path": str(tmp_path / "job.sh"), "account": "staff"},
        "remote": {"script_remote_path": on_cluster(server, place, "job.sh")},
    }
    job = v1.submit(SYSTEM, **how[source])
    found = ended(v1, job["jobid"])
    assert (found["state"], found["exit_code"], found["name"]) == ("FAILED", "3:0", "hello")
    assert server.real(job["job_file_out"]).read_text() == "said\n"


def test_a_job_in_the_queue_is_cancelled(v1: Any) -> None:
    job = v1.submit(SYSTEM, script_str="#!/bin/bash\nsleep 1000\n")["jobid"]
    assert [entry["jobid"] for entry in v1.poll_active(SYSTEM, [job])] == [job]
    assert v1.cancel(SYSTEM, job) == f"scancel: Terminating job {job}"
    assert ended(v1, job)["state"].startswith("CANCELLED")


def test_work_on_files_as_jobs(v1: Any, server: SandboxProcess, place: Path) -> None:
    home = on_cluster(server, place)
    (place / "d").mkdir()
    (place / "d/f").write_bytes(b"x")
    (place / "out").mkdir()

    def done(job: dict[str, Any]) -> None:
        assert ended(v1, job["jobid"])["state"] == "COMPLETED"

    done(v1.submit_copy_job(SYSTEM, f"{home}/d/f", f"{home}/d/g"))
    done(v1.submit_rsync_job(SYSTEM, f"{home}/d/f", f"{home}/d/h"))
    done(v1.submit_move_job(SYSTEM, f"{home}/d/g", f"{home}/d/i"))
    done(v1.submit_compress_job(SYSTEM, f"{home}/d", f"{home}/d.tar.gz"))
    with tarfile.open(place / "d.tar.gz") as tar:
        assert sorted(tar.getnames()) == ["d", "d/f", "d/h", "d/i"]
    done(v1.submit_extract_job(SYSTEM, f"{home}/d.tar.gz", f"{home}/out"))
    assert (place / "out/d/i").read_bytes() == b"x"
    done(v1.submit_delete_job(SYSTEM, f"{home}/d"))
    assert not (place / "d").exists()


# -- all of them ---------------------------------------------------------------------------------


def test_every_call_of_the_client_is_driven() -> None:
    kinds = (Firecrest, AsyncFirecrest, ExternalUpload, AsyncExternalUpload, ExternalDownload, AsyncExternalDownload)
    offered = set().union(*(public(kind) for kind in kinds))
    driven = used(Path(__file__), lambda name: name in {"v1", "upload", "download"})
    assert offered - driven == set()
