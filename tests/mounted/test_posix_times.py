"""ctime, atime and inode numbers: what was done here shows at once, and a remount shows the same."""

from __future__ import annotations

import os
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.mounted.conftest import APIS, Mount
from tests.mounted.test_posix_content import theirs
from tests.mounted.test_posix_names import renameat2

pytestmark = pytest.mark.usefixtures("quiet_log")

YEAR_2014, YEAR_2023 = 1_400_000_000_123_456_789, 1_700_000_000_987_654_321
BEFORE_1970, AFTER_2106 = -1_234_567_890_123_456_789, 5_000_000_000_000_000_001


def changed(path: Path, change: Callable[[], object]) -> bool:
    """Whether the ctime of a file, which must not be followed, is later after a change than it was before."""
    before, now = path.lstat().st_ctime_ns, time.time_ns()
    change()
    after = path.lstat().st_ctime_ns
    assert after == before or after >= now, "a ctime that is neither the old one nor now"
    return after > before


def test_whatever_is_done_to_a_file_changes_its_ctime(mount: Mount) -> None:
    path = theirs(mount, "f", b"content")
    mine = path.stat()
    changes: dict[str, Callable[[], object]] = {
        "chmod": lambda: path.chmod(0o640),
        "chmod to the same": lambda: path.chmod(0o640),
        "chown": lambda: os.chown(path, mine.st_uid, mine.st_gid),
        "utime": lambda: os.utime(path, ns=(YEAR_2023, YEAR_2014)),
        "truncate": lambda: os.truncate(path, 3),
        "truncate to the same": lambda: os.truncate(path, 3),
        "truncate at opening": lambda: path.open("w").close(),
        "truncate when empty": lambda: path.open("w").close(),
        "write": lambda: path.write_bytes(b"x"),
    }
    assert [what for what, change in changes.items() if not changed(path, change)] == []
    os.rename(path, mount.path / "g")
    assert (mount.path / "g").stat().st_ctime_ns > mine.st_ctime_ns


def test_what_fails_or_only_looks_changes_no_time(mount: Mount) -> None:
    path = theirs(mount, "f", b"content")
    (mount.path / "g").touch()
    before = path.stat()
    path.read_bytes()
    with path.open("r+b"):
        pass
    with pytest.raises(OSError, match="File exists"):
        path.open("xb")
    assert renameat2(path, mount.path / "g", 1) != 0
    after = path.stat()
    assert (after.st_ctime_ns, after.st_mtime_ns) == (before.st_ctime_ns, before.st_mtime_ns)


def test_an_empty_file_that_is_emptied_is_touched(mount: Mount) -> None:
    """`: > stamp` is how makefiles say that something was done."""
    (mount.path / "stamp").touch()
    os.utime(mount.path / "stamp", ns=(YEAR_2014, YEAR_2014))
    mount.sh(": > stamp")
    assert (mount.path / "stamp").stat().st_mtime_ns > YEAR_2023


def test_setting_a_time_leaves_the_other_and_sets_the_ctime(mount: Mount) -> None:
    path = theirs(mount, "f", b"content")
    mtime = path.stat().st_mtime_ns
    mount.run("touch", "-a", "-d", "@1500000000", "f")
    assert (path.stat().st_mtime_ns, path.stat().st_atime) == (mtime, 1_500_000_000)
    mount.run("touch", "-m", "-d", "@1500000001", "f")
    assert (path.stat().st_mtime, path.stat().st_atime) == (1_500_000_001, 1_500_000_000)
    assert path.stat().st_ctime_ns > YEAR_2023


@pytest.mark.parametrize("when", [BEFORE_1970, -1, 0, 1, 2**31 * 10**9 + 7, AFTER_2106])
def test_times_of_any_century_are_shown_to_the_nanosecond(mount: Mount, when: int) -> None:
    mount.sh("echo x > f; mkdir d; ln -s f l")
    for name in ("f", "d", "l"):
        os.utime(mount.path / name, ns=(when, when), follow_symlinks=False)
        found = (mount.path / name).lstat()
        assert (found.st_atime_ns, found.st_mtime_ns) == (when, when)
        assert found.st_ctime_ns > YEAR_2023
    mount.f7tfs("refresh", str(mount.path))
    assert (mount.path / "f").stat().st_mtime_ns == when


def test_a_change_on_the_cluster_ends_what_was_set_here(mount: Mount) -> None:
    path = theirs(mount, "f", b"content")
    path.chmod(0o640)
    os.utime(path, ns=(YEAR_2014, YEAR_2014))
    (mount.remote / "f").write_bytes(b"another content")
    os.utime(mount.remote / "f", (1_650_000_000, 1_650_000_000))
    mount.f7tfs("refresh", str(mount.path))
    found = path.stat()
    assert {found.st_mtime, found.st_ctime, found.st_atime} == {1_650_000_000}


def test_every_change_of_its_entries_changes_a_directorys_times_at_once(mount: Mount) -> None:
    mount.sh("mkdir d; touch d/a other")
    directory = mount.path / "d"
    changes: list[Callable[[], object]] = [
        (directory / "b").touch,
        (directory / "a").unlink,
        (directory / "e").mkdir,
        (directory / "e").rmdir,
        lambda: os.symlink("x", directory / "l"),
        lambda: os.rename(directory / "b", directory / "c"),
        lambda: os.rename(directory / "c", mount.path / "c"),
        lambda: os.rename(mount.path / "c", directory / "c"),
        lambda: os.rename(mount.path / "other", directory / "c"),
    ]
    for index, change in enumerate(changes):
        os.utime(directory, ns=(YEAR_2014, YEAR_2014))
        now = time.time_ns()
        change()
        found = directory.stat()
        assert min(found.st_mtime_ns, found.st_ctime_ns) >= now, index


def test_the_link_count_of_what_was_unlinked_is_zero(mount: Mount) -> None:
    (mount.path / "f").write_text("x")
    (mount.path / "g").write_text("y")
    (mount.path / "d").mkdir()
    with (mount.path / "f").open() as file, (mount.path / "g").open() as replaced:
        directory = os.open(mount.path / "d", os.O_RDONLY)
        number = os.fstat(file.fileno()).st_ino
        os.unlink(mount.path / "f")
        (mount.path / "h").write_text("z")
        os.rename(mount.path / "h", mount.path / "g")
        os.rmdir(mount.path / "d")
        found = [os.fstat(each) for each in (file.fileno(), replaced.fileno(), directory)]
        assert [each.st_nlink for each in found] == [0, 0, 0]
        assert found[0].st_ino == number
        os.close(directory)


def seen(root: Path) -> dict[str, tuple[int, ...]]:
    """Number and times of all; the mtime of directories is the cluster's, and left out."""
    found = {}
    for path in sorted(root.rglob("*")):
        s = path.lstat()
        times = () if stat.S_ISDIR(s.st_mode) else (s.st_ctime_ns, s.st_atime_ns, s.st_mtime_ns)
        found[str(path.relative_to(root))] = (s.st_ino, s.st_mode, *times)
    return found


@pytest.mark.parametrize("mode", ["auto", "async"])
@pytest.mark.parametrize("api", APIS)
def test_numbers_and_times_follow_renames_across_remounts(
    new_mount: Callable[..., Mount], api: str, mode: str
) -> None:
    mount = new_mount(api, "--write-mode", mode, settings={"job_start_seconds": 0.0})
    theirs = mount.sandbox.home / "theirs"
    (theirs / "deep").mkdir(parents=True)
    (theirs / "deep/x").write_text("x")
    os.utime(theirs / "deep/x", (1_600_000_000, 1_600_000_000))
    mount.mount()
    mount.sh("mkdir -p d/e; echo x > d/f; echo y > d/e/g; ln -s f d/l; echo z > z")
    os.utime(mount.path / "d/f", ns=(YEAR_2023, YEAR_2014))
    before = {name: number for name, (number, *_) in seen(mount.path).items()}
    # A new thing under each old name; one directory's entries were not looked at under the old name.
    mount.sh(
        "chmod 600 z; mv d moved; mv theirs also; mv z d.z; mv moved/e/g moved/g; mkdir d; echo n > d/f; echo > z"
    )
    after = seen(mount.path)
    followed = {"d": "moved", "d/f": "moved/f", "d/e/g": "moved/g", "theirs/deep/x": "also/deep/x", "z": "d.z"}
    assert {old: after[new][0] for old, new in followed.items()} == {old: before[old] for old in followed}
    assert len({number for number, *_ in after.values()}) == len(after), "a number twice"
    for _ in range(2):
        assert mount.umount().returncode == 0
        mount.mount()
        assert seen(mount.path) == after
    assert mount.umount().returncode == 0


@pytest.mark.parametrize("api", APIS)
def test_a_burst_into_an_empty_home_shows_times_in_the_clusters_zone(
    api: str, new_mount: Callable[..., Mount]
) -> None:
    """Nothing was listed before from which the zone could have been learned, and it is another one than here."""
    mount = new_mount(api, bursts=True)
    mount.mount()
    script = "for d in a g; do mkdir -p $d/b; for i in $(seq 30); do echo $i > $d/b/f$i; done; done"
    subprocess.run(["sh", "-ec", script], cwd=mount.path, check=True, start_new_session=True)
    assert mount.f7tfs("sync", str(mount.path)).returncode == 0
    seen = [mount.path / "a", mount.path / "g", mount.path / "a/b/f1"]
    for path in seen:
        there = mount.remote / path.relative_to(mount.path)
        assert abs(path.stat().st_mtime - there.stat().st_mtime) < 1500, path
    assert mount.umount().returncode == 0
