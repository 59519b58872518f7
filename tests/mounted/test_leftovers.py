"""What a killed daemon was about to remove from the cluster, the next one removes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.mounted.conftest import APIS, Mount, wait_until
from tests.mounted.test_bulk import plant

SCRATCH = ".f7tfs"
HANGS = 20.0


def left(mount: Mount) -> list[str]:
    scratch = mount.sandbox.home / SCRATCH
    return os.listdir(scratch) if scratch.exists() else []


def kill_with_something_there(mount: Mount, suffix: str) -> None:
    """Kill the daemon while something of its own lies on the cluster, and mount again, with a site that is well."""
    wait_until(lambda: any(name.endswith(suffix) for name in left(mount)))
    (daemon,) = mount.daemons()
    os.kill(daemon, signal.SIGKILL)
    wait_until(mount.stale)
    assert left(mount) != []
    mount.sandbox.clear_faults()
    mount.mount()


@contextlib.contextmanager
def reading(*command: str) -> Iterator[None]:
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as program:
        yield
        program.wait(60)


def local_archives(mount: Mount) -> list[Path]:
    return list((mount.state / "state").rglob("*.tar.gz"))


@pytest.mark.parametrize("api", APIS)
def test_the_archive_of_an_upload_is_removed(new_mount: Callable[..., Mount], api: str) -> None:
    mount = new_mount(api, "--write-mode", "async", bursts=True)
    mount.mount()
    mount.sandbox.faults({"match": "extract", "delay": HANGS, "count": None})
    for index in range(60):
        (mount.path / f"f{index}").write_text(f"content {index}")
    kill_with_something_there(mount, ".tar.gz")
    assert mount.f7tfs("sync", str(mount.path)).returncode == 0
    wait_until(lambda: left(mount) == [])
    assert local_archives(mount) == []
    assert (mount.remote / "f59").read_text() == "content 59"
    assert mount.umount().returncode == 0


@pytest.mark.parametrize("api", APIS)
def test_the_archive_of_a_bulk_read_is_removed(new_mount: Callable[..., Mount], api: str) -> None:
    mount = new_mount(api)
    tree = plant(mount)
    mount.mount()
    mount.sandbox.faults({"match": r"download.*\.tar\.gz", "delay": HANGS, "count": None})
    with reading("grep", "-r", "nothing", str(mount.path / tree.name)):
        kill_with_something_there(mount, ".tar.gz")
    wait_until(lambda: left(mount) == [])
    assert local_archives(mount) == []
    assert mount.umount().returncode == 0


@pytest.mark.parametrize("api", APIS)
def test_the_link_that_a_large_file_is_staged_by_is_removed(new_mount: Callable[..., Mount], api: str) -> None:
    """The server's own transfers take plain names only."""
    mount = new_mount(api, "-o", "nowindows", settings={"job_start_seconds": 0.0})
    (mount.remote / "a directory").mkdir()
    (mount.remote / "a directory" / "large").write_bytes(os.urandom(8 * 2**20))
    mount.mount()
    mount.sandbox.faults(staging_delay=HANGS)
    with reading("cat", str(mount.path / "a directory" / "large")):
        kill_with_something_there(mount, "")
    wait_until(lambda: left(mount) == [])
    assert mount.umount().returncode == 0
