"""A cluster that takes requests and never answers: who waits for it is told so at the deadline."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from tests.mounted.conftest import APIS, Mount

READERS = 12
"""More than there are connections: the last ones wait for their turn."""
GENEROUS = 300.0
CALLS = {
    "read": "os.read(os.open('{name}', os.O_RDONLY), 10)",
    "write": "os.pwrite(os.open('{name}', os.O_WRONLY), b'x', 2)",
    "setattr": "os.truncate('{name}', 5)",
}
PROGRAM = "import errno, os\ntry:\n    {call}\nexcept OSError as error:\n    print(errno.errorcode[error.errno])"


@pytest.fixture
def silent(new_mount: Callable[..., Mount], api: str) -> Iterator[Mount]:
    """What is listed is known; nothing was read yet, and nothing is answered any more."""
    mount = new_mount(api, "--deadline", "8", "--attribute-timeout", "600")
    for name in (*CALLS, *(f"f{index}" for index in range(READERS))):
        (mount.sandbox.home / name).write_text("content\n")
    (mount.sandbox.home / "run.log").write_bytes(b"converged\n" * 800_000)
    mount.mount()
    assert len(os.listdir(mount.path)) == READERS + len(CALLS) + 1
    os.kill(mount.sandbox.pid, signal.SIGSTOP)
    yield mount
    os.kill(mount.sandbox.pid, signal.SIGCONT)


def outcomes(mount: Mount, calls: list[str]) -> list[str]:
    """The errno that each call, made by a process of its own, ends with while nothing is answered."""
    started = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM.format(call=call)], cwd=mount.path, stdout=subprocess.PIPE, text=True
        )
        for call in calls
    ]
    return [process.communicate(timeout=GENEROUS)[0].strip() for process in started]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("api", APIS)
def test_whoever_needs_the_content_of_a_file_is_told_at_the_deadline(silent: Mount) -> None:
    calls = [call.format(name=name) for name, call in CALLS.items()]
    calls += [CALLS["read"].format(name=name) for name in (*(f"f{index}" for index in range(READERS)), "run.log")]
    assert outcomes(silent, calls) == ["ETIMEDOUT"] * len(calls)
    # By the deadline, not by whatever ends a request to the site.
    log = silent.log()
    assert log.count("took longer than its deadline") >= len(calls)
    assert [name for name in CALLS if f"{name}(" not in log] == []
