"""Uploads of large files: interrupted, and compressed."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.mounted.conftest import APIS, Mount, wait_until
from tests.mounted.test_large import MB, make_file, sha256

UPLOADS = ("ops/upload", "transfer/upload", "xfer-external/upload")
JOBS = "compute|transfer|xfer-external"
MTIME = 1_600_000_000_123_456_789


def uploads(mount: Mount) -> int:
    return sum(count for route, count in mount.sandbox.calls().items() if route.endswith(UPLOADS))


def recorded(mount: Mount) -> int:
    """Pieces of an upload under way that were written down as sent."""
    for record in (mount.state / "state").rglob("uploads/*"):
        with contextlib.suppress(ValueError, FileNotFoundError):
            return len(json.loads(record.read_text()).get("sent", {}))
    return 0


def accepted(mount: Mount) -> int:
    """Pieces that the server took, by the log; it may have refused some at first, for want of sessions."""
    return len(re.findall(r"ops/upload: 20\d in", mount.log()))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("api", APIS)
def test_an_upload_goes_on_after_the_daemons_death(new_mount: Callable[..., Mount], api: str, tmp_path: Path) -> None:
    mount = new_mount(api)
    mount.mount()
    digest = make_file(tmp_path / "in", 40 * MB)
    mount.sandbox.faults(latency=0.3)
    mount.run("cp", str(tmp_path / "in"), "large")
    wait_until(lambda: recorded(mount) >= 3 if api == "v2" else uploads(mount))
    (daemon,) = mount.daemons()
    os.kill(daemon, signal.SIGKILL)
    wait_until(mount.stale)
    kept, before = recorded(mount), accepted(mount)
    mount.sandbox.clear_faults()
    mount.mount()
    assert mount.f7tfs("sync", str(mount.path)).returncode == 0
    assert sha256(mount.remote / "large") == digest
    if api == "v2":
        assert accepted(mount) - before <= 8 - kept  # of eight pieces
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


@pytest.mark.timeout(600)
@pytest.mark.parametrize("api", APIS)
def test_a_text_goes_compressed_in_a_few_calls_and_without_a_job(
    new_mount: Callable[..., Mount], api: str, tmp_path: Path
) -> None:
    mount = new_mount(api, settings={"max_ops_file_size": 64 * 2**10})
    mount.mount()
    log = b"".join(b"step %09d energy -76.02 converged\n" % number for number in range(12_000))
    # On v1 what does not compress takes its time, and the test above has it.
    for content, by_job in ((log, False), (os.urandom(len(log)), True))[: 2 if api == "v2" else 1]:
        (tmp_path / "run.log").write_bytes(content)
        os.utime(tmp_path / "run.log", ns=(MTIME, MTIME))
        (tmp_path / "run.log").chmod(0o640)
        mount.sandbox.reset_calls()
        mount.run("cp", "-p", str(tmp_path / "run.log"), "run.log")
        assert mount.f7tfs("sync", str(mount.path)).returncode == 0
        calls, there = mount.sandbox.calls(), mount.remote / "run.log"
        assert there.read_bytes() == content
        assert (there.stat().st_mode & 0o777, there.stat().st_nlink) == (0o640, 1)
        assert any(re.search(JOBS, call) for call in calls) is by_job
        if not by_job:
            assert there.stat().st_mtime_ns == MTIME
            assert sum(count for call, count in calls.items() if "token" not in call) <= 16, calls
        assert list((mount.remote / ".f7tfs").iterdir()) == []
    assert mount.umount().returncode == 0
    assert list(mount.state.rglob("uploads/*")) == []
