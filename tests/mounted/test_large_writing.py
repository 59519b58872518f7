"""Uploads of large files that are interrupted."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.mounted.conftest import APIS, Mount, wait_until
from tests.mounted.test_large import MB, make_file, sha256

UPLOADS = ("ops/upload", "transfer/upload", "xfer-external/upload")


def uploads(mount: Mount) -> int:
    return sum(count for route, count in mount.sandbox.calls().items() if route.endswith(UPLOADS))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("api", APIS)
def test_an_upload_goes_on_after_the_daemons_death(new_mount: Callable[..., Mount], api: str, tmp_path: Path) -> None:
    mount = new_mount(api)
    mount.mount()
    digest = make_file(tmp_path / "in", 40 * MB)
    mount.sandbox.faults(latency=0.3)
    mount.run("cp", str(tmp_path / "in"), "large")
    wait_until(lambda: uploads(mount) >= (6 if api == "v2" else 1))
    (daemon,) = mount.daemons()
    os.kill(daemon, signal.SIGKILL)
    wait_until(mount.stale)
    mount.sandbox.clear_faults()
    mount.sandbox.reset_calls()
    mount.mount()
    assert mount.f7tfs("sync", str(mount.path)).returncode == 0
    assert sha256(mount.remote / "large") == digest
    if api == "v2":
        assert uploads(mount) < 8  # of eight pieces
    assert list((mount.remote / ".f7tfs").iterdir()) == []
    assert mount.umount().returncode == 0
    assert list(mount.state.rglob("uploads/*")) == []


@pytest.mark.timeout(600)
@pytest.mark.parametrize("api", APIS)
def test_transfers_are_shown_while_they_go_on(new_mount: Callable[..., Mount], api: str, tmp_path: Path) -> None:
    mount = new_mount(api)
    mount.mount()
    make_file(tmp_path / "in", 8 * MB)
    mount.sandbox.faults({"match": "POST .*(ops/mkdir|xfer-external)", "delay": 600.0})

    def shown() -> list[dict[str, object]]:
        done = mount.f7tfs("transfers", "--json", str(mount.path))
        assert done.returncode == 0, done.stderr
        return list(json.loads(done.stdout))

    assert shown() == []
    mount.run("cp", str(tmp_path / "in"), "large")
    wait_until(shown)
    (transfer,) = shown()
    assert (transfer["direction"], transfer["size"]) == ("upload", 8 * MB)
    assert str(transfer["path"]).endswith("/large")
    assert "/large\t" in mount.f7tfs("transfers").stdout
