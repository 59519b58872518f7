"""Ctrl-C and `kill -9` of a program that waits for a cluster that hangs."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from f7tfs.sandbox.process import SandboxProcess
from tests.mounted.conftest import APIS, PATIENCE, Mount, wait_until
from tests.mounted.figures import note

# What a request hangs for: much longer than the patience of the tests, and than any process needs to be released.
HANGS = 3000.0
READ, LIST, WRITE = "GET .*download", "GET .*ls.*%2Fd", "POST .*upload"


@pytest.fixture(scope="module", params=APIS)
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mount]:
    """A mount that gives a cluster that hangs much more time than a user would."""
    base = tmp_path_factory.mktemp("mount")
    (base / "mnt").mkdir()
    with SandboxProcess(tmp_path_factory.mktemp("sandbox")) as sandbox:
        mount = Mount(
            sandbox, request.param, base / "mnt", base, sandbox.home, ("--deadline", str(HANGS), "-o", "nobulk")
        )
        mount.mount()
        yield mount
        mount.abandon()


@pytest.fixture
def patient(whole: Mount) -> Iterator[Mount]:
    """A directory of its own in that mount."""
    if not os.path.ismount(whole.path):
        whole.mount()
    name = f"t{time.time_ns()}"
    (whole.path / name).mkdir()
    mount = whole.inside(whole.path / name)
    # The mount may take the server that was restarted for away, and have the directory in its journal.
    wait_until(mount.remote.is_dir)
    (mount.remote / "f").write_text("content\n")
    (mount.remote / "d").mkdir()
    (mount.remote / "d/g").write_text("deep\n")
    mount.f7tfs("refresh", str(mount.path))
    assert sorted(os.listdir(mount.path)) == ["d", "f"]
    yield mount
    # It would wait for the answers that it owes.
    restart(mount)


def restart(mount: Mount) -> None:
    """The server owes no answer any more."""
    mount.sandbox.kill()
    mount.sandbox.start()


def hang(mount: Mount, match: str, seconds: float = HANGS) -> None:
    mount.sandbox.reset_calls()
    mount.sandbox.faults({"match": match, "delay": seconds, "count": None})


def released(process: subprocess.Popen[str], number: signal.Signals) -> None:
    """Send a signal, and wait until the process has ended."""
    sent = time.monotonic()
    process.send_signal(number)
    process.wait(PATIENCE)
    note("seconds until a killed process was released:", round(time.monotonic() - sent, 2))


@contextlib.contextmanager
def started(mount: Mount, *command: str, call: str = "download") -> Iterator[subprocess.Popen[str]]:
    """A program in the mount that waits for the cluster when this returns; it is gone afterwards."""
    # Descriptors of their own, so that what is killed leaves no reader behind.
    with subprocess.Popen(
        command, cwd=mount.path, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True
    ) as process:
        try:
            if command[0] == "tee":
                assert process.stdin is not None
                process.stdin.write("written\n")
                process.stdin.close()
                process.stdin = None
            wait_until(lambda: any(route.endswith(call) for route in mount.sandbox.calls()))
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
@pytest.mark.parametrize(
    ("command", "match"), [("cat f", READ), ("ls d", LIST), ("stat d/g", LIST)], ids=["read", "list", "lookup"]
)
def test_a_killed_program_is_released(
    patient: Mount,
    command: str,
    match: str,
    number: signal.Signals,
) -> None:
    hang(patient, match)
    with started(patient, *command.split(), call="ls" if match == LIST else "download") as process:
        released(process, number)
        assert process.returncode == -number


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_writer_is_released_and_what_it_wrote_follows(patient: Mount, number: signal.Signals) -> None:
    hang(patient, WRITE)
    with started(patient, "tee", "new", call="upload") as process:
        released(process, number)
    restart(patient)
    assert patient.f7tfs("sync", str(patient.path)).returncode == 0
    assert (patient.remote / "new").read_text() == "written\n"


FSYNC = """
import os
descriptor = os.open("new", os.O_WRONLY | os.O_CREAT)
os.write(descriptor, b"written\\n")
os.fsync(descriptor)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_who_is_killed_in_fsync_is_released_and_what_it_wrote_follows(patient: Mount, number: signal.Signals) -> None:
    hang(patient, WRITE)
    with started(patient, sys.executable, "-c", FSYNC, call="upload") as process:
        released(process, number)
        assert process.returncode == -number
    restart(patient)
    assert patient.f7tfs("sync", str(patient.path)).returncode == 0
    assert (patient.remote / "new").read_text() == "written\n"


READER = """
import os, sys, threading
def read(): sys.stdout.buffer.write(os.read(descriptor, 100)); sys.stdout.flush()
descriptor = os.open("f", os.O_RDONLY)
threads = [threading.Thread(target=read) for _ in range(4)]
[each.start() for each in threads]
[each.join() for each in threads]
"""


def test_a_killed_reader_of_many_threads_is_released_and_the_mount_can_be_unmounted(
    whole: Mount, patient: Mount
) -> None:
    hang(patient, READ)
    with started(patient, sys.executable, "-c", READER) as process:
        wait_until(lambda: len(list(Path(f"/proc/{process.pid}/task").iterdir())) == 5)
        released(process, signal.SIGKILL)
    restart(patient)
    assert whole.umount().returncode == 0


def test_an_unmount_does_not_wait_for_a_read_that_nobody_waits_for(whole: Mount, patient: Mount) -> None:
    """The kernel reads ahead: the one who caused it may have gone long ago."""
    hang(patient, READ)
    with started(patient, "cat", "f") as process:
        process.kill()
        assert whole.f7tfs("umount", "--lazy", str(whole.path)).returncode == 0
    wait_until(lambda: not whole.daemons())


IGNORES = """
import signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
sys.stdout.write(open("f").read())
"""


def test_an_ignored_interrupt_ends_nothing(patient: Mount) -> None:
    hang(patient, READ, 3.0)
    with started(patient, sys.executable, "-c", IGNORES) as process:
        for _ in range(20):
            process.send_signal(signal.SIGINT)
            time.sleep(0.1)
        assert process.communicate(timeout=PATIENCE)[0] == "content\n"


ALARMED = """
import ctypes, os, signal
count = 0
def ring(*_):
    global count
    count += 1
signal.signal(signal.SIGALRM, ring)
signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
libc, buffer = ctypes.CDLL(None, use_errno=True), ctypes.create_string_buffer(100)
descriptor = libc.open(b"f", os.O_RDONLY)
assert descriptor >= 0, ctypes.get_errno()
size = libc.read(descriptor, buffer, 100)
assert size >= 0, ctypes.get_errno()
assert libc.close(descriptor) == 0
assert count, "the alarm never rang"
print(buffer.raw[:size].decode(), end="")
"""


def test_a_signal_that_a_program_handles_is_no_error(patient: Mount) -> None:
    """git's progress counts on it."""
    hang(patient, READ, 2.5)
    done = subprocess.run(
        [sys.executable, "-c", ALARMED], cwd=patient.path, capture_output=True, text=True, timeout=300, check=False
    )
    assert (done.stdout, done.stderr) == ("content\n", "")


def test_other_readers_go_on_when_one_is_killed(patient: Mount) -> None:
    hang(patient, READ, 2.0)
    with started(patient, "cat", "f") as killed, started(patient, "cat", "f") as other:
        released(killed, signal.SIGKILL)
        assert other.communicate(timeout=PATIENCE)[0] == "content\n"
