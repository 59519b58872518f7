"""Random operations on a mount and on a local directory give the same results, errnos, contents, modes and times."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from tests.mounted.conftest import APIS, Mount
from tests.mounted.figures import note

pytestmark = pytest.mark.usefixtures("quiet_log")

# Few names, so that operations meet.
names = st.sampled_from(["a", "b", "d", "ü x", "f.tmp"])
paths = st.one_of(names, names, st.tuples(names, names).map("/".join), st.tuples(names, names, names).map("/".join))
offsets = st.integers(0, 5000)
contents = st.binary(max_size=3000)
# The owner keeps all rights: root, who runs this, has them anyway on the local disk, but the cluster's user has not.
modes = st.sampled_from([0o700, 0o711, 0o744, 0o755])
NOW = 1_750_000_000
seconds = st.integers(1_000_000_000, NOW - 1)


def outcome(operation: Callable[..., Any], *arguments: Any) -> Any:
    """What an operation returned, or the errno it failed with."""
    try:
        return operation(*arguments)
    except OSError as error:
        return ("errno", error.errno)


def write_at(path: Path, offset: int, data: bytes, flags: int) -> int:
    descriptor = os.open(path, os.O_WRONLY | flags, 0o644)
    try:
        return os.pwrite(descriptor, data, offset)
    finally:
        os.close(descriptor)


def append(path: Path, data: bytes) -> int:
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
    try:
        return os.write(descriptor, data)
    finally:
        os.close(descriptor)


def read_all(path: Path) -> bytes:
    return path.read_bytes()


def listing(path: Path) -> list[str]:
    return sorted(os.listdir(path))


def kind_and_size(path: Path) -> tuple[int, int]:
    found = path.lstat()
    return stat.S_IFMT(found.st_mode), 0 if stat.S_ISDIR(found.st_mode) else found.st_size


def permissions(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def time(path: Path) -> object:
    """The time that was set, or that it is now: both sides are not written in the same moment."""
    found = path.lstat()
    return found.st_mtime_ns if found.st_mtime < NOW else "now"


def set_time(path: Path, when: int) -> float:
    os.utime(path, (when, when))
    return path.stat().st_mtime


class Twin(RuleBasedStateMachine):
    """Everything is done twice; `mount` and `local` are set by the test that runs the machine."""

    mount: Mount
    local: Path
    compared = 0
    """Operations, over all examples."""

    def __init__(self) -> None:
        super().__init__()
        self.theirs = Path(tempfile.mkdtemp(dir=self.local))
        self.ours = self.mount.path / self.theirs.name
        self.remote = self.mount.remote / self.theirs.name
        self.ours.mkdir()

    def same(self, operation: Callable[..., Any], path: str, *arguments: Any) -> None:
        self.twice(lambda top: operation(top / path, *arguments), f"{operation.__name__} {path}")

    def twice(self, operation: Callable[[Path], Any], what: str) -> None:
        """Do something below each of the two tops, and compare what came of it."""
        Twin.compared += 1
        expected, got = outcome(operation, self.theirs), outcome(operation, self.ours)
        assert got == expected, f"{what}: {got!r} instead of {expected!r}"

    @rule(path=paths, offset=offsets, data=contents)
    def writes(self, path: str, offset: int, data: bytes) -> None:
        self.same(write_at, path, offset, data, os.O_CREAT)

    @rule(path=paths, data=contents)
    def replaces(self, path: str, data: bytes) -> None:
        self.same(write_at, path, 0, data, os.O_CREAT | os.O_TRUNC)

    @rule(path=paths, data=contents)
    def makes_exclusively(self, path: str, data: bytes) -> None:
        self.same(write_at, path, 0, data, os.O_CREAT | os.O_EXCL)

    @rule(path=paths, data=contents)
    def appends(self, path: str, data: bytes) -> None:
        self.same(append, path, data)

    @rule(path=paths, size=offsets)
    def truncates(self, path: str, size: int) -> None:
        self.same(os.truncate, path, size)

    @rule(path=paths)
    def reads(self, path: str) -> None:
        self.same(read_all, path)

    @rule(path=paths)
    def lists(self, path: str) -> None:
        self.same(listing, path)

    @rule(path=paths)
    def looks(self, path: str) -> None:
        self.same(kind_and_size, path)
        self.same(permissions, path)
        self.same(time, path)

    @rule(path=paths)
    def makes_a_directory(self, path: str) -> None:
        self.same(os.mkdir, path)

    @rule(path=paths)
    def removes(self, path: str) -> None:
        self.same(os.unlink, path)

    @rule(path=paths)
    def removes_a_directory(self, path: str) -> None:
        self.same(os.rmdir, path)

    @rule(path=paths)
    def removes_a_tree(self, path: str) -> None:
        self.same(shutil.rmtree, path)

    @rule(path=paths, points_to=st.sampled_from(["a", "d", "../a", "nowhere"]))
    def links(self, path: str, points_to: str) -> None:
        self.twice(lambda top: os.symlink(points_to, top / path), f"symlink {path}")
        self.same(os.readlink, path)

    @rule(path=paths, mode=modes)
    def changes_the_mode(self, path: str, mode: int) -> None:
        self.same(os.chmod, path, mode)

    @rule(path=paths, when=seconds)
    def sets_the_time(self, path: str, when: int) -> None:
        self.same(set_time, path, when)

    @rule(old=paths, new=paths)
    def renames(self, old: str, new: str) -> None:
        self.twice(lambda top: os.rename(top / old, top / new), f"rename {old} {new}")

    def teardown(self) -> None:
        """The mount shows, and the cluster has, what the local directory has."""
        try:
            assert picture(self.ours) == picture(self.theirs)
            assert self.mount.f7tfs("sync", str(self.mount.path)).returncode == 0
            assert picture(self.remote) == picture(self.theirs)
        finally:
            shutil.rmtree(self.ours)
            shutil.rmtree(self.theirs)


def picture(root: Path) -> dict[str, object]:
    """Kinds, contents, targets and permissions of a tree."""
    found: dict[str, object] = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if path.is_symlink():
            found[name] = os.readlink(path)
        elif path.is_dir():
            found[name] = (permissions(path), None)
        else:
            found[name] = (permissions(path), path.read_bytes())
    return found


def compare(mount: Mount, local: Path, examples: int, steps: int, twin: type[Twin] = Twin) -> None:
    machine = type("Machine", (twin,), {"mount": mount, "local": local})
    before = Twin.compared
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    note(f"operations compared ({twin.__name__}, {mount.api}):", Twin.compared - before)


@pytest.mark.timeout(900)
def test_a_mount_behaves_like_a_local_directory(mount: Mount, tmp_path: Path) -> None:
    compare(mount, tmp_path, examples=12, steps=30)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("mode", ["auto", "async", "sync"])
@pytest.mark.parametrize("api", APIS)
def test_so_it_does_in_every_write_mode_and_in_bursts(
    new_mount: Callable[..., Mount], tmp_path: Path, api: str, mode: str
) -> None:
    mount = new_mount(api, "--write-mode", mode, settings={"job_start_seconds": 0.0}, bursts=True)
    mount.mount()
    compare(mount, tmp_path, examples=int(os.environ.get("F7TFS_EXAMPLES", "5")), steps=30)
    assert mount.umount().returncode == 0


@pytest.mark.long
@pytest.mark.timeout(14400)
def test_a_mount_behaves_like_a_local_directory_for_long(mount: Mount, tmp_path: Path) -> None:
    compare(mount, tmp_path, examples=int(os.environ.get("F7TFS_EXAMPLES", "300")), steps=60)
