"""What ordinary programs may cost in calls of the API: the fewest that are possible, and few more.

The fewest are those that the API allows for the requests which the programs make. In mode `async` two more are
allowed, in mode `auto` also the calls before a burst is noticed, in both those before a walk is. Counts do not depend
on the machine, but for how many archives a program fills, and how often a pause ends a burst or a walk: so for each
second that it takes, it may be noticed once more, and each archive may cost what the first one does.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from f7tfs.sandbox.process import SandboxProcess
from f7tfs.vfs.shipping import PAUSE_SECONDS
from tests.mounted.conftest import APIS, Mount

pytestmark = pytest.mark.usefixtures("quiet_log")

OLD = 1_600_000_000
MORE = 2
ARCHIVE = 3
"""Upload, extraction, removal; with a look before and one after it: the fewest and two more."""
WALK = 5
"""Calls before a walk is noticed: its lists grow from the leaves."""
READS = 4
"""Files that are fetched by themselves before an archive is."""
BURST = 6
"""Changes that wait for the cluster before there is a burst."""
FILES = 90


@dataclass(frozen=True)
class Row:
    """`prepare` plants what is on the cluster (first argument) and here (second), before anything is counted."""

    name: str
    fewest: int
    command: str
    prepare: Callable[[Path, Path], object] = lambda _there, _here: None
    before: str = ""
    """A command in the mount, not counted; what is known then stays known."""
    noticed: int = 0
    """Calls before a walk is noticed, in every mode."""
    burst: int = 0
    """Calls before a burst is noticed, in mode `auto`."""
    fewest_v2: int | None = None
    cold: bool = True

    def least(self, api: str) -> int:
        return self.fewest if api == "v1" or self.fewest_v2 is None else self.fewest_v2


def old(top: Path) -> None:
    """What was changed within the last two seconds may change again without a trace, and is not kept."""
    for path in [top, *top.rglob("*")]:
        os.utime(path, (OLD, OLD), follow_symlinks=False)


def plant(top: Path, files: int = FILES, directories: int = 12) -> None:
    for index in range(files):
        directory = top / f"d{index % directories % 3}/e{index % directories}"
        directory.mkdir(parents=True, exist_ok=True)
        (directory / f"f{index}").write_text(f"content {index}\n" * 20)
    old(top)


def plant_flat(top: Path, names: list[str]) -> None:
    top.mkdir()
    for name in names:
        (top / name).write_text(f"NAME = {name[:-3]!r}\n")
    old(top)


def plant_archive(_there: Path, here: Path) -> None:
    plant(here / "tree")
    subprocess.run(["tar", "cf", str(here / "tree.tar"), "-C", str(here), "tree"], check=True)


def plant_repository(there: Path, _here: Path) -> None:
    plant(there / "repository", 300, 33)
    git = ["git", "-C", str(there / "repository"), "-c", "user.name=A", "-c", "user.email=a@example.org"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "all"]):
        subprocess.run([*git, *command], check=True)
    old(there / "repository")


GIT = "git -c safe.directory='*' -C repository status --porcelain"
ROWS = [
    Row(
        "ls -l of a thousand entries",
        1,
        "ls -l many",
        lambda there, _here: plant_flat(there / "many", [f"f{index:04}" for index in range(1000)]),
    ),
    Row("cp of a small file in", 1, "cp $HERE/in in", lambda _there, here: (here / "in").write_text("x"), "ls"),
    Row("cp of a small file out", 2, "cp d/out $HERE/out", lambda there, _here: plant_flat(there / "d", ["out"])),
    Row("mv", 1, "mv one two", before="echo x > one", fewest_v2=2, cold=False),
    Row("find over directories", 1, "find tree", lambda there, _here: plant(there / "tree", 111, 111), noticed=WALK),
    Row("git status", 1, GIT, plant_repository, before=GIT, noticed=WALK),
    Row("tar x", ARCHIVE, "tar xf $HERE/tree.tar", plant_archive, "ls", burst=2 * BURST),
    Row(
        # A listing, the file's way here and back; and vim calls fsync on its swap file, which is sent, and removed.
        "vim opens and saves",
        5,
        "vim -es -u NONE -c '%s/NAME/name/' -c wq d/notes.txt",
        lambda there, _here: plant_flat(there / "d", ["notes.txt"]),
        burst=BURST,
    ),
    Row(
        "import of a package of twenty modules",
        ARCHIVE,
        "PYTHONDONTWRITEBYTECODE=1 python3 -c 'import package'",
        lambda there, _here: plant_package(there / "package"),
        noticed=READS,
    ),
    Row(
        "rsync -a, the first time",
        ARCHIVE,
        "rsync -a $HERE/tree .",
        lambda _there, here: plant(here / "tree"),
        "ls",
        burst=2 * BURST,
    ),
    Row(
        "rsync -a again",
        1,
        "rsync -a $HERE/tree .",
        lambda _there, here: plant(here / "tree"),
        "rsync -a $HERE/tree .",
        noticed=WALK,
    ),
    Row("df", 0, "df ."),
]


def plant_package(top: Path) -> None:
    plant_flat(top, [f"m{index:02}.py" for index in range(20)])
    (top / "__init__.py").write_text("".join(f"from . import m{index:02}\n" for index in range(20)))
    old(top)


@pytest.fixture(scope="module", params=[(api, mode) for api in APIS for mode in ("async", "auto")], ids="-".join)
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Mount, str]]:
    api, mode = request.param
    base = tmp_path_factory.mktemp(f"budget-{api}-{mode}")
    (base / "mnt").mkdir()
    (base / "root").mkdir()
    with SandboxProcess(base / "root") as sandbox:
        (sandbox.home / "readme").touch()
        mount = Mount(sandbox, api, base / "mnt", base, sandbox.home, ("--write-mode", mode))
        mount.mount()
        yield mount, mode
        left = mount.umount()
        mount.abandon()
        assert left.returncode == 0, left.stderr


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_program_costs_as_few_calls_as_can_be(served: tuple[Mount, str], tmp_path: Path, row: Row) -> None:
    whole, mode = served
    directory = row.name.replace(" ", "-")
    (whole.remote / directory).mkdir()
    row.prepare(whole.remote / directory, tmp_path)
    whole.f7tfs("refresh", str(whole.path))
    mount = whole.inside(whole.path / directory)
    mount.path.stat()
    if row.before:
        run(mount, row.before, tmp_path)
        sync(whole)
    if row.cold and not row.before:
        whole.f7tfs("refresh", str(whole.path))
        mount.path.stat()
    mount.sandbox.reset_calls()
    seconds = run(mount, row.command, tmp_path)
    sync(whole)
    calls = {route: count for route, count in mount.sandbox.calls().items() if "token" not in route}
    archives = sum(count for route, count in calls.items() if "extract" in route)
    assert archives <= 2 + 2 * seconds / PAUSE_SECONDS
    noticing = MORE + row.noticed + (row.burst if mode == "auto" else 0)
    # A pause of a second ends a burst and a walk may have to be noticed again: on a machine that slow, both are.
    budget = row.least(mount.api) + noticing * (1 + int(seconds)) + (ARCHIVE + MORE) * max(0, archives - 1)
    assert sum(calls.values()) <= budget, f"{calls}\n{mount.log()[-3000:]}"


def run(mount: Mount, command: str, here: Path) -> float:
    """As a shell at a prompt does: a process group of its own. Returns the seconds that it took."""
    began = time.monotonic()
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
    return time.monotonic() - began


def sync(mount: Mount) -> None:
    done = mount.f7tfs("sync", str(mount.path))
    assert done.returncode == 0, done.stderr
