"""What ordinary programs do, and the fewest calls of the API that it could cost.

The fewest are those that the API allows. In mode `async` two more are allowed, in mode `auto` also the calls before a
burst or a walk is noticed. `tests/mounted/test_budgets.py` holds them to that, and
`scripts/bench_budgets.py` writes down what they cost.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

OLD = 1_600_000_000
MORE = 2
ARCHIVE = 3
"""Upload, extraction, removal; with a look before and one after it: the fewest and two more."""
WALK = 2
"""Calls before a walk is noticed: the directory itself, and the first one in it."""
READS = 3
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
    """A command there, not counted; what is known then stays known. Without one, only the directory itself is."""
    noticed: int = 0
    """Calls before a walk is noticed, or an archive, in mode `auto`."""
    burst: int = 0
    """Calls before a burst is noticed, in mode `auto`."""
    fewest_v2: int | None = None

    @property
    def directory(self) -> str:
        """A name for a directory of its own."""
        return self.name.replace(" ", "-")

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


def plant_package(top: Path) -> None:
    plant_flat(top, [f"m{index:02}.py" for index in range(20)])
    (top / "__init__.py").write_text("".join(f"from . import m{index:02}\n" for index in range(20)))
    old(top)


ROWS = [
    Row(
        "ls -l of a thousand entries",
        1,
        "ls -l many",
        lambda there, _here: plant_flat(there / "many", [f"f{index:04}" for index in range(1000)]),
    ),
    Row("cp of a small file in", 1, "cp $HERE/in in", lambda _there, here: (here / "in").write_text("x"), "ls"),
    Row("cp of a small file out", 2, "cp d/out $HERE/out", lambda there, _here: plant_flat(there / "d", ["out"])),
    Row("mv", 1, "mv one two", before="echo x > one", fewest_v2=2),
    Row(
        "find over directories",
        1,
        "find tree",
        lambda there, _here: plant(there / "tree", 111, 111),
        noticed=WALK,
    ),
    Row(
        # A listing immediately before it, and the removal.
        "rm -r of a known tree",
        2,
        "rm -r tree",
        lambda there, _here: plant(there / "tree", 111, 111),
        "find tree",
        burst=BURST,
    ),
    Row("git status", 1, GIT, plant_repository, before=GIT, noticed=WALK),
    Row("tar x", ARCHIVE, "tar xf $HERE/tree.tar", plant_archive, "ls", burst=2 * BURST),
    Row(
        # A listing, the file's way here and back; and vim calls fsync on its swap file: it is sent, and removed.
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
