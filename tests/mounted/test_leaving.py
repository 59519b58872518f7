"""An unmount that does not wait leaves the rest to the next mount, and says how much."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable

import pytest

from f7tfs.mount.process import wait_for_end
from tests.mounted.conftest import PATIENCE, Mount

pytestmark = [
    pytest.mark.usefixtures("quiet_log"),
    pytest.mark.expects_log(" WARNING "),
]
CHANGING = "(POST|PUT|DELETE) .*/(filesystem|compute|utilities|storage)/"


def by_lazy_umount(mount: Mount, daemon: int, left: int) -> None:
    told = mount.f7tfs("umount", "--lazy", str(mount.path))
    assert told.returncode == 0, told.stderr
    assert f"process {daemon} goes on sending {left} changes" in told.stdout + told.stderr


def by_two_signals(mount: Mount, daemon: int, left: int) -> None:
    os.kill(daemon, signal.SIGTERM)
    # Two that come at once are one.
    os.kill(daemon, signal.SIGTERM)
    while not wait_for_end(daemon, 0.5):
        os.kill(daemon, signal.SIGTERM)
    assert f"stay in the journal: {left}" in mount.log()


def by_fusermount(mount: Mount, daemon: int, left: int) -> None:
    subprocess.run(["fusermount3", "-u", str(mount.path)], check=True)
    assert status(mount)["changes_left"] == left
    assert mount.daemons() == [daemon]


def status(mount: Mount) -> dict[str, object]:
    found: dict[str, object] = json.loads(mount.f7tfs("status", "--json", str(mount.path)).stdout)
    return found


@pytest.mark.parametrize(("api", "leave"), [("v2", by_lazy_umount), ("v1", by_two_signals), ("v1", by_fusermount)])
def test_what_an_impatient_unmount_leaves_is_sent_by_the_next_mount(
    new_mount: Callable[..., Mount], api: str, leave: Callable[[Mount, int, int], None]
) -> None:
    mount = new_mount(api, "--write-mode", "async", settings={"job_start_seconds": 0.0})
    mount.mount()
    mount.sandbox.faults({"match": CHANGING, "status": 503, "count": None})
    mount.sh("mkdir d; echo kept > d/f; echo other > g")
    (daemon,) = mount.daemons()
    left = status(mount)["changes_left"]
    assert isinstance(left, int)
    assert left >= 3
    leave(mount, daemon, left)
    assert not os.path.ismount(mount.path)

    mount.mount()
    assert wait_for_end(daemon, PATIENCE)
    assert f"stay in the journal: {left}" in mount.log()
    assert (mount.path / "d/f").read_text() == "kept\n"
    assert status(mount)["changes_left"] == left
    mount.sandbox.clear_faults()
    assert mount.f7tfs("sync", str(mount.path)).returncode == 0
    assert (mount.remote / "d/f").read_text() == "kept\n"
    assert (mount.remote / "g").read_text() == "other\n"
    assert mount.umount().returncode == 0
