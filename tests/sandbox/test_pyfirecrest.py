"""The official client drives both APIs: what it accepts is what real servers answer."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import firecrest
import pytest
from firecrest.v1 import Firecrest as FirecrestV1
from firecrest.v2 import Firecrest as FirecrestV2

from f7tfs.sandbox.process import SandboxProcess

MIB = 1024 * 1024
SYSTEM = "cluster"
SCRIPT = "#!/bin/bash\n#SBATCH --job-name=hello\necho hello $SLURM_JOB_ID; cat input\n"
# Its own: it leaves sessions open, and calls what is deprecated in its libraries.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    settings = {"max_part_size": 5 * MIB, "ingest_poll_seconds": 0.1, "job_start_seconds": 0.05}
    with SandboxProcess(tmp_path_factory.mktemp("pyfirecrest"), **settings) as sandbox:
        yield sandbox


def authorization(sandbox: SandboxProcess) -> Any:
    info = sandbox.info
    return firecrest.ClientCredentialsAuth(info.client_id, info.client_secret, info.token_url)


@pytest.fixture
def v2(server: SandboxProcess) -> Iterator[Any]:
    client = FirecrestV2(firecrest_url=server.info.url_v2, authorization=authorization(server))
    yield client
    client.close_session()


@pytest.fixture
def v1(server: SandboxProcess) -> Iterator[Any]:
    client = FirecrestV1(firecrest_url=server.info.url_v1, authorization=authorization(server))
    client.polling_sleep_times = [0.05] * 400
    yield client
    client._session.close()


@pytest.fixture
def content() -> bytes:
    return os.urandom(12 * MIB + 7)


def test_v2_tells_of_its_system(v2: Any) -> None:
    (system,) = v2.systems()
    assert system["name"] == SYSTEM
    assert system["dataOperation"]["max_ops_file_size"] == 5 * MIB
    assert v2.userinfo(SYSTEM)["user"] == {"id": "4103", "name": "user"}
    assert [p["name"] for p in v2.partitions(SYSTEM)] == ["part01", "xfer"]


def test_v2_works_on_small_files(v2: Any, server: SandboxProcess, tmp_path: Path) -> None:
    home = server.info.home
    local = tmp_path / "local"
    local.write_bytes(b"some text\n")
    v2.mkdir(SYSTEM, f"{home}/small/sub", create_parents=True)
    v2.upload(SYSTEM, str(local), f"{home}/small", "f", blocking=True)
    assert (server.home / "small/f").read_bytes() == b"some text\n"
    v2.chmod(SYSTEM, f"{home}/small/f", "640")
    v2.symlink(SYSTEM, f"{home}/small/f", f"{home}/small/l")
    listed = {e["name"]: e["permissions"] for e in v2.list_files(SYSTEM, f"{home}/small")}
    assert listed == {"f": "rw-r-----", "l": "rwxrwxrwx", "sub": "rwxr-xr-x"}
    assert v2.stat(SYSTEM, f"{home}/small/f")["size"] == 10
    assert v2.view(SYSTEM, f"{home}/small/f") == "some text\n"
    v2.mv(SYSTEM, f"{home}/small/f", f"{home}/small/g", blocking=True)
    v2.download(SYSTEM, f"{home}/small/g", str(tmp_path / "back"), blocking=True)
    assert (tmp_path / "back").read_bytes() == b"some text\n"
    v2.rm(SYSTEM, f"{home}/small")
    assert not (server.home / "small").exists()


def test_v2_stages_large_files_both_ways(v2: Any, server: SandboxProcess, tmp_path: Path, content: bytes) -> None:
    local = tmp_path / "large"
    local.write_bytes(content)
    v2.upload(SYSTEM, str(local), server.info.home, "large", blocking=True)
    assert (server.home / "large").read_bytes() == content
    assert not list(server.home.glob("large.*"))
    v2.download(SYSTEM, f"{server.info.home}/large", str(tmp_path / "back"), blocking=True)
    assert (tmp_path / "back").read_bytes() == content


def test_v2_runs_a_job(v2: Any, server: SandboxProcess) -> None:
    (server.home / "input").write_bytes(b"data\n")
    job_id = v2.submit(SYSTEM, working_dir=server.info.home, script_str=SCRIPT)["jobId"]
    (job,) = v2.wait_for_job(SYSTEM, job_id)
    assert (job["name"], job["status"]["state"], job["status"]["exitCode"]) == ("hello", "COMPLETED", 0)
    assert (server.home / f"slurm-{job_id}.out").read_text() == f"hello {job_id}\ndata\n"
    assert v2.job_metadata(SYSTEM, job_id)[0]["script"] == SCRIPT


def test_v1_tells_of_its_system(v1: Any) -> None:
    assert [s["system"] for s in v1.all_systems()] == [SYSTEM]
    assert v1.whoami(SYSTEM) == "user"
    assert v1.parameters()["utilities"][0]["value"] == "5"


def test_v1_works_on_small_files(v1: Any, server: SandboxProcess, tmp_path: Path) -> None:
    home = server.info.home
    local = tmp_path / "f"
    local.write_bytes(b"some text\n")
    v1.mkdir(SYSTEM, f"{home}/one/sub", p=True)
    v1.simple_upload(SYSTEM, str(local), f"{home}/one")
    v1.mv(SYSTEM, f"{home}/one/f", f"{home}/one/g")
    v1.copy(SYSTEM, f"{home}/one/g", f"{home}/one/h")
    assert [e["name"] for e in v1.list_files(SYSTEM, f"{home}/one")] == ["g", "h", "sub"]
    v1.simple_download(SYSTEM, f"{home}/one/h", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == b"some text\n"
    v1.simple_delete(SYSTEM, f"{home}/one")
    assert not (server.home / "one").exists()


def test_v1_stages_large_files_both_ways(v1: Any, server: SandboxProcess, tmp_path: Path, content: bytes) -> None:
    local = tmp_path / "large1"
    local.write_bytes(content)
    upload = v1.external_upload(SYSTEM, str(local), server.info.home)
    upload.finish_upload()
    assert poll(upload, "114")
    assert (server.home / "large1").read_bytes() == content
    download = v1.external_download(SYSTEM, f"{server.info.home}/large1")
    download.finish_download(str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == content


def poll(transfer: Any, wanted: str) -> bool:
    return any(transfer.status == wanted for _ in range(400))


def test_v1_runs_a_job(v1: Any, server: SandboxProcess, tmp_path: Path) -> None:
    script = tmp_path / "job.sh"
    script.write_text("#!/bin/bash\n#SBATCH --job-name=hello\npwd; exit 3\n")
    job = v1.submit(SYSTEM, script_local_path=str(script))
    states = (v1.poll(SYSTEM, [job["jobid"]])[0] for _ in range(100))
    ended = next(s for s in states if s["state"] not in {"PENDING", "RUNNING"})
    assert (ended["state"], ended["exit_code"], ended["name"]) == ("FAILED", "3:0", "hello")
    assert server.real(job["job_file_out"]).exists()
