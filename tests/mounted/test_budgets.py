"""What ordinary programs may cost in calls of the API: the fewest that are possible, and few more.

Counts do not depend on the machine, but for how many archives a program fills, and how often a pause ends a burst or
a walk: so for each second that it takes, it may be noticed once more, and each archive may cost what the first does.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from f7tfs.sandbox.process import SandboxProcess
from f7tfs.vfs.shipping import PAUSE_SECONDS
from scripts.budgets import ARCHIVE, MORE, ROWS, Row
from tests.mounted.conftest import APIS, Mount

pytestmark = pytest.mark.usefixtures("quiet_log")


@pytest.fixture(scope="module", params=[(api, mode) for api in APIS for mode in ("async", "auto")], ids="-".join)
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Mount, str]]:
    api, mode = request.param
    base = tmp_path_factory.mktemp(f"budget-{api}-{mode}")
    (base / "mnt").mkdir()
    (base / "root").mkdir()
    with SandboxProcess(base / "root") as sandbox:
        (sandbox.home / "readme").touch()
        # Made once, by the first archive of a user's first mount.
        (sandbox.home / ".f7tfs").mkdir(mode=0o700)
        # What was known when counting began stays known, however slow the machine is.
        options = ("--write-mode", mode, "--attribute-timeout", "600")
        mount = Mount(sandbox, api, base / "mnt", base, sandbox.home, options)
        mount.mount()
        yield mount, mode
        left = mount.umount()
        mount.abandon()
        assert left.returncode == 0, left.stderr


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_program_costs_as_few_calls_as_can_be(served: tuple[Mount, str], tmp_path: Path, row: Row) -> None:
    whole, mode = served
    (whole.remote / row.directory).mkdir()
    row.prepare(whole.remote / row.directory, tmp_path)
    whole.f7tfs("refresh", str(whole.path))
    mount = whole.inside(whole.path / row.directory)
    # Where it runs is known; what is below it only where it did something there before.
    run(mount, row.before or "ls", tmp_path)
    sync(whole)
    mount.sandbox.reset_calls()
    began = time.monotonic()
    run(mount, row.command, tmp_path)
    sync(whole)
    seconds = time.monotonic() - began
    calls = {route: count for route, count in mount.sandbox.calls().items() if "token" not in route}
    archives = sum(count for route, count in calls.items() if "extract" in route)
    assert archives <= 2 + 2 * seconds / PAUSE_SECONDS
    noticing = MORE + (row.noticed + row.burst if mode == "auto" else 0)
    # A pause of a second ends a burst and a walk may have to be noticed again: on a machine that slow, both are.
    budget = row.least(mount.api) + noticing * (1 + int(seconds)) + (ARCHIVE + MORE) * max(0, archives - 1)
    assert sum(calls.values()) <= budget, f"{calls}\n{mount.log()[-3000:]}"


def run(mount: Mount, command: str, here: Path) -> None:
    """As a shell at a prompt does: a process group of its own."""
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=mount.path,
        env={**mount.env(), "HERE": str(here)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        start_new_session=True,
    )
    assert done.returncode == 0, f"{command}: {done.stderr}\n{mount.log()[-3000:]}"


def sync(mount: Mount) -> None:
    done = mount.f7tfs("sync", str(mount.path))
    assert done.returncode == 0, done.stderr
