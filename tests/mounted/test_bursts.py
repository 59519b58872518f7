"""Bursts: in mode `auto` a program that changes many things is not waited for, and every promise is kept."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.mounted.conftest import APIS, PATIENCE, Mount

FILES = 60


@pytest.fixture(params=APIS)
def mount(new_mount: Callable[..., Mount], request: pytest.FixtureRequest) -> Mount:
    mount: Mount = new_mount(request.param, bursts=True)
    (mount.remote / "readme").touch()
    mount.mount()
    return mount


def program(mount: Mount, text: str, *, timeout: float = PATIENCE) -> str:
    """Run a program in the mount, as a process group of its own, as a shell at a prompt does."""
    done = subprocess.run(
        [sys.executable, "-c", text, str(mount.remote)],
        cwd=mount.path,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        start_new_session=True,
    )
    assert done.returncode == 0, f"{done.stderr}\n{mount.log()[-4000:]}"
    return done.stdout


PREFIX = """
import os, sys, time
from pathlib import Path
remote = Path(sys.argv[1])
def many(number):
    for index in range(number):
        Path(f"f{index}").write_text(f"content {index}")
"""


def sync(mount: Mount) -> None:
    done = mount.f7tfs("sync", str(mount.path))
    assert done.returncode == 0, done.stderr


def contents(top: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in top.glob("f*")}


EXPECTED = {f"f{index}": f"content {index}" for index in range(FILES)}


def test_what_one_command_changes_is_on_the_cluster_when_it_returns(mount: Mount) -> None:
    for number in range(10):
        program(mount, PREFIX + f'Path("n{number}").write_text("here"); os.mkdir("d{number}")')
        assert (mount.remote / f"n{number}").read_text() == "here"
        assert (mount.remote / f"d{number}").is_dir()


def test_what_is_written_after_a_burst_waits_for_its_directory(mount: Mount) -> None:
    program(mount, PREFIX + 'for index in range(30): os.mkdir(f"d{index}")')
    program(mount, PREFIX + 'Path("d29/note").write_text("here"); assert (remote / "d29/note").read_text() == "here"')


def test_many_files_of_one_program_travel_together(mount: Mount) -> None:
    mount.run("ls")
    mount.sandbox.reset_calls()
    program(mount, PREFIX + f"many({FILES})")
    sync(mount)
    assert contents(mount.remote) == EXPECTED
    # Six by themselves, and a few archives of some five calls each.
    assert mount.calls() < FILES * 3 // 4, mount.sandbox.calls()


def test_fsync_in_a_burst_waits_for_the_cluster(mount: Mount) -> None:
    text = f"""
many({FILES})
for index in range(20):
    with open(f"synced{{index}}", "w") as file:
        file.write("x")
        file.flush()
        os.fsync(file.fileno())
        assert (remote / f"synced{{index}}").read_text() == "x", index
"""
    program(mount, PREFIX + text)


def test_fsync_of_a_directory_waits_for_the_names_in_it(mount: Mount) -> None:
    text = f"""
many({FILES})
os.mkdir("made")
os.symlink("f1", "link")
os.rename("f2", "renamed")
os.fsync(os.open(".", os.O_RDONLY | os.O_DIRECTORY))
assert (remote / "made").is_dir()
assert os.readlink(remote / "link") == "f1"
assert (remote / "renamed").read_text() == "content 2"
assert not (remote / "f2").exists()
"""
    program(mount, PREFIX + text)


def test_chown_in_a_burst_is_decided_by_the_cluster(mount: Mount) -> None:
    text = f"""
many({FILES})
try:
    os.chown("f{FILES - 1}", 1, -1)
except OSError:
    pass
assert (remote / "f{FILES - 1}").exists()
"""
    program(mount, PREFIX + text)


def test_an_unmount_after_a_burst_waits_until_the_cluster_has_it(mount: Mount) -> None:
    program(mount, PREFIX + f"many({FILES})")
    assert mount.umount().returncode == 0
    assert contents(mount.remote) == EXPECTED


def test_a_job_that_is_submitted_after_a_burst_finds_all_of_it(mount: Mount) -> None:
    text = f"""
many({FILES})
Path(".jobs/count.sh").write_text("#!/bin/bash\\ncat f* | wc -c\\n")
print(Path(".jobs/last/wait").read_text())
print(Path(".jobs/last/stdout").read_text())
"""
    printed = program(mount, PREFIX + text)
    assert str(sum(map(len, EXPECTED.values()))) in printed.split()


def test_nothing_of_a_burst_is_lost_when_the_daemon_is_killed(mount: Mount) -> None:
    mount.sandbox.faults({"match": "extract", "delay": 1.0, "count": None})
    program(mount, PREFIX + f"many({FILES})")
    for daemon in mount.daemons():
        os.kill(daemon, signal.SIGKILL)
    mount.sandbox.clear_faults()
    mount.mount()
    sync(mount)
    assert contents(mount.remote) == EXPECTED


def test_a_program_that_goes_on_is_told_that_its_quota_is_used_up(mount: Mount) -> None:
    mount.sandbox.faults(quota=30_000)
    text = f"""
end = time.monotonic() + {PATIENCE}
index = 0
while time.monotonic() < end:
    try:
        Path(f"g{{index}}").write_text("x" * 1000)
    except OSError as error:
        print(error.errno)
        break
    index += 1
    time.sleep(0.02)
"""
    printed = program(mount, PREFIX + text, timeout=PATIENCE * 2)
    assert printed.split() == [str(errno.EDQUOT)]
    assert mount.f7tfs("sync", str(mount.path)).returncode == 1
    assert "FAILED" in mount.f7tfs("status", str(mount.path)).stdout


def test_noburst_lets_each_change_wait(new_mount: Callable[..., Mount]) -> None:
    mount = new_mount("v2", "-o", "noburst", bursts=True)
    mount.mount()
    program(mount, PREFIX + f"many({FILES})\nassert len(list(remote.glob('f*'))) == {FILES}")
