"""Several programs at once, at random, with the same few names: nothing fails as it would not on a local disk."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.mounted import stress
from tests.mounted.conftest import APIS, Mount, wait_until
from tests.mounted.figures import note
from tests.mounted.test_journal import entries

pytestmark = pytest.mark.usefixtures("quiet_log")

PROGRAMS = 4


def work_together(mount: Mount, steps: int, seed: int = 0) -> None:
    programs = [
        subprocess.Popen(
            [sys.executable, Path(stress.__file__), str(mount.path), str(seed + number), str(steps)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(PROGRAMS)
    ]
    told = [program.communicate()[0].strip() for program in programs]
    assert not any(told), "\n".join(told)
    assert mount.f7tfs("sync", str(mount.path)).returncode == 0
    wait_until(lambda: entries(mount) == [])
    assert tree(mount.path) == tree(mount.remote)
    mount.f7tfs("refresh", str(mount.path))
    assert tree(mount.path) == tree(mount.remote)
    note(f"random operations of {PROGRAMS} programs at once ({mount.api}):", PROGRAMS * steps)


def tree(top: Path) -> dict[str, object]:
    found: dict[str, object] = {}
    for path in sorted(top.rglob("*")):
        if path.name.startswith(".f7t") or ".f7tfs" in path.parts:
            continue
        name, mode = str(path.relative_to(top)), path.lstat().st_mode
        if path.is_symlink():
            found[name] = os.readlink(path)
        else:
            found[name] = (oct(mode), None if path.is_dir() else path.read_bytes())
    return found


@pytest.mark.timeout(900)
@pytest.mark.parametrize("mode", ["auto", "async"])
@pytest.mark.parametrize("api", APIS)
def test_programs_that_get_into_each_others_way(new_mount: Callable[..., Mount], api: str, mode: str) -> None:
    mount = new_mount(api, "--write-mode", mode, settings={"job_start_seconds": 0.0}, bursts=True)
    mount.mount()
    work_together(mount, 60)
    assert mount.umount().returncode == 0


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("mode", ["auto", "async", "sync"])
@pytest.mark.parametrize("api", APIS)
def test_so_they_do_for_long(new_mount: Callable[..., Mount], api: str, mode: str) -> None:
    mount = new_mount(api, "--write-mode", mode, settings={"job_start_seconds": 0.0}, bursts=True)
    mount.mount()
    for seed in range(10):
        work_together(mount, 500, 100 * seed)
    assert mount.umount().returncode == 0
