"""What the journal makes of changes that wait together (as Coda's): fewer, and counted at the server."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from f7tfs.sandbox.process import SandboxProcess
from f7tfs.vfs.shipping import PAUSE_SECONDS
from tests.mounted.conftest import APIS, Mount

pytestmark = pytest.mark.usefixtures("quiet_log")

OLD = 1_600_000_000
ARCHIVE = 3
LOOKS = 5
"""Before it and after it; the first one of a mount looks for its directory, makes it, and closes it to others."""
ROUND = 8
"""Calls that a pause in a program may cost: what waited goes, and what follows it goes by itself."""


@dataclass(frozen=True)
class Row:
    """What is done in an empty directory that is known, and the fewest calls that bring it to the cluster."""

    name: str
    fewest: int
    command: str
    there: dict[str, tuple[str, int]]
    """What the cluster has then: content and mode, by name."""
    within: int = 0
    """Calls more, in which an archive looks before it goes and after it came."""


FEW = "for i in 1 2 3 4 5 6 7 8"
EIGHT = {f"f{index}": (f"{index}\n", 0o640) for index in range(1, 9)}
ROWS = [
    Row("a file that is made and removed never travels", 0, "echo x > f; rm f", {}),
    Row("a tree that is made and removed never travels", 0, f"mkdir d; {FEW}; do echo $i > d/f$i; done; rm -r d", {}),
    Row("a link that is made and removed never travels", 0, "ln -s nowhere l; rm l", {}),
    Row("ten writes are one", 1, "for i in 0 1 2 3 4 5 6 7 8 9; do echo $i >> f; done", {"f": ("0123456789", 0o644)}),
    Row(
        "a file that is made and renamed is made under its last name", 1, "echo x > a; mv a b", {"b": ("x\n", 0o644)}
    ),
    Row(
        "renamed again and again too",
        1,
        "echo x > a; mv a b; mv b c; mv c d",
        {"d": ("x\n", 0o644)},
    ),
    Row("several modes are one", 2, "echo x > f; chmod 600 f; chmod 666 f; chmod 640 f", {"f": ("x\n", 0o640)}),
    Row("a time costs nothing", 1, "echo x > f; touch -d @1600000000 f", {"f": ("x\n", 0o644)}),
    Row(
        "modes and times ride along",
        ARCHIVE,
        f"{FEW}; do echo $i > f$i; chmod 640 f$i; touch -d @1600000000 f$i; done",
        EIGHT,
        within=LOOKS,
    ),
    Row(
        "all of it together",
        ARCHIVE,
        f"{FEW}; do echo x > g$i; echo $i > g$i; chmod 640 g$i; mv g$i f$i; echo n > n$i; rm n$i; done",
        EIGHT,
        within=LOOKS,
    ),
]


@pytest.fixture(scope="module", params=APIS)
def asynchronous(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mount]:
    base = tmp_path_factory.mktemp(f"optimised-{request.param}")
    (base / "mnt").mkdir()
    (base / "root").mkdir()
    with SandboxProcess(base / "root") as sandbox:
        (sandbox.home / "readme").touch()
        mount = Mount(sandbox, request.param, base / "mnt", base, sandbox.home, ("--write-mode", "async"))
        mount.mount()
        yield mount
        left = mount.umount()
        mount.abandon()
        assert left.returncode == 0, left.stderr


def found(top: Path) -> dict[str, tuple[str, int]]:
    told = {path.name: (path.read_text(), path.stat().st_mode & 0o777) for path in top.iterdir()}
    return {name: (text if len(text) < 5 else text.replace("\n", ""), mode) for name, (text, mode) in told.items()}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_what_waits_together_is_made_less(asynchronous: Mount, row: Row) -> None:
    whole = asynchronous
    name = row.name.replace(" ", "-")
    (whole.remote / name).mkdir()
    whole.f7tfs("refresh", str(whole.path))
    mount = whole.inside(whole.path / name)
    mount.run("ls")
    mount.sandbox.reset_calls()
    began = time.monotonic()
    done = subprocess.run(
        ["bash", "-euc", f"umask 022; {row.command}"],
        cwd=mount.path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    seconds = time.monotonic() - began
    assert done.returncode == 0, done.stderr
    synced = whole.f7tfs("sync", str(whole.path))
    assert synced.returncode == 0, synced.stderr
    # On a machine where it took longer than the journal waits for more, a part has gone before the rest was made.
    budget = row.fewest + row.within + ROUND * int(seconds / PAUSE_SECONDS)
    calls = mount.sandbox.calls()
    assert mount.calls() <= budget, f"{calls}\n{mount.log()[-3000:]}"
    assert found(mount.remote) == row.there
    if row.name.startswith("modes") and budget == row.fewest + row.within:
        assert {path.stat().st_mtime for path in mount.remote.iterdir()} == {OLD}
        # That of the directory for archives, at most.
        assert sum(count for route, count in calls.items() if "chmod" in route) <= 1


def test_a_temporary_that_replaces_a_file_travels_once(asynchronous: Mount) -> None:
    directory = asynchronous.remote / "replaced"
    directory.mkdir()
    (directory / "f").write_text("old\n")
    os.utime(directory / "f", (OLD, OLD))
    asynchronous.f7tfs("refresh", str(asynchronous.path))
    mount = asynchronous.inside(asynchronous.path / "replaced")
    mount.run("ls", "-l")
    mount.sandbox.reset_calls()
    mount.sh("echo new > f.tmp; mv f.tmp f")
    synced = asynchronous.f7tfs("sync", str(asynchronous.path))
    assert synced.returncode == 0, synced.stderr
    assert (directory / "f").read_text() == "new\n"
    uploads = [count for route, count in mount.sandbox.calls().items() if "upload" in route]
    assert uploads == [1]
