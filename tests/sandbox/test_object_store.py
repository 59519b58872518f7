"""A sandbox that stages through an S3 endpoint of somebody else."""

from __future__ import annotations

import os
import urllib.error
from collections.abc import Callable
from pathlib import Path
from typing import Any

import firecrest
import httpx
import pytest
from firecrest.v1 import Firecrest as FirecrestV1
from firecrest.v2 import Firecrest as FirecrestV2

from f7tfs.sandbox.process import SandboxProcess
from tests.sandbox.official import until

MIB = 1024 * 1024
SYSTEM = "cluster"
# The client's own: it leaves sessions open, and calls what is deprecated in its libraries.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


@pytest.fixture
def cluster(start_sandbox: Callable[..., SandboxProcess]) -> SandboxProcess:
    """It uses the store of another sandbox, of which it knows no more than address and keys."""
    other = start_sandbox(client_secret="secret-of-the-other")
    store = {
        "object_store_url": f"http://127.0.0.1:{other.info.s3_port}",
        "object_store_key": "sandbox",
        "object_store_secret": "secret-of-the-other",
    }
    return start_sandbox(**store, max_part_size=64 * MIB, ingest_poll_seconds=0.1, job_start_seconds=0.0)


def client(cluster: SandboxProcess, kind: Any, url: str) -> Any:
    info = cluster.info
    authorization = firecrest.ClientCredentialsAuth(info.client_id, info.client_secret, info.token_url)
    return kind(firecrest_url=url, authorization=authorization)


def test_both_versions_stage_through_it(cluster: SandboxProcess, tmp_path: Path) -> None:
    content = os.urandom(6 * MIB)
    (tmp_path / "large").write_bytes(content)
    home = cluster.info.home
    v2 = client(cluster, FirecrestV2, cluster.info.url_v2)
    v2.upload(SYSTEM, str(tmp_path / "large"), home, "by-v2", blocking=True)
    assert (cluster.home / "by-v2").read_bytes() == content
    v2.download(SYSTEM, f"{home}/by-v2", str(tmp_path / "back2"), blocking=True)
    assert (tmp_path / "back2").read_bytes() == content
    v2.close_session()
    v1 = client(cluster, FirecrestV1, cluster.info.url_v1)
    v1.polling_sleep_times = [0.05] * 2000
    upload = v1.external_upload(SYSTEM, str(tmp_path / "large"), home)
    upload.finish_upload()
    until(lambda: not upload.in_progress)
    assert (cluster.home / "large").read_bytes() == content
    download = v1.external_download(SYSTEM, f"{home}/large")
    download.finish_download(str(tmp_path / "back1"))
    assert (tmp_path / "back1").read_bytes() == content
    v1._session.close()
    assert cluster.info.s3_port != httpx.URL(download.object_storage_link).port


def test_its_faults_are_not_ours_to_make(cluster: SandboxProcess) -> None:
    with pytest.raises(urllib.error.HTTPError, match="400"):
        cluster.faults(s3_rules=[{"match": "GET", "status": 503}])
