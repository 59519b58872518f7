"""A daemon that did not run for a while, as on a laptop that was suspended, goes on by itself."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable

import pytest

from tests.mounted.conftest import Mount, wait_until

pytestmark = [pytest.mark.usefixtures("quiet_log"), pytest.mark.expects_log(" WARNING ")]

HANGS = 30.0


@pytest.mark.parametrize(("api", "mode"), [("v2", "auto"), ("v1", "async")])
def test_what_was_under_way_and_what_waited_arrives_after_a_suspend(
    new_mount: Callable[..., Mount], api: str, mode: str
) -> None:
    """Meanwhile its connections have died, its token has ended, and somebody has written on the cluster."""
    mount = new_mount(api, "--write-mode", mode, bursts=True)
    (mount.remote / "theirs").write_text("as it was")
    mount.mount()
    (mount.path / "before").write_text("x")
    assert (mount.path / "theirs").read_text() == "as it was"
    assert mount.f7tfs("sync", str(mount.path)).returncode == 0
    mount.sandbox.faults({"match": "(upload|extract)", "delay": HANGS, "count": None})
    mount.sandbox.reset_calls()
    script = "for i in {1..12}; do echo $i > ours$i & done; mkdir d; echo y > d/f; wait"
    with subprocess.Popen(["bash", "-euc", script], cwd=mount.path) as program:
        wait_until(lambda: any("upload" in call for call in mount.sandbox.calls()))
        (daemon,) = mount.daemons()
        os.kill(daemon, signal.SIGSTOP)
        try:
            mount.sandbox.kill()
            mount.sandbox.start()
            mount.sandbox.expire_tokens()
            (mount.remote / "theirs").write_text("changed by another")
        finally:
            os.kill(daemon, signal.SIGCONT)
    assert program.returncode == 0
    wait_until(lambda: (mount.remote / "d/f").exists() and (mount.remote / "d/f").read_text() == "y\n")
    assert mount.f7tfs("sync", str(mount.path)).returncode == 0
    assert [(mount.remote / f"ours{i}").read_text() for i in range(1, 13)] == [f"{i}\n" for i in range(1, 13)]
    wait_until(lambda: (mount.path / "theirs").read_text() == "changed by another")
    told = json.loads(mount.f7tfs("status", "--json", str(mount.path)).stdout)
    assert (told["reachable"], told["changes_left"], told["failed"]) == (True, 0, [])
    assert mount.daemons() == [daemon]
    assert mount.umount().returncode == 0
