"""kill -9 of the daemon: what was acknowledged reaches the cluster with the next mount."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest

from tests.mounted.conftest import APIS, Mount, wait_until


@pytest.mark.parametrize("api", APIS)
def test_what_close_acknowledged_survives_the_daemons_death(new_mount: Callable[..., Mount], api: str) -> None:
    mount = new_mount(api, "--write-mode", "async")
    mount.mount()
    (mount.path / "d").mkdir()
    mount.sandbox.faults({"match": "POST .*upload", "status": 503, "count": None})
    for index in range(20):
        (mount.path / f"d/file{index}").write_text(f"content {index}")
    (daemon,) = mount.daemons()
    os.kill(daemon, signal.SIGKILL)
    wait_until(mount.stale)
    assert not list((mount.remote / "d").iterdir())
    mount.sandbox.clear_faults()
    mount.mount()
    assert (mount.path / "d/file7").read_text() == "content 7"
    wait_until(lambda: len(list((mount.remote / "d").iterdir())) == 20)
    assert mount.f7tfs("sync", str(mount.path)).returncode == 0
    for index in range(20):
        assert (mount.remote / f"d/file{index}").read_text() == f"content {index}"
    assert mount.umount().returncode == 0


@pytest.mark.parametrize("api", APIS)
def test_an_unmount_waits_for_the_cluster(new_mount: Callable[..., Mount], api: str) -> None:
    mount = new_mount(api, "--write-mode", "async")
    mount.mount()
    mount.sandbox.faults(latency=0.2)
    for index in range(10):
        (mount.path / f"file{index}").write_text(f"content {index}")
    assert mount.umount().returncode == 0
    assert {p.name: p.read_text() for p in mount.remote.iterdir()} == {
        f"file{index}": f"content {index}" for index in range(10)
    }


@pytest.mark.parametrize("api", APIS)
def test_times_set_here_survive_a_remount(new_mount: Callable[..., Mount], api: str) -> None:
    mount = new_mount(api)
    mount.mount()
    mount.sh("echo x > f; touch -d @1500000000 f; mkdir d; touch -d @1400000000 d")
    number = (mount.path / "f").stat().st_ino
    assert mount.umount().returncode == 0
    mount.mount()
    assert (mount.path / "f").stat().st_mtime == 1_500_000_000
    assert (mount.path / "f").stat().st_ino == number
    (mount.remote / "f").write_text("changed there")
    wait_until(lambda: (mount.path / "f").stat().st_mtime > 1_700_000_000, 15)
