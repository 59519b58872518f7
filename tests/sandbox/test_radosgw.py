"""Staged transfers through Ceph's S3 gateway, with both clients, both APIs, and a mount."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import firecrest
import httpx
import pytest

import f7tfs.firecrest as f7t
from f7tfs.sandbox.process import SandboxProcess
from tests.mounted.conftest import Mount
from tests.sandbox.official import until

MIB = 1024 * 1024
PART = 5 * MIB
"""The smallest that the gateway takes, but for the last one."""
SYSTEM = "cluster"
SCRIPT = Path(__file__).parents[2] / "scripts" / "setup-radosgw.sh"
pytestmark = [
    # The official client's own: it leaves sessions open, and calls what is deprecated in its libraries.
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
    # On a fresh machine the first test may have to install Ceph.
    pytest.mark.timeout(900),
]
WAYS = {
    "v1": ("POST /v1/storage/xfer-external/upload", "POST /v1/storage/xfer-external/download"),
    "v2": ("POST /v2/filesystem/{system}/transfer/upload", "POST /v2/filesystem/{system}/transfer/download"),
}
"""The calls that begin a staged upload and a staged download."""
LIBRARIES = pytest.mark.parametrize("library", [firecrest, f7t], ids=["official", "ours"])


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("radosgw") / "ceph"


@pytest.fixture(scope="module")
def store(directory: Path) -> Iterator[dict[str, str]]:
    """A Ceph of these tests' own, which ends with them also if they are killed; as settings of the sandbox."""
    with subprocess.Popen(
        [SCRIPT, "run", directory], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(3)]
        assert all(lines), "Ceph did not start"
        yield dict(line.rstrip("\n").split("=", 1) for line in lines)
        process.stdin.close()
        assert process.wait(300) == 0
    assert list(directory.iterdir()) == []


@pytest.fixture
def cluster(store: dict[str, str], start_sandbox: Callable[..., SandboxProcess]) -> SandboxProcess:
    sizes = {"max_part_size": PART, "max_ops_file_size": MIB // 2}
    return start_sandbox(**store, **sizes, ingest_poll_seconds=0.1, job_start_seconds=0.0)


def authorization(cluster: SandboxProcess) -> Any:
    info = cluster.info
    return firecrest.ClientCredentialsAuth(info.client_id, info.client_secret, info.token_url)


@pytest.fixture(params=[2 * PART + 2 * MIB + 5, 2 * PART], ids=["a-shorter-last-part", "whole-parts"])
def large(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A local file of several parts."""
    (tmp_path / "large").write_bytes(os.urandom(request.param))
    return tmp_path / "large"


def test_what_runs_is_not_started_again(store: dict[str, str], directory: Path) -> None:
    done = subprocess.run([SCRIPT, "start", directory], capture_output=True, text=True, check=True)
    assert done.stdout == "".join(f"{name}={value}\n" for name, value in store.items())


@pytest.mark.parametrize("what", ["start", "stop"])
def test_a_directory_of_somebody_else_is_left_alone(tmp_path: Path, what: str) -> None:
    (tmp_path / "data").write_text("mine")
    done = subprocess.run([SCRIPT, what, tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "is not empty" in done.stderr
    assert (tmp_path / "data").read_text() == "mine"


@LIBRARIES
def test_v2_stages_in_parts(cluster: SandboxProcess, store: dict[str, str], library: Any, large: Path) -> None:
    content = large.read_bytes()
    client = library.v2.Firecrest(cluster.info.url_v2, authorization(cluster))
    home = cluster.info.home
    upload = client.upload(SYSTEM, str(large), home, "there", blocking=False)
    urls = [httpx.URL(url) for url in upload.transfer_data["transferDirectives"]["partsUploadUrls"]]
    assert {f"{url.scheme}://{url.netloc.decode()}" for url in urls} == {store["object_store_url"]}
    assert len(urls) == -(-len(content) // PART)
    upload.upload_file_to_stage()
    upload.wait_for_transfer_job()
    assert (cluster.home / "there").read_bytes() == content
    back = large.with_name("back")
    client.download(SYSTEM, f"{home}/there", str(back), blocking=True)
    assert back.read_bytes() == content
    client.close_session()


@LIBRARIES
def test_v1_stages_by_a_form(cluster: SandboxProcess, store: dict[str, str], library: Any, large: Path) -> None:
    content = large.read_bytes()
    client = library.v1.Firecrest(cluster.info.url_v1, authorization(cluster))
    client.polling_sleep_times = [0.05] * 2000
    home = cluster.info.home
    upload = client.external_upload(SYSTEM, str(large), home)
    assert upload.object_storage_data["parameters"]["url"].startswith(store["object_store_url"] + "/")
    upload.finish_upload()
    until(lambda: not upload.in_progress)
    assert (cluster.home / "large").read_bytes() == content
    download = client.external_download(SYSTEM, f"{home}/large")
    back = large.with_name("back")
    download.finish_download(str(back))
    assert back.read_bytes() == content


@pytest.fixture(params=["v1", "v2"])
def mount(request: pytest.FixtureRequest, cluster: SandboxProcess, tmp_path: Path) -> Iterator[Mount]:
    (tmp_path / "mnt").mkdir()
    mount = Mount(cluster, request.param, tmp_path / "mnt", tmp_path, cluster.home)
    try:
        mount.mount()
        yield mount
        assert mount.umount().returncode == 0
    finally:
        mount.abandon()


def test_a_mount_copies_a_large_file_in_and_out(mount: Mount, tmp_path: Path) -> None:
    content = os.urandom(24 * MIB + 1)
    (tmp_path / "in").write_bytes(content)
    mount.sandbox.reset_calls()
    mount.run("cp", str(tmp_path / "in"), "large")
    assert mount.f7tfs("sync", str(mount.path)).returncode == 0
    assert sha256(mount.remote / "large") == sha256(tmp_path / "in")
    # One that is not kept here comes from the cluster.
    (mount.remote / "other").write_bytes(content)
    assert mount.f7tfs("refresh", str(mount.path)).returncode == 0
    mount.run("cp", "other", str(tmp_path / "out"))
    assert sha256(tmp_path / "out") == sha256(tmp_path / "in")
    # Both ways through the store: the file is too large for v2's way around it.
    calls = mount.sandbox.calls()
    for way in WAYS[mount.api]:
        assert calls[way] >= 1


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
