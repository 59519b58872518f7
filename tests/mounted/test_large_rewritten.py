"""A large file that is written again while an earlier upload of it is not done."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.mounted.conftest import APIS, Mount, wait_until
from tests.mounted.test_large import MB, make_file, sha256

GONE = {"status": 408, "count": None}


def state(mount: Mount) -> dict[str, object]:
    """What is written down of the only upload."""
    for record in (mount.state / "state").rglob("uploads/*"):
        with contextlib.suppress(ValueError, FileNotFoundError):
            return dict(json.loads(record.read_text()))
    return {}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("api", APIS)
def test_parts_of_an_older_content_of_the_same_size_are_not_taken_for_the_new_one(
    new_mount: Callable[..., Mount], api: str, tmp_path: Path
) -> None:
    mount = new_mount(api)
    mount.mount()
    make_file(tmp_path / "in", 40 * MB)
    if api == "v2":
        mount.sandbox.faults({"match": "ops/upload", "count": 3}, {"match": "ops/upload", **GONE})
    else:
        mount.sandbox.faults(hold_tasks="112")
    mount.run("cp", str(tmp_path / "in"), "large")
    if api == "v1":
        wait_until(lambda: state(mount).get("sent"))
        mount.sandbox.faults({"match": "GET .*tasks/", **GONE})
    wait_until(lambda: "next try in" in mount.log())
    mount.sh(
        "printf changed | dd of=large conv=notrunc status=none; printf end | dd of=large bs=1 seek=39999990 "
        "conv=notrunc status=none"
    )
    digest = sha256(mount.path / "large")
    mount.sandbox.clear_faults()
    assert mount.f7tfs("sync", str(mount.path)).returncode == 0
    assert sha256(mount.remote / "large") == digest
    assert list((mount.remote / ".f7tfs").iterdir()) == []


@pytest.mark.timeout(600)
def test_the_job_of_an_older_content_brings_nothing_over_what_replaced_it(
    new_mount: Callable[..., Mount], tmp_path: Path
) -> None:
    mount = new_mount("v2")
    mount.mount()
    make_file(tmp_path / "in", 8 * MB)
    nobody_looks = {"match": "ops/stat.*%2Fdone", **GONE}
    mount.sandbox.faults(nobody_looks, hold_jobs=True)
    mount.run("cp", str(tmp_path / "in"), "large")
    wait_until(lambda: state(mount).get("job") and "next try in" in mount.log())
    mount.sh("printf newer > other && mv other large")
    assert mount.f7tfs("sync", str(mount.path)).returncode == 0
    # The job waits for its turn even now; it has nothing left to bring.
    assert list((mount.remote / ".f7tfs").iterdir()) == []
    mount.sandbox.clear_faults()
    mount.sh("printf 'also newer' > beside")
    assert (mount.remote / "large").read_bytes() == b"newer"
