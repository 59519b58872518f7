"""The official client drives v2 through all of its calls, in both of its forms."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import firecrest
import pytest
from firecrest.v2 import (
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
SCRIPT = "#!/bin/bash\n#SBATCH --job-name=hello\necho hello $WORD; cat input\n"
NOT_SERVED = {
    "download_file_streamer": "the streamer is a program of its own on the cluster; sites with S3 do without it",
    "upload_file_streamer": "the same",
    "wait_for_streamer_job_to_listen": "the same",
    "receive_file_wormhole": "magic-wormhole needs a rendezvous server on the Internet",
    "send_file_wormhole": "the same",
    "wormhole_code": "the same",
}
# Its own: it leaves sessions open, and calls what is deprecated in its libraries.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    settings = {"max_part_size": 5 * MIB, "ingest_poll_seconds": 0.1, "job_start_seconds": 0.0}
    with SandboxProcess(tmp_path_factory.mktemp("pyfirecrest"), **settings) as sandbox:
        yield sandbox


@pytest.fixture(params=FORMS)
def v2(request: pytest.FixtureRequest, server: SandboxProcess) -> Iterator[Any]:
    info = server.info
    authorization = firecrest.ClientCredentialsAuth(info.client_id, info.client_secret, info.token_url)
    kind = Firecrest if request.param == "sync" else AsyncFirecrest
    with contextlib.closing(asyncio.new_event_loop()) as loop:
        client = Driven(loop, kind(firecrest_url=info.url_v2, authorization=authorization))
        yield client
        client.close_session()


@pytest.fixture
def place(request: pytest.FixtureRequest, server: SandboxProcess) -> Path:
    return own_directory(request.node.name, server)


# -- the client itself ---------------------------------------------------------------------------


def test_sessions_and_settings_of_the_client(v2: Any) -> None:
    v2.set_api_version("2.5.0")
    v2.log(logging.DEBUG, "a word")
    assert not v2.is_session_closed
    v2.close_session()
    assert v2.is_session_closed
    v2.create_new_session()
    assert v2.systems()[0]["name"] == SYSTEM
    assert v2.MAX_DIRECT_UPLOAD_SIZE <= 5 * MIB
    assert v2.TOO_MANY_REQUESTS_CODE == 429
    if isinstance(v2.inner, AsyncFirecrest):
        v2.set_maximum_s3_connections(2)
        assert v2.MAX_S3_CONNECTIONS > 0


# -- status --------------------------------------------------------------------------------------


def test_what_the_site_tells(v2: Any) -> None:
    (system,) = v2.systems()
    assert (system["name"], system["dataOperation"]["max_ops_file_size"]) == (SYSTEM, 5 * MIB)
    assert v2.server_version() == "2"
    assert v2.userinfo(SYSTEM)["user"] == {"id": "4103", "name": "user"}
    assert [entry["name"] for entry in v2.partitions(SYSTEM)] == ["part01", "xfer"]
    assert [entry["name"] for entry in v2.nodes(SYSTEM)] == ["localhost"]
    assert v2.reservations(SYSTEM) == []


# -- files ---------------------------------------------------------------------------------------


def test_looking_at_files(v2: Any, server: SandboxProcess, place: Path) -> None:
    (place / "f").write_bytes(b"one\ntwo\nthree\n")
    (place / "l").symlink_to("f")
    path = on_cluster(server, place, "f")
    assert {e["name"]: e["type"] for e in v2.list_files(SYSTEM, on_cluster(server, place))} == {"f": "-", "l": "l"}
    assert v2.stat(SYSTEM, path)["size"] == 14
    assert v2.stat(SYSTEM, on_cluster(server, place, "l"), dereference=True)["size"] == 14
    assert v2.file_type(SYSTEM, path) == "ASCII text"
    assert v2.head(SYSTEM, path, num_lines=1)["content"] == "one\n"
    assert v2.tail(SYSTEM, path, num_bytes=6)["content"] == "three\n"
    assert v2.view(SYSTEM, path) == "one\ntwo\nthree\n"
    assert v2.checksum(SYSTEM, path)["algorithm"] == "SHA256"


def test_changing_files(v2: Any, server: SandboxProcess, place: Path) -> None:
    home = on_cluster(server, place)
    v2.mkdir(SYSTEM, f"{home}/a/b", create_parents=True)
    (place / "a/f").write_bytes(b"x")
    assert v2.chmod(SYSTEM, f"{home}/a/f", "640")["permissions"] == "rw-r-----"
    assert v2.chown(SYSTEM, f"{home}/a/f", "user", "users")["user"] == "user"
    v2.symlink(SYSTEM, f"{home}/a/f", f"{home}/l")
    assert (place / "l").is_symlink()
    v2.mv(SYSTEM, f"{home}/a/f", f"{home}/a/g")
    v2.cp(SYSTEM, f"{home}/a/g", f"{home}/a/h")
    assert sorted(os.listdir(place / "a")) == ["b", "g", "h"]
    v2.rm(SYSTEM, f"{home}/a")
    assert not (place / "a").exists()


def test_archives(v2: Any, server: SandboxProcess, place: Path) -> None:
    home = on_cluster(server, place)
    (place / "d").mkdir()
    (place / "d/f").write_bytes(b"x")
    (place / "out").mkdir()
    v2.compress(SYSTEM, f"{home}/d", f"{home}/d.tar.gz")
    with tarfile.open(place / "d.tar.gz") as tar:
        assert "d/f" in tar.getnames()
    v2.extract(SYSTEM, f"{home}/d.tar.gz", f"{home}/out")
    assert (place / "out/d/f").read_bytes() == b"x"


@pytest.mark.parametrize("call", ["compress", "extract"])
def test_archives_that_take_long_go_as_a_job(v2: Any, server: SandboxProcess, place: Path, call: str) -> None:
    home = on_cluster(server, place)
    (place / "d").mkdir()
    (place / "d/f").write_bytes(b"x")
    (place / "out").mkdir()
    v2.compress(SYSTEM, f"{home}/d", f"{home}/d.tar.gz")
    server.faults({"match": f"ops/{call}", "status": 408, "body": '{"message":"time"}'})
    if call == "compress":
        v2.compress(SYSTEM, f"{home}/d", f"{home}/e.tar.gz", account="users")
        assert tarfile.is_tarfile(place / "e.tar.gz")
    else:
        v2.extract(SYSTEM, f"{home}/d.tar.gz", f"{home}/out", account="users")
        assert (place / "out/d/f").read_bytes() == b"x"


# -- transfers -----------------------------------------------------------------------------------


def test_small_transfers(v2: Any, server: SandboxProcess, place: Path, tmp_path: Path) -> None:
    (tmp_path / "local").write_bytes(b"some text\n")
    v2.upload(SYSTEM, str(tmp_path / "local"), on_cluster(server, place), "f")
    assert (place / "f").read_bytes() == b"some text\n"
    v2.download(SYSTEM, on_cluster(server, place, "f"), str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == b"some text\n"


def test_staged_transfers(v2: Any, server: SandboxProcess, place: Path, tmp_path: Path) -> None:
    content = os.urandom(12 * MIB + 7)
    (tmp_path / "large").write_bytes(content)
    v2.upload(SYSTEM, str(tmp_path / "large"), on_cluster(server, place), "large", blocking=True)
    assert (place / "large").read_bytes() == content
    assert os.listdir(place) == ["large"]
    v2.download(SYSTEM, on_cluster(server, place, "large"), str(tmp_path / "back"), blocking=True)
    assert (tmp_path / "back").read_bytes() == content


def test_staged_transfers_in_steps(v2: Any, server: SandboxProcess, place: Path, tmp_path: Path) -> None:
    content = os.urandom(6 * MIB)
    (tmp_path / "large").write_bytes(content)
    upload = v2.upload(SYSTEM, str(tmp_path / "large"), on_cluster(server, place), "large", blocking=False)
    assert upload.transfer_data["transferDirectives"]["maxPartSize"] == 5 * MIB
    upload.upload_file_to_stage()
    upload.wait_for_transfer_job()
    assert (place / "large").read_bytes() == content
    download = v2.download(SYSTEM, on_cluster(server, place, "large"), str(tmp_path / "back"), blocking=False)
    download.wait_for_transfer_job()
    assert "downloadUrl" in str(download.transfer_data)
    download.download_file_from_stage()
    assert (tmp_path / "back").read_bytes() == content


# -- jobs ----------------------------------------------------------------------------------------


def test_a_job_from_its_start_to_its_end(v2: Any, server: SandboxProcess, place: Path) -> None:
    (place / "input").write_bytes(b"data\n")
    where = on_cluster(server, place)
    job = v2.submit(SYSTEM, working_dir=where, script_str=SCRIPT, env_vars={"WORD": "there"}, account="users")[
        "jobId"
    ]
    (ended,) = v2.wait_for_job(SYSTEM, job)
    assert (ended["name"], ended["status"]["state"], ended["account"]) == ("hello", "COMPLETED", "users")
    assert (place / f"slurm-{job}.out").read_text() == "hello there\ndata\n"
    assert v2.job_metadata(SYSTEM, job)[0]["script"] == SCRIPT
    assert v2.job_info(SYSTEM, job)[0]["jobId"] == job
    assert job in [entry["jobId"] for entry in v2.job_info(SYSTEM)]


def test_scripts_from_here_and_from_there(v2: Any, server: SandboxProcess, place: Path, tmp_path: Path) -> None:
    where = on_cluster(server, place)
    (tmp_path / "local.sh").write_text("#!/bin/bash\ntouch ran-local\n")
    (place / "remote.sh").write_text("#!/bin/bash\ntouch ran-remote\n")
    local = v2.submit(SYSTEM, working_dir=where, script_local_path=str(tmp_path / "local.sh"))
    remote = v2.submit(SYSTEM, working_dir=where, script_remote_path=f"{where}/remote.sh")
    for job in (local, remote):
        v2.wait_for_job(SYSTEM, job["jobId"])
    assert (place / "ran-local").exists()
    assert (place / "ran-remote").exists()


def test_a_running_job_is_attached_to_and_cancelled(v2: Any, server: SandboxProcess, place: Path) -> None:
    job = v2.submit(SYSTEM, working_dir=on_cluster(server, place), script_str="#!/bin/bash\nsleep 1000\n")["jobId"]
    until(lambda: v2.job_info(SYSTEM, job)[0]["status"]["state"] == "RUNNING")
    v2.attach_to_job(SYSTEM, job, "touch attached")
    assert (place / "attached").exists()
    v2.cancel_job(SYSTEM, job)
    (ended,) = v2.wait_for_job(SYSTEM, job)
    assert ended["status"]["state"].startswith("CANCELLED")


# -- all of them ---------------------------------------------------------------------------------


def test_every_call_of_the_client_is_driven() -> None:
    kinds = (Firecrest, AsyncFirecrest, ExternalUpload, AsyncExternalUpload, ExternalDownload, AsyncExternalDownload)
    offered = set().union(*(public(kind) for kind in kinds))
    driven = used(Path(__file__), lambda name: name in {"v2", "upload", "download"})
    assert offered - driven == NOT_SERVED.keys()
