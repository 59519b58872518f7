"""Where this client differs from the official one on purpose. The reference has the same list for users."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from f7tfs.sandbox.process import SandboxProcess
from tests.client.official import Cases, Failed, Place, answers, tried

# Its own: it leaves sessions open, and calls what is deprecated in its libraries.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
v1, v2 = Cases(), Cases()
# What comes of each case with this client: an answer, or the name of an error.
HERE: dict[str, Any] = {
    # The official one gives the target's path, though it says that it gives the link's.
    "symlink": "FAR/new",
    # The official one asks for all jobs.
    "poll_of_no_jobs": [[], []],
    # The official one names it `file`.
    "upload_of_an_open_file_without_a_name": "ValueError",
    # The official one finds out when it is to be sent.
    "external_upload_of_what_is_not_here": "FileNotFoundError",
    # The official one raises when it is asked for the status.
    "status_of_a_failed_transfer": ["118", False],
    # The official one pretends that a local file was not found.
    "download_of_what_is_not_there": "NotFound",
    # The official one cancels the job.
    "wait_that_is_over": "WaitTimedOut",
    # The official one writes a mebibyte and says nothing.
    "download_of_a_symlink": [True, 6 * 2**20],
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    with SandboxProcess(tmp_path_factory.mktemp("differences"), job_start_seconds=0.05) as sandbox:
        yield sandbox


@v1
def symlink(c: Any, p: Place) -> Any:
    return c.symlink(p.system, f"{p.far}/text", f"{p.far}/new")


@v1
def poll_of_no_jobs(c: Any, p: Place) -> Any:
    return [c.poll(p.system, []), c.poll_active(p.system, [])]


@v1
def upload_of_an_open_file_without_a_name(c: Any, p: Place) -> Any:
    return tried(lambda: c.simple_upload(p.system, io.BytesIO(b"x"), p.far))


@v1
def external_upload_of_what_is_not_here(c: Any, p: Place) -> Any:
    return tried(lambda: c.external_upload(p.system, "no-such-file", p.far))


@v1
def status_of_a_failed_transfer(c: Any, p: Place) -> Any:
    (p.real / "two words").write_bytes(b"x")
    transfer = c.external_download(p.system, f"{p.far}/two words")
    tried(lambda: transfer.object_storage_data)
    return tried(lambda: [transfer.status, transfer.in_progress])


@v2
def download_of_what_is_not_there(c: Any, p: Place) -> Any:
    return tried(lambda: c.download(p.system, f"{p.far}/no", str(p.near / "back")))


@v2
def wait_that_is_over(c: Any, p: Place) -> Any:
    job_id = c.submit(p.system, p.far, script_str="#!/bin/bash\nsleep 300\n")["jobId"]
    failed = tried(lambda: c.wait_for_job(p.system, job_id, timeout=0.3))
    tried(lambda: c.cancel_job(p.system, job_id))
    return failed


@v2
def download_of_a_symlink(c: Any, p: Place) -> Any:
    (p.real / "alias").symlink_to("large")
    back = p.near / "back"
    return tried(lambda: [c.download(p.system, f"{p.far}/alias", str(back)) is not None, back.stat().st_size])


CASES = [("v1", name) for name in v1.works] + [("v2", name) for name in v2.works]


@pytest.mark.parametrize(("version", "name"), CASES)
def test_each_difference_is_as_it_is_told(server: SandboxProcess, tmp_path: Path, version: str, name: str) -> None:
    work = (v1 if version == "v1" else v2).works[name]
    found = answers(server, version, work, tmp_path)
    for ours in ("f7tfs", "f7tfs for trio"):
        answer = found[ours]
        assert (answer.names[0] if isinstance(answer, Failed) else answer) == HERE[name]


def test_each_difference_is_tried() -> None:
    assert [name for _, name in CASES] == list(HERE)
