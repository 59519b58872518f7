"""What `stat` shows, and what changes it: modes, owners, times, numbers; and that a remount changes none of it."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.mounted.conftest import APIS, Mount
from tests.mounted.test_posix_content import failure

pytestmark = pytest.mark.usefixtures("quiet_log")

YEAR_2014, YEAR_2023 = 1_400_000_000_123_456_789, 1_700_000_000_987_654_321


@pytest.mark.parametrize("mode", [0o400, 0o444, 0o600, 0o640, 0o755, 0o777, 0o2750])
def test_chmod_of_a_file(mount: Mount, mode: int) -> None:
    (mount.path / "f").write_text("x")
    os.chmod(mount.path / "f", mode)
    assert stat.S_IMODE((mount.path / "f").stat().st_mode) == mode
    assert stat.S_IMODE((mount.remote / "f").stat().st_mode) == mode


def test_chmod_of_a_directory(mount: Mount) -> None:
    (mount.path / "d").mkdir(mode=0o700)
    (mount.path / "d").chmod(0o750)
    assert stat.S_IMODE((mount.remote / "d").stat().st_mode) == 0o750
    mount.f7tfs("refresh", str(mount.path))
    assert stat.S_IMODE((mount.path / "d").stat().st_mode) == 0o750


def test_the_mode_of_something_new_obeys_the_umask(mount: Mount) -> None:
    mount.sh("umask 027; echo x > f; mkdir d; umask 0; echo x > g; mkdir e; mkdir -m 711 m")
    modes = {p.name: oct(stat.S_IMODE(p.stat().st_mode)) for p in mount.remote.iterdir()}
    assert modes == {"f": "0o640", "d": "0o750", "g": "0o666", "e": "0o777", "m": "0o711"}


def test_a_file_that_is_made_unwritable_is_written_by_who_made_it(mount: Mount) -> None:
    """As `cp -p` and git do it."""
    descriptor = os.open(mount.path / "f", os.O_CREAT | os.O_WRONLY, 0o444)
    os.write(descriptor, b"content")
    os.close(descriptor)
    assert (mount.remote / "f").read_bytes() == b"content"
    assert stat.S_IMODE((mount.remote / "f").stat().st_mode) == 0o444


def test_chown_to_oneself_is_allowed_and_to_others_not(mount: Mount) -> None:
    (mount.path / "f").write_text("x")
    mine = (mount.path / "f").stat()
    os.chown(mount.path / "f", mine.st_uid, mine.st_gid)
    os.chown(mount.path / "f", -1, mine.st_gid)
    assert failure(lambda: os.chown(mount.path / "f", 12345, -1)) == errno.EPERM
    assert (mount.path / "f").stat().st_uid == mine.st_uid


def test_times_are_set_to_the_nanosecond_and_kept(mount: Mount) -> None:
    mount.sh("echo x > f; mkdir d")
    for name in ("f", "d"):
        os.utime(mount.path / name, ns=(YEAR_2023, YEAR_2014))
        assert (mount.path / name).stat().st_mtime_ns == YEAR_2014
    mount.f7tfs("refresh", str(mount.path))
    assert (mount.path / "f").stat().st_mtime_ns == YEAR_2014
    (mount.path / "f").write_text("changed")
    assert (mount.path / "f").stat().st_mtime_ns > YEAR_2023


def test_one_time_is_set_without_the_other(mount: Mount) -> None:
    (mount.path / "f").write_text("x")
    os.utime(mount.path / "f", ns=(YEAR_2014, YEAR_2023))
    assert (mount.path / "f").stat().st_atime_ns == YEAR_2014
    mount.run("touch", "-a", "-d", "@1500000000", "f")
    assert (mount.path / "f").stat().st_mtime_ns == YEAR_2023
    assert (mount.path / "f").stat().st_atime == 1_500_000_000
    mount.run("touch", "-m", "-d", "@1500000001", "f")
    assert (mount.path / "f").stat().st_atime == 1_500_000_000
    assert (mount.path / "f").stat().st_mtime == 1_500_000_001


def test_a_change_in_a_directory_changes_its_time(mount: Mount) -> None:
    mount.sh("mkdir d; touch d/a")
    for change in ("touch d/b", "rm d/a", "mkdir d/e", "mv d/b d/c", "ln -s x d/l", "rmdir d/e"):
        os.utime(mount.path / "d", ns=(YEAR_2014, YEAR_2014))
        mount.sh(change)
        assert (mount.path / "d").stat().st_mtime_ns > YEAR_2023, change


def test_blocks_links_and_sizes_make_sense(mount: Mount) -> None:
    (mount.path / "f").write_bytes(bytes(10_000))
    found = (mount.path / "f").stat()
    assert (found.st_size, found.st_nlink, found.st_blksize) == (10_000, 1, 131072)
    assert found.st_blocks * 512 >= 10_000
    mount.sh("touch empty; mkdir d")
    # What is to be written comes by a mebibyte; a reader who wants a few bytes does not fetch so much.
    assert [(mount.path / name).stat().st_blksize for name in ("empty", "d")] == [2**20, 131072]
    assert mount.run("du", "--apparent-size", "-b", "f").split()[0] == "10000"


def test_statfs_has_room_and_long_names(mount: Mount) -> None:
    found = os.statvfs(mount.path)
    assert min(found.f_bavail, found.f_bfree, found.f_ffree) > 0
    assert found.f_namemax == 255


def test_permissions_of_the_cluster_are_errors_here(mount: Mount) -> None:
    """The cluster's user is no root, whoever mounts."""
    mount.sh("mkdir closed; touch closed/x; echo x > unreadable")
    (mount.path / "unreadable").chmod(0)
    (mount.path / "closed").chmod(0o500)
    mount.f7tfs("refresh", str(mount.path))
    try:
        assert failure(lambda: (mount.path / "closed/new").write_text("x")) == errno.EACCES
        assert failure((mount.path / "closed/new").mkdir) == errno.EACCES
        assert failure((mount.path / "closed/x").unlink) == errno.EACCES
        assert failure((mount.path / "unreadable").read_text) == errno.EACCES
        assert failure(lambda: os.open(mount.path / "unreadable", os.O_WRONLY)) == errno.EACCES
    finally:
        (mount.path / "closed").chmod(0o700)


def test_names_that_a_directorys_mode_does_not_let_change_are_refused_here(mount: Mount) -> None:
    """At once, so that a burst hears of it too: nothing is sent, and nothing waits in vain."""
    mount.sh("mkdir -p closed/full closed/e; touch closed/full/f closed/x; chmod 500 closed; ls -R > /dev/null")
    top = mount.path / "closed"
    changes: list[Callable[[], object]] = [
        (top / "x").unlink,
        (top / "e").rmdir,
        (top / "new").mkdir,
        (top / "new").touch,
        lambda: os.symlink("x", top / "new"),
        lambda: os.rename(top / "x", mount.path / "x"),
        lambda: os.rename(top / "full/f", top / "f"),
        lambda: os.rename(top / "x", top / "e/x"),
    ]
    mount.sandbox.reset_calls()
    assert [failure(change) for change in changes] == [errno.EACCES] * len(changes)
    assert [route for route in mount.sandbox.calls() if not route.startswith("GET") and "token" not in route] == []
    top.chmod(0o700)
    (top / "x").unlink()


def attributes(root: Path) -> dict[str, tuple[int, ...]]:
    """What git compares, of files; the times of other things are the cluster's, and are left out."""
    found: dict[str, tuple[int, ...]] = {}
    for path in sorted(root.rglob("*")):
        s = path.lstat()
        found[str(path.relative_to(root))] = (s.st_ino, s.st_mode, s.st_uid, s.st_gid)
        if stat.S_ISREG(s.st_mode):
            found[str(path.relative_to(root))] += (s.st_size, s.st_mtime_ns, s.st_ctime_ns)
    return found


@pytest.mark.parametrize("api", APIS)
def test_a_remount_changes_nothing_that_can_be_seen(new_mount: Callable[..., Mount], api: str) -> None:
    mount = new_mount(api)
    (mount.sandbox.home / "theirs").write_text("x")
    os.utime(mount.sandbox.home / "theirs", (1_600_000_000, 1_600_000_000))
    mount.mount()
    mount.sh("mkdir -p d/e; echo x > d/f; echo y > d/e/g; ln -s f d/l; chmod 600 d/f")
    os.utime(mount.path / "d/e/g", ns=(YEAR_2014, YEAR_2014))
    before = attributes(mount.path)
    assert mount.umount().returncode == 0
    mount.mount()
    assert attributes(mount.path) == before
    assert mount.umount().returncode == 0


@pytest.mark.parametrize("api", APIS)
def test_git_status_reads_no_file_after_a_remount(new_mount: Callable[..., Mount], api: str) -> None:
    mount = new_mount(api)
    mount.mount()
    mount.sh(
        """
        git init -q -b main r; cd r; git config user.email a@example.org; git config user.name A
        for i in 1 2 3 4 5 6 7 8 9; do echo "line $i" > file$i; done; mkdir sub; echo deep > sub/deep
        sleep 1.1; git add .; git commit -qm one; git status --porcelain
    """,
        timeout=240,
    )
    assert mount.umount().returncode == 0
    mount.mount()
    logged = len(mount.log())
    assert mount.run("git", "-C", "r", "status", "--porcelain") == ""
    downloads = [line for line in mount.log()[logged:].splitlines() if "/download?" in line]
    # git reads its own: HEAD, config, index and the like; none of the ten files of the work tree.
    assert any("index" in line for line in downloads)
    assert not [line for line in downloads if "r%2Ffile" in line or "sub%2Fdeep" in line]
    assert mount.umount().returncode == 0
