"""fio writes, reads back and verifies, in the mount and after a remount."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.mounted.conftest import APIS, Mount

pytestmark = pytest.mark.usefixtures("quiet_log")

COMMON = [
    "--ioengine=sync",
    "--verify=crc32c",
    "--verify_fatal=1",
    "--randseed=42",
    "--group_reporting",
    "--minimal",
    "--fallocate=none",
]


def digests(top: Path) -> dict[str, str]:
    files = list(top.glob("*.0.*"))
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("api", APIS)
def test_what_fio_wrote_is_verified_here_and_after_a_remount(new_mount: Callable[..., Mount], api: str) -> None:
    mount = new_mount(api, settings={"job_start_seconds": 0.0})
    mount.mount()
    jobs = [
        ["--name=small", "--rw=randwrite", "--bs=512-8k", "--size=1m", "--nrfiles=8"],
        ["--name=large", "--rw=randwrite", "--bs=64k", "--size=8m", "--end_fsync=1"],
        ["--name=mapped", "--rw=randwrite", "--bs=4k", "--size=2m", "--ioengine=mmap"],
    ]
    for job in jobs:
        mount.run("fio", *COMMON, *job, timeout=300)
    assert mount.f7tfs("sync", str(mount.path)).returncode == 0
    assert digests(mount.path) == digests(mount.remote)
    assert len(digests(mount.remote)) == 10
    assert mount.umount().returncode == 0
    mount.mount()
    for job in jobs:
        mount.run("fio", *COMMON, *job, "--verify_only", timeout=300)
    assert mount.umount().returncode == 0
