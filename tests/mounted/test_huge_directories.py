"""A directory of 100,000 entries: listed where the site's limit lets it be, and else used by name."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from f7tfs.sandbox.process import SandboxProcess
from tests.mounted.conftest import APIS, Mount
from tests.mounted.test_posix_content import failure

ENTRIES = 100_000
MIB = 2**20


def plant(sandbox: SandboxProcess) -> Path:
    huge = sandbox.home / "huge"
    huge.mkdir()
    for index in range(ENTRIES):
        os.close(os.open(huge / f"file{index:06}", os.O_CREAT | os.O_WRONLY, 0o644))
    (huge / "file012345").write_text("12345")
    return huge


def status_of(mount: Mount) -> dict[str, object]:
    told: dict[str, object] = json.loads(mount.f7tfs("status", "--json", str(mount.path)).stdout)
    return told


def use_by_name(mount: Mount, huge: Path) -> None:
    mount.mount()
    top = mount.path / "huge"
    assert failure(lambda: os.listdir(top)) == errno.EFBIG
    assert (top / "file012345").read_text() == "12345"
    assert failure((top / "absent").stat) == errno.ENOENT
    (top / "new").write_text("new")
    assert (huge / "new").read_text() == "new"
    (top / "new").rename(top / "renamed")
    assert (huge / "renamed").read_text() == "new"
    (top / "renamed").unlink()
    assert not (huge / "renamed").exists()
    assert status_of(mount)["too_large"] == [f"{mount.sandbox.info.home}/huge"]
    told = "more entries than the API lists"
    assert told in " ".join(mount.f7tfs("status", str(mount.path)).stdout.split())
    assert told in mount.log()
    assert mount.umount().returncode == 0


def list_whole(mount: Mount, names: list[str]) -> None:
    mount.mount()
    mount.sandbox.reset_calls()
    assert sorted(os.listdir(mount.path / "huge")) == names
    assert (mount.path / "huge/file012345").stat().st_size == 5
    assert mount.calls() <= 3
    assert status_of(mount)["too_large"] == []
    unmounted = mount.umount()
    assert unmounted.returncode == 0, unmounted.stderr


@pytest.mark.timeout(300)
def test_a_hundred_thousand_entries_are_above_the_limit_of_the_api_and_used_by_name(
    new_mount: Callable[..., Mount], start_sandbox: Callable[..., SandboxProcess]
) -> None:
    sandbox = start_sandbox()
    huge = plant(sandbox)
    for api in APIS:
        use_by_name(new_mount(api, sandbox=sandbox), huge)


@pytest.mark.long
@pytest.mark.timeout(300)
def test_they_are_listed_where_the_site_allows_it(
    new_mount: Callable[..., Mount], start_sandbox: Callable[..., SandboxProcess]
) -> None:
    sandbox = start_sandbox(max_ops_file_size=64 * MIB, command_seconds=60.0)
    names = sorted(path.name for path in plant(sandbox).iterdir())
    for api in APIS:
        list_whole(new_mount(api, "--attribute-timeout", "600", sandbox=sandbox), names)
