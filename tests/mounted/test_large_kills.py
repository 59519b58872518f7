"""kill -9 of the daemon in each phase of a large upload and of a large download: the next mount goes on with it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from f7tfs.sandbox.process import SandboxProcess
from tests.mounted.conftest import APIS, Mount, wait_until
from tests.mounted.test_large_reading import has_open
from tests.mounted.test_large_rewritten import state

SMALL = {"max_ops_file_size": 64 * 2**10, "max_part_size": 2**20}
"""Then 4 MiB are above all limits: on v2 they go in four parts through object storage."""
SIZE = 4 * 2**20
HELD: dict[str, Any] = {"delay": 600.0, "count": None}
BEGUN = ("transfer/upload", "xfer-external/upload")
STAGED = ("transfer/download", "xfer-external/download")

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def small_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    with SandboxProcess(tmp_path_factory.mktemp("sandbox"), **SMALL) as sandbox:
        yield sandbox


@pytest.fixture
def mount(new_mount: Callable[..., Mount], small_sandbox: SandboxProcess, api: str) -> Iterator[Mount]:
    """Mounted over an empty directory of its own; at the end nothing of any transfer is left."""
    top = small_sandbox.home / f"{api}-{time.time_ns()}"
    top.mkdir()
    small_sandbox.clear_faults()
    info = small_sandbox.info
    made = new_mount(api, sandbox=small_sandbox, source=f"{info.system}:{info.home}/{top.name}")
    made.remote = top
    made.mount()
    yield made
    small_sandbox.clear_faults()
    assert made.umount().returncode == 0
    assert list(made.state.rglob("uploads/*")) == []
    assert list((small_sandbox.home / ".f7tfs").glob("*")) == []


def count(mount: Mount, routes: tuple[str, ...]) -> int:
    return sum(count for route, count in mount.sandbox.calls().items() if route.endswith(routes))


def look_anew(mount: Mount) -> None:
    assert mount.f7tfs("refresh", str(mount.path)).returncode == 0


def kill(mount: Mount) -> None:
    (daemon,) = mount.daemons()
    os.kill(daemon, signal.SIGKILL)
    wait_until(mount.stale)


def whole_is_sent(left: dict[str, Any]) -> bool:
    return bool(left.get("completed") or left.get("sent") is True)


@dataclass(frozen=True)
class Phase:
    """Where an upload is held by `faults`, and how that is seen, in what is written down of it and in the calls."""

    faults: dict[str, Any]
    reached: Callable[[dict[str, Any], set[str]], bool]
    begun_again: int = 0
    rules: tuple[dict[str, Any], ...] = field(default=())


UPLOADS: dict[tuple[str, str], Phase] = {
    ("before it begins", "v2"): Phase(
        {}, lambda _, calls: "transfer/upload" in calls, 1, ({"match": "transfer/upload", **HELD},)
    ),
    ("before it begins", "v1"): Phase(
        {}, lambda _, calls: "xfer-external/upload" in calls, 1, ({"match": "external/upload", **HELD},)
    ),
    ("parts", "v2"): Phase(
        {"s3_rules": [{"match": "^PUT"}, {"match": "^PUT", **HELD}]}, lambda left, _: bool(left.get("etags"))
    ),
    ("parts", "v1"): Phase({"s3_rules": [{"match": "^POST", **HELD}]}, lambda left, _: bool(left.get("task")), 1),
    ("the job waits", "v2"): Phase({"hold_jobs": True}, lambda left, _: whole_is_sent(left)),
    ("the job waits", "v1"): Phase({"hold_tasks": "112"}, lambda left, _: whole_is_sent(left)),
    ("the job runs", "v2"): Phase({"staging_delay": 3.0}, lambda left, _: whole_is_sent(left)),
    ("the job runs", "v1"): Phase({"staging_delay": 3.0}, lambda left, _: whole_is_sent(left)),
    ("size", "v2"): Phase({}, lambda left, _: whole_is_sent(left), 0, ({"match": "ops/stat.*f7tfs(/|%2F)", **HELD},)),
    ("size", "v1"): Phase(
        {}, lambda left, _: whole_is_sent(left), 0, ({"match": "utilities/stat.*f7tfs(/|%2F)", **HELD},)
    ),
    ("move", "v2"): Phase({}, lambda _, calls: "transfer/mv" in calls, 0, ({"match": "transfer/mv", **HELD},)),
    ("move", "v1"): Phase(
        {}, lambda _, calls: "utilities/rename" in calls, 0, ({"match": "utilities/rename", **HELD},)
    ),
}
OFTEN = {"parts", "move"}


def phases(table: dict[tuple[str, str], Any], often: set[str]) -> list[Any]:
    return [
        pytest.param(name, api, id=f"{name}-{api}", marks=[] if name in often else pytest.mark.long)
        for name, api in table
    ]


@pytest.mark.parametrize(("phase", "api"), phases(UPLOADS, OFTEN))
def test_an_upload_goes_on_where_the_daemon_was_killed(mount: Mount, phase: str, api: str) -> None:
    assert {each for _, each in UPLOADS} == set(APIS)
    held, content = UPLOADS[phase, api], os.urandom(SIZE)
    (mount.remote / "large").write_bytes(b"old")
    look_anew(mount)
    mount.sandbox.reset_calls()
    mount.sandbox.faults(*held.rules, **held.faults)
    (mount.path / "large").write_bytes(content)

    def reached() -> bool:
        calls = {"/".join(route.split("/")[-2:]) for route in mount.sandbox.calls()}
        return held.reached(state(mount), calls)

    wait_until(reached)
    kill(mount)
    assert (mount.remote / "large").read_bytes() == b"old"
    kept = len(state(mount).get("etags") or ())  # type: ignore[arg-type]  # it is a table
    mount.sandbox.clear_faults()
    mount.sandbox.reset_calls()
    mount.mount()
    done = mount.f7tfs("sync", str(mount.path))
    assert done.returncode == 0, f"{done.stdout}{done.stderr}\n{mount.log()[-6000:]}"
    assert (mount.remote / "large").read_bytes() == content
    assert count(mount, BEGUN) == held.begun_again
    assert kept >= 1 or (phase, api) != ("parts", "v2")


COMPRESSED: dict[tuple[str, str], tuple[str, int]] = {
    ("extraction", "v2"): ("ops/extract", 1),
    ("extraction", "v1"): ("utilities/extract", 1),
    ("its place", "v2"): ("ops/extract", 2),
    ("its place", "v1"): ("utilities/rename", 1),
    ("cleaning", "v2"): ("ops/rm", 1),
    ("cleaning", "v1"): ("utilities/rm", 1),
}
"""The call that is held: its route, and which of them."""


@pytest.mark.parametrize(("phase", "api"), phases(COMPRESSED, set()))
def test_what_goes_compressed_is_sent_anew_where_the_daemon_was_killed(mount: Mount, phase: str, api: str) -> None:
    route, number = COMPRESSED[phase, api]
    content = b"".join(b"step %09d energy -76.02 converged\n" % step for step in range(12_000))
    mount.sandbox.reset_calls()
    mount.sandbox.faults(*[{"match": route, "delay": 0.0}] * (number - 1), {"match": route, **HELD})
    (mount.path / "run.log").write_bytes(content)
    wait_until(lambda: count(mount, (route,)) == number)
    kill(mount)
    assert (mount.remote / "run.log").exists() is (phase == "cleaning")
    mount.sandbox.clear_faults()
    mount.mount()
    done = mount.f7tfs("sync", str(mount.path))
    assert done.returncode == 0, f"{done.stdout}{done.stderr}\n{mount.log()[-6000:]}"
    assert [path.name for path in mount.remote.iterdir()] == ["run.log"]
    assert (mount.remote / "run.log").read_bytes() == content
    wait_until(lambda: list((mount.sandbox.home / ".f7tfs").iterdir()) == [])
    assert not list(mount.remote.glob("large.conflict-*"))


DOWNLOADS: dict[tuple[str, str], dict[str, Any]] = {
    ("before it begins", "v2"): {"rules": ({"match": "transfer/download", **HELD},)},
    ("before it begins", "v1"): {"rules": ({"match": "external/download", **HELD},)},
    ("staging", "v2"): {"hold_jobs": True},
    ("staging", "v1"): {"hold_tasks": "116"},
    ("ranges", "v2"): {"s3_rules": [{"match": "^GET", **HELD}]},
    ("ranges", "v1"): {"s3_rules": [{"match": "^GET", **HELD}]},
}


@pytest.mark.parametrize(("phase", "api"), phases(DOWNLOADS, {"staging"}))
def test_a_download_is_read_whole_after_the_daemon_was_killed(mount: Mount, phase: str, api: str) -> None:
    content = os.urandom(SIZE)
    (mount.remote / "large.h5").write_bytes(content)
    os.utime(mount.remote / "large.h5", (1_600_000_000, 1_600_000_000))
    look_anew(mount)
    if phase == "ranges":
        # The copy is there, and known.
        with (mount.path / "large.h5").open("rb", buffering=0) as file:
            assert file.read(10) == content[:10]
        assert list(mount.state.rglob("staged.json"))
    mount.sandbox.reset_calls()
    held = dict(DOWNLOADS[phase, api])
    mount.sandbox.faults(*held.pop("rules", ()), **held)
    with subprocess.Popen(["cat", str(mount.path / "large.h5")], stdout=subprocess.DEVNULL) as reader:
        try:
            wait_until(lambda: has_open(reader, mount.path / "large.h5"))
            wait_until(lambda: count(mount, STAGED) or phase == "ranges")
            kill(mount)
            # Its read ends with an error as soon as nobody serves it any more.
            assert reader.wait(60) != 0
        finally:
            reader.kill()
    mount.sandbox.clear_faults()
    mount.sandbox.reset_calls()
    mount.mount()
    assert (mount.path / "large.h5").read_bytes() == content
    # A copy that is known to be there is used again.
    assert count(mount, STAGED) == (0 if phase == "ranges" else 1)
