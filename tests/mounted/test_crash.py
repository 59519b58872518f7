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
    assert mount.f7tfs("sync", str(mount.path)).returncode == 0
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
def test_a_mode_set_while_the_directory_is_being_made_survives_the_daemons_death(
    new_mount: Callable[..., Mount], api: str
) -> None:
    mount = new_mount(api, "--write-mode", "async")
    mount.mount()
    mount.sandbox.reset_calls()
    mount.sandbox.faults({"match": "POST .*mkdir", "delay": 600, "count": None})
    (mount.path / "d").mkdir(0o755)
    wait_until(lambda: any("mkdir" in route for route in mount.sandbox.calls()))
    (mount.path / "d").chmod(0o750)
    (daemon,) = mount.daemons()
    os.kill(daemon, signal.SIGKILL)
    wait_until(mount.stale)
    mount.sandbox.clear_faults()
    mount.mount()
    assert (mount.path / "d").stat().st_mode & 0o777 == 0o750
    assert mount.f7tfs("sync", str(mount.path)).returncode == 0
    assert (mount.remote / "d").stat().st_mode & 0o777 == 0o750
    assert mount.umount().returncode == 0


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("doing", ["rm f", "echo other > g; mv g f"])
def test_an_upload_that_fails_after_its_file_was_removed_or_replaced_is_forgotten(
    new_mount: Callable[..., Mount], api: str, doing: str
) -> None:
    mount = new_mount(api, "--write-mode", "async")
    mount.mount()
    mount.sandbox.reset_calls()
    mount.sandbox.faults({"match": "POST .*upload", "status": 503, "delay": 2, "count": 1})
    (mount.path / "f").write_text("first")
    wait_until(lambda: any("upload" in route for route in mount.sandbox.calls()))
    mount.sh(doing)
    synced = mount.f7tfs("sync", str(mount.path))
    assert synced.returncode == 0, synced.stderr
    left = {path.name: path.read_text() for path in mount.remote.iterdir() if path.is_file()}
    assert left == ({} if doing == "rm f" else {"f": "other\n"})
    assert "Traceback" not in mount.log()
    assert mount.umount().returncode == 0


def test_a_content_that_somebody_removed_here_is_told_once(new_mount: Callable[..., Mount]) -> None:
    mount = new_mount("v2", "--write-mode", "async")
    mount.mount()
    mount.sandbox.faults({"match": "POST .*upload", "status": 503, "count": None})
    (mount.path / "f").write_text("gone")
    (daemon,) = mount.daemons()
    os.kill(daemon, signal.SIGKILL)
    wait_until(mount.stale)
    for content in mount.state.glob("state/**/content/*"):
        content.unlink()
    mount.sandbox.clear_faults()
    for _ in range(2):
        mount.mount()
        assert not (mount.path / "f").exists()
        assert mount.f7tfs("sync", str(mount.path)).returncode == 0
        assert mount.umount().returncode == 0
    assert mount.log().count("is gone from the content cache") == 1


@pytest.mark.parametrize("api", APIS)
def test_an_unmount_waits_for_the_cluster(new_mount: Callable[..., Mount], api: str) -> None:
    mount = new_mount(api, "--write-mode", "async")
    mount.mount()
    mount.sandbox.faults(latency=0.2)
    for index in range(10):
        (mount.path / f"file{index}").write_text(f"content {index}")
    assert mount.umount().returncode == 0
    assert {p.name: p.read_text() for p in mount.remote.iterdir() if p.name != ".f7tfs"} == {
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
