"""Mount options as mount(8) knows them, and directories that are too large for the API."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from f7tfs.cli.mount_helper import parse
from tests.mounted.conftest import APIS, Mount, wait_until
from tests.mounted.test_posix_content import failure

pytestmark = pytest.mark.usefixtures("quiet_log")
NOBODY = 65534


@pytest.fixture
def public() -> Iterator[Path]:
    """A directory that other users can get to. Tests ask for it before the mounts that are made in it."""
    base = Path(tempfile.mkdtemp(prefix="f7tfs-"))
    base.chmod(0o755)
    yield base
    if not os.path.ismount(base / "mnt"):
        shutil.rmtree(base)


def as_nobody(*command: str) -> subprocess.CompletedProcess[str]:
    drop = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    return subprocess.run([*drop, *command], capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("api", APIS)
def test_owner_group_and_mask_are_shown_as_the_options_say(new_mount: Callable[..., Mount], api: str) -> None:
    mount = new_mount(api, "-o", "uid=1234,gid=2345,umask=027")
    (mount.sandbox.home / "theirs").touch(mode=0o666)
    (mount.sandbox.home / "theirs").chmod(0o666)
    mount.mount()
    (mount.path / "ours").write_text("x")
    for name, mode in (("theirs", 0o640), ("ours", 0o640)):
        found = (mount.path / name).stat()
        assert (found.st_uid, found.st_gid, oct(stat.S_IMODE(found.st_mode))) == (1234, 2345, oct(mode))
    assert stat.S_IMODE((mount.remote / "theirs").stat().st_mode) == 0o666
    os.chown(mount.path / "ours", 1234, 2345)
    assert mount.umount().returncode == 0


@pytest.mark.parametrize("api", APIS)
def test_a_read_only_mount_changes_nothing(new_mount: Callable[..., Mount], api: str) -> None:
    mount = new_mount(api, "-o", "ro")
    (mount.sandbox.home / "f").write_text("x")
    mount.mount()
    assert (mount.path / "f").read_text() == "x"
    changes: list[Callable[[], object]] = [
        lambda: (mount.path / "g").write_text("y"),
        lambda: os.open(mount.path / "f", os.O_RDWR),
        (mount.path / "d").mkdir,
        (mount.path / "f").unlink,
        lambda: os.rename(mount.path / "f", mount.path / "g"),
        lambda: os.chmod(mount.path / "f", 0o600),
        lambda: os.utime(mount.path / "f"),
        lambda: os.symlink("f", mount.path / "l"),
    ]
    assert {failure(change) for change in changes} == {errno.EROFS}
    assert os.listdir(mount.remote) == ["f"]
    assert mount.umount().returncode == 0


@pytest.mark.parametrize("helper", [False, True], ids=["f7tfs mount", "mount.f7tfs"])
def test_no_program_is_run_where_the_options_forbid_it(new_mount: Callable[..., Mount], helper: bool) -> None:
    words = parse(["x:", "/mnt", "-o", "defaults,noexec,noatime,nofail"]).options if helper else ["noexec", "noatime"]
    mount = new_mount("v2", "-o", ",".join(words))
    (mount.sandbox.home / "program").write_text("#!/bin/sh\nexit 0\n")
    (mount.sandbox.home / "program").chmod(0o755)
    mount.mount()
    assert failure(lambda: subprocess.run([mount.path / "program"], timeout=60, check=False)) == errno.EACCES
    shown = subprocess.run(
        ["findmnt", "-no", "OPTIONS", str(mount.path)], capture_output=True, text=True, timeout=60, check=False
    ).stdout
    assert {"nosuid", "nodev", "noexec", "noatime"} <= set(shown.strip().split(","))
    assert mount.umount().returncode == 0


def test_other_users_are_kept_out(public: Path, new_mount: Callable[..., Mount]) -> None:
    mount = new_mount("v2", base=public)
    mount.mount()
    (mount.path / "f").write_text("x")
    assert "Permission denied" in as_nobody("cat", str(mount.path / "f")).stderr
    assert mount.umount().returncode == 0


def test_with_allow_other_the_modes_decide(public: Path, new_mount: Callable[..., Mount]) -> None:
    mount = new_mount("v2", "-o", "allow_other,default_permissions", base=public)
    mount.mount()
    (mount.path / "open").write_text("to all\n")
    (mount.path / "open").chmod(0o644)
    (mount.path / "closed").write_text("to one\n")
    (mount.path / "closed").chmod(0o600)
    assert as_nobody("cat", str(mount.path / "open")).stdout == "to all\n"
    assert "Permission denied" in as_nobody("cat", str(mount.path / "closed")).stderr
    assert "Permission denied" in as_nobody("touch", str(mount.path / "new")).stderr
    assert mount.umount().returncode == 0


@pytest.mark.parametrize("api", APIS)
def test_absolute_links_are_mapped_where_that_is_asked_for(new_mount: Callable[..., Mount], api: str) -> None:
    mount = new_mount(api, "-o", "map_links")
    home = mount.sandbox.info.home
    (mount.sandbox.home / "f").write_text("content")
    os.symlink(f"{home}/f", mount.sandbox.home / "inside")
    os.symlink("/elsewhere/f", mount.sandbox.home / "outside")
    mount.mount()
    assert os.readlink(mount.path / "inside") == f"{mount.path}/f"
    assert (mount.path / "inside").lstat().st_size == len(os.fsencode(f"{mount.path}/f"))
    assert (mount.path / "inside").read_text() == "content"
    assert os.readlink(mount.path / "outside") == "/elsewhere/f"
    os.symlink(mount.path / "f", mount.path / "made")
    assert os.readlink(mount.remote / "made") == f"{home}/f"
    assert (mount.path / "made").read_text() == "content"
    assert mount.umount().returncode == 0


@pytest.mark.parametrize("api", APIS)
def test_a_directory_that_is_too_large_for_the_api_says_so_and_is_used_by_name(
    new_mount: Callable[..., Mount], api: str
) -> None:
    mount = new_mount(api, settings={"max_ops_file_size": 100_000})
    large = mount.sandbox.home / "large"
    large.mkdir()
    for index in range(3000):
        (large / f"file{index:04}").write_text(f"{index}")
    mount.mount()
    assert failure(lambda: os.listdir(mount.path / "large")) == errno.EFBIG
    mount.sandbox.reset_calls()
    assert failure(lambda: os.listdir(mount.path / "large")) == errno.EFBIG
    assert mount.calls() == 0, "what is known is asked again"
    assert (mount.path / "large/file1234").read_text() == "1234"
    assert failure((mount.path / "large/absent").stat) == errno.ENOENT
    (mount.path / "large/new").write_text("new")
    assert (large / "new").read_text() == "new"
    mount.sh("cd large; echo more >> file0005; mv file0006 renamed; chmod 600 file0008")
    assert (large / "file0005").read_text() == "5more\n"
    assert (large / "renamed").read_text() == "6"
    assert (large / "file0008").stat().st_mode & 0o777 == 0o600
    (mount.path / "large/file0007").unlink()
    assert not (large / "file0007").exists()
    assert mount.umount().returncode == 0


@pytest.mark.parametrize(("api", "mode"), [("v2", "async"), ("v1", "auto")])
def test_names_are_not_looked_for_in_a_directory_that_may_not_be_searched(
    new_mount: Callable[..., Mount], api: str, mode: str
) -> None:
    mount = new_mount(api, "--attribute-timeout", "1", "--write-mode", mode)
    for name in ("d", "d/below"):
        (mount.remote / name).mkdir()
        (mount.remote / name / "f").write_text("f")
    mount.mount()
    top = mount.path / "d"
    assert (top / "f").read_text() == (top / "below/f").read_text() == "f"
    top.chmod(0o600)
    # What the kernel knows of it, it forgets when the time-out is over.
    wait_until(lambda: failure((top / "f").stat) == errno.EACCES)
    uses: list[Callable[[], object]] = [
        (top / "f").read_text,
        lambda: (top / "f").write_text("changed"),
        lambda: (top / "f").chmod(0o600),
        (top / "below/f").read_text,
        lambda: (top / "new").write_text("new"),
        lambda: (top / "f").rename(mount.path / "elsewhere"),
        (top / "f").unlink,
        (top / "absent").stat,
    ]
    assert [failure(use) for use in uses] == [errno.EACCES] * len(uses)
    top.chmod(0o700)
    assert (top / "f").read_text() == "f"
    assert mount.f7tfs("sync", str(mount.path)).returncode == 0
    assert mount.umount().returncode == 0
