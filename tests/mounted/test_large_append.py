"""Appending to large files with `-o append`: what travels, and what becomes of it when something goes wrong."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mounted.conftest import Mount, wait_until
from tests.mounted.test_large_rewritten import state

OLD = 6 * 2**20
DIRECT = ("ops/upload", "utilities/upload")
STAGED = ("transfer/upload", "xfer-external/upload")

pytestmark = pytest.mark.timeout(600)


def count(mount: Mount, routes: tuple[str, ...]) -> int:
    return sum(count for route, count in mount.sandbox.calls().items() if route.endswith(routes))


def scratch(mount: Mount) -> set[Path]:
    return set((mount.sandbox.home / ".f7tfs").glob("*"))


@pytest.fixture
def content() -> bytes:
    return os.urandom(OLD)


@pytest.fixture
def appending(own: Mount, content: bytes) -> Iterator[Mount]:
    """A mount with a large file, which was written long ago; nothing is left of what is sent to it."""
    own.options = (*own.options, "-o", "append")
    (own.remote / "big").write_bytes(content)
    (own.remote / "big").chmod(0o640)
    os.utime(own.remote / "big", (1_600_000_000, 1_600_000_000))
    before = scratch(own)
    own.mount()
    own.run("md5sum", "big")
    own.sandbox.reset_calls()
    yield own
    assert own.umount().returncode == 0
    assert list(own.state.rglob("uploads/*")) == []
    assert scratch(own) - before == set()


def sync(mount: Mount) -> None:
    done = mount.f7tfs("sync", str(mount.path))
    assert done.returncode == 0, f"{done.stdout}{done.stderr}\n{mount.log()[-6000:]}"


def conflicts(mount: Mount) -> list[bytes]:
    return [path.read_bytes() for path in mount.remote.glob("big.conflict-*")]


def append_and_hold(mount: Mount, text: str) -> None:
    """The job that is to add it waits in the queue, with nothing but it in its directory."""
    before = scratch(mount)
    mount.sandbox.faults(hold_jobs=True)
    mount.sh(f"echo {text} >> big")
    wait_until(lambda: state(mount).get("job"))
    (directory,) = scratch(mount) - before
    assert sum(path.stat().st_size for path in directory.glob("p*")) == len(text) + 1


def test_only_what_was_appended_travels(appending: Mount, content: bytes) -> None:
    for turn in range(2):
        appending.sh(f"echo line {turn} >> big")
        content += f"line {turn}\n".encode()
        sync(appending)
        assert (appending.remote / "big").read_bytes() == content
    # On v1 one more for each job's script.
    assert count(appending, DIRECT) == (2 if appending.api == "v2" else 4)
    assert count(appending, STAGED) == 0
    assert (appending.remote / "big").stat().st_mode & 0o777 == 0o640
    assert (appending.path / "big").read_bytes() == content


def test_what_was_changed_before_its_end_is_sent_whole(appending: Mount, content: bytes) -> None:
    with (appending.path / "big").open("r+b") as file:
        file.write(b"x")
        file.seek(OLD)
        file.write(b"more\n")
    sync(appending)
    assert (appending.remote / "big").read_bytes() == b"x" + content[1:] + b"more\n"
    assert (count(appending, DIRECT), count(appending, STAGED)) == ((2, 0) if appending.api == "v2" else (0, 1))


@pytest.mark.parametrize("meanwhile", ["the job runs", pytest.param("nothing", marks=pytest.mark.long)])
def test_an_append_is_made_once_though_the_daemon_is_killed(appending: Mount, content: bytes, meanwhile: str) -> None:
    append_and_hold(appending, "more")
    (daemon,) = appending.daemons()
    os.kill(daemon, signal.SIGKILL)
    wait_until(appending.stale)
    assert (appending.remote / "big").read_bytes() == content
    appending.sandbox.clear_faults()
    if meanwhile == "the job runs":
        wait_until(lambda: (appending.remote / "big").stat().st_size > OLD)
    appending.sandbox.reset_calls()
    appending.mount()
    sync(appending)
    assert (appending.remote / "big").read_bytes() == content + b"more\n"
    assert count(appending, STAGED + DIRECT) == 0
    assert conflicts(appending) == []


def test_a_file_that_another_changes_meanwhile_is_kept_and_so_is_what_was_written_here(
    appending: Mount, content: bytes
) -> None:
    append_and_hold(appending, "from here")
    with (appending.remote / "big").open("ab") as there:
        there.write(b"from there\n")
    appending.sandbox.clear_faults()
    wait_until(lambda: conflicts(appending))
    sync(appending)
    assert (appending.remote / "big").read_bytes() == content + b"from there\n"
    assert conflicts(appending) == [content + b"from here\n"]


def test_where_no_job_can_be_had_all_of_it_is_sent(appending: Mount, content: bytes) -> None:
    appending.sandbox.faults(refuse_jobs=2 if appending.api == "v2" else 1)
    appending.sh("echo more >> big")
    sync(appending)
    assert (appending.remote / "big").read_bytes() == content + b"more\n"
    assert count(appending, STAGED) == 1
