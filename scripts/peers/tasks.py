"""The tasks: what is there before, what is run, and how one sees that the cluster has it."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

OLD = (1_600_000_000, 1_600_000_000)
"""A time of access and change that every cache believes."""
PYTHON = "import {package}"
WITH = {
    "numpy": ("numpy",),
    "hypothesis": ("hypothesis", "sortedcontainers", "_hypothesis_globals"),
}
"""The packages that may be imported, and what each needs."""


@dataclass(frozen=True)
class Place:
    """Where one measurement works: its own directory on the cluster (its real path), and one here for all."""

    real: Path
    near: Path
    package: str

    @property
    def out(self) -> Path:
        return self.near / "out"


@dataclass(frozen=True)
class Task:
    """`command` gets the directory as the mount shows it; `arrived` tells when the cluster has it all."""

    key: str
    title: str
    plant: Callable[[Place], object]
    command: Callable[[Place, Path], list[str]]
    arrived: Callable[[Place], bool] | None = None
    right: Callable[[Place], bool] = lambda _: True
    ok: tuple[int, ...] = (0,)
    official: str = ""
    """The name within the directory that `official.py` is given; empty where it has no such task."""
    official_near: str = "out"
    environment: Callable[[Path], dict[str, str]] = field(default=lambda _: {})
    listed: bool = False
    """Whether the directory in which it works was listed just before, in the same mount."""


# -- what is there before ---------------------------------------------------------------------------


def near_files(near: Path, files: int, package: str) -> None:
    """Everything that is sent, once for all measurements."""
    tree = near / "tree"
    for index in range(files):
        directory = tree / f"d{index % 100 // 10}/e{index % 100}"
        directory.mkdir(parents=True, exist_ok=True)
        (directory / f"f{index}").write_bytes(os.urandom(1000) * 2)
    (near / "small").write_bytes(os.urandom(2000))
    run("tar", "-C", str(near), "-cf", str(near / "tree.tar"), "tree")
    git = ["git", "-c", "user.name=f7tfs", "-c", "user.email=f7tfs@localhost", "-c", "gc.auto=0"]
    shutil.copytree(tree, near / "repository")
    run(*git, "-C", str(near / "repository"), "init", "-q")
    run(*git, "-C", str(near / "repository"), "add", ".")
    run(*git, "-C", str(near / "repository"), "commit", "-q", "-m", "tree")
    # So that git believes a copy whose inode numbers are others.
    run(*git, "-C", str(near / "repository"), "config", "core.checkStat", "minimal")
    plant_package(package, near / "site")
    for path in [*tree.rglob("*"), tree, *(near / "repository").rglob("*"), *(near / "site").rglob("*")]:
        os.utime(path, OLD, follow_symlinks=False)
    run(*git, "-C", str(near / "repository"), "status")


def plant_package(name: str, site: Path) -> None:
    """An installed package with what belongs to it, bytecode included."""
    site.mkdir()
    for each in WITH[name]:
        spec = importlib.util.find_spec(each)
        if spec is None or spec.origin is None:
            continue  # not every version has it
        if spec.submodule_search_locations is None:
            shutil.copy2(spec.origin, site)
        else:
            top = Path(spec.origin).parent
            for directory in (top, top.with_name(f"{each}.libs")):
                if directory.is_dir():
                    shutil.copytree(directory, site / directory.name)
    # All of it anew: what was compiled before tells the times of other copies, and would not be used.
    run(sys.executable, "-m", "compileall", "-q", "-f", "--invalidation-mode", "unchecked-hash", str(site))


def package_here() -> str:
    """The package that is imported: numpy where it is installed."""
    return "numpy" if importlib.util.find_spec("numpy") else "hypothesis"


def run(*command: str) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def copied(name: str, target: str) -> Callable[[Place], object]:
    """Plants a copy, times included."""
    return lambda place: run("cp", "-a", str(place.near / name), str(place.real / target))


def many(place: Place) -> None:
    directory = place.real / "list"
    directory.mkdir()
    for index in range(1000):
        (directory / f"file{index:04}").touch()
        os.utime(directory / f"file{index:04}", OLD)


def nothing(_: Place) -> None:
    """Nothing has to be there."""


# -- what is there after ----------------------------------------------------------------------------


def sizes(top: Path) -> dict[str, int]:
    """Of all files below, by relative path; what vanishes meanwhile is not counted."""
    found = {}
    for directory, _, names in os.walk(top):
        for name in names:
            try:
                path = Path(directory, name)
                found[str(path.relative_to(top))] = path.lstat().st_size
            except OSError:
                continue
    return found


def same(source: str, target: str) -> Callable[[Place], bool]:
    """Whether the cluster has the files of `source`."""
    return lambda place: sizes(place.near / source) == sizes(place.real / target)


def cloned(place: Place) -> bool:
    clone = place.real / "clone"
    there = {name: size for name, size in sizes(clone).items() if not name.startswith(".git/")}
    index = clone / ".git/index"
    return there == sizes(place.near / "tree") and index.exists() and not index.with_suffix(".lock").exists()


# -- the tasks ---------------------------------------------------------------------------------------


def tasks(files: int) -> list[Task]:
    tree = f"{files:,} files of 2 kB in 111 directories"
    copy = copied("tree", "tree")
    return [
        Task(
            "ls",
            "`ls -l` of 1,000 entries",
            many,
            lambda _, at: ["ls", "-l", str(at / "list")],
            official="list",
        ),
        Task(
            "ls-known",
            "`ls -l` of 1,000 entries, the directory above known",
            many,
            lambda _, at: ["ls", "-l", str(at / "list")],
            listed=True,
        ),
        Task(
            "small-in",
            "`cp` of one small file in",
            nothing,
            lambda place, at: ["cp", str(place.near / "small"), str(at / "small")],
            arrived=lambda place: (place.real / "small").exists() and (place.real / "small").stat().st_size == 2000,
            official="small",
            official_near="small",
        ),
        Task(
            "small-out",
            "`cp` of one small file out",
            copied("small", "small"),
            lambda place, at: ["cp", str(at / "small"), str(place.out)],
            right=lambda place: place.out.read_bytes() == (place.near / "small").read_bytes(),
            official="small",
        ),
        Task(
            "small-in-known",
            "`cp` of one small file in, its directory known",
            nothing,
            lambda place, at: ["cp", str(place.near / "small"), str(at / "small")],
            arrived=lambda place: (place.real / "small").exists() and (place.real / "small").stat().st_size == 2000,
            listed=True,
        ),
        Task(
            "small-out-known",
            "`cp` of one small file out, its directory known",
            copied("small", "small"),
            lambda place, at: ["cp", str(at / "small"), str(place.out)],
            right=lambda place: place.out.read_bytes() == (place.near / "small").read_bytes(),
            listed=True,
        ),
        Task("find", f"`find` over {tree}", copy, lambda _, at: ["find", str(at / "tree")], official="tree"),
        Task(
            "cp-out",
            "`cp -r` of them out",
            copy,
            lambda place, at: ["cp", "-r", str(at / "tree"), str(place.out)],
            right=lambda place: sizes(place.out) == sizes(place.near / "tree"),
            official="tree",
        ),
        Task(
            "cp-in",
            "`cp -r` of them in",
            nothing,
            lambda place, at: ["cp", "-r", str(place.near / "tree"), str(at / "tree")],
            arrived=same("tree", "tree"),
            official="tree",
            official_near="tree",
        ),
        Task(
            "rm",
            "`rm -r` of them",
            copy,
            lambda _, at: ["rm", "-r", str(at / "tree")],
            arrived=lambda place: not (place.real / "tree").exists(),
            official="tree",
        ),
        Task(
            "tar-c",
            "`tar c` of them",
            copy,
            lambda place, at: ["tar", "-C", str(at), "-cf", str(place.out), "tree"],
            right=lambda place: place.out.stat().st_size > files * 2000,
        ),
        Task(
            "tar-x",
            "`tar x` of them",
            nothing,
            lambda place, at: ["tar", "-C", str(at), "-xf", str(place.near / "tree.tar")],
            arrived=same("tree", "tree"),
        ),
        Task(
            "git-clone",
            "`git clone` of them",
            nothing,
            lambda place, at: ["git", "clone", "-q", f"file://{place.near}/repository/.git", str(at / "clone")],
            arrived=cloned,
        ),
        Task(
            "git-status",
            "`git status`",
            copied("repository", "repository"),
            lambda _, at: ["git", "-c", "safe.directory=*", "-C", str(at / "repository"), "status", "--porcelain"],
        ),
        Task(
            "rsync-new",
            "`rsync -a` of them in, new",
            nothing,
            lambda place, at: ["rsync", "-a", str(place.near / "tree"), str(at)],
            arrived=same("tree", "tree"),
        ),
        Task(
            "rsync-again",
            "`rsync -a` again, nothing new",
            copy,
            lambda place, at: ["rsync", "-a", str(place.near / "tree"), str(at)],
        ),
        Task(
            "grep",
            "`grep -r` over them",
            copy,
            lambda _, at: ["grep", "-rc", "f7tfs", str(at / "tree")],
            ok=(0, 1),
        ),
        Task(
            "import",
            f"`python -c 'import {package_here()}'`",
            copied("site", "site"),
            lambda place, _: [sys.executable, "-S", "-c", PYTHON.format(package=place.package)],
            environment=lambda at: {"PYTHONPATH": str(at / "site"), "PYTHONDONTWRITEBYTECODE": "1"},
        ),
    ]
