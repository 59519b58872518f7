"""`fsync` means that the cluster has it: what may pass is tried again, what was refused is told."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.mounted.conftest import APIS, Mount, wait_until

UPLOAD = "(POST|PUT) .*/(filesystem|utilities)/.*upload"
TROUBLE: dict[str, dict[str, Any]] = {
    "503": {"status": 503},
    "no JSON": {"status": 500, "body": "no JSON"},
    "a gateway": {"status": 502, "body": "<html>", "content_type": "text/html"},
    "429": {"status": 429, "retry_after": 0},
    "dropped before": {"drop": "before"},
    "dropped after": {"drop": "after"},
}


def write_and_fsync(path: Path, text: str) -> None:
    with path.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("mode", ["auto", "sync"])
def test_fsync_and_a_synchronous_close_go_on_where_answers_are_lost(
    new_mount: Callable[..., Mount], api: str, mode: str
) -> None:
    mount = new_mount(api, "--write-mode", mode)
    mount.mount()
    for name, trouble in TROUBLE.items():
        mount.sandbox.faults({**trouble, "count": 2, "match": UPLOAD})
        write = Path.write_text if mode == "sync" else write_and_fsync
        write(mount.path / name, name)
        assert (mount.remote / name).read_text() == name
        assert rule_left(mount) == 0, f"{name} was not met"
    assert mount.umount().returncode == 0
    assert sorted(os.listdir(mount.remote)) == sorted(TROUBLE)


def rule_left(mount: Mount) -> int:
    (rule,) = mount.sandbox._admin("GET", "faults")["rules"]
    return int(rule["count"])


@pytest.mark.parametrize("api", APIS)
def test_fsync_tells_a_refusal_at_once(new_mount: Callable[..., Mount], api: str) -> None:
    mount = new_mount(api)
    mount.mount()
    mount.sandbox.faults(quota=0)
    mount.sandbox.reset_calls()
    with pytest.raises(OSError, match=os.strerror(errno.EDQUOT)):
        write_and_fsync(mount.path / "f", "text")
    assert sum(count for call, count in mount.sandbox.calls().items() if call.endswith("/upload")) == 1
    mount.sandbox.clear_faults()


@pytest.mark.parametrize("mode", ["auto", "sync"])
def test_fsync_and_a_synchronous_close_tell_that_the_cluster_is_away(
    new_mount: Callable[..., Mount], mode: str
) -> None:
    mount = new_mount("v2", "--write-mode", mode, "--deadline", "8")
    mount.mount()
    (mount.path / "f").write_text("old")
    mount.sandbox.faults({"status": 503, "count": None, "match": UPLOAD})
    write = Path.write_text if mode == "sync" else write_and_fsync
    with pytest.raises(OSError, match=r"No route to host|timed out|error"):
        write(mount.path / "f", "newer")
    assert (mount.path / "f").read_text() == "newer"
    assert (mount.remote / "f").read_text() == "old"
    mount.sandbox.clear_faults()
    wait_until(lambda: (mount.remote / "f").read_text() == "newer")
    assert mount.umount().returncode == 0
