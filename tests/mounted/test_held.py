"""What is fetched or sent while its file is removed, renamed or replaced."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Callable

import pytest

from tests.mounted.conftest import APIS, Mount, wait_until

pytestmark = pytest.mark.usefixtures("quiet_log")
OLD = 1_600_000_000


def called(mount: Mount, part: str) -> bool:
    return any(part in route for route in mount.sandbox.calls())


@pytest.mark.parametrize("doing", ["rm g", "echo other > h; mv h g"])
def test_a_file_may_be_removed_or_replaced_while_its_rename_fetches_it(
    new_mount: Callable[..., Mount], doing: str
) -> None:
    mount = new_mount("v2", "--write-mode", "async")
    (mount.remote / "f").write_text("there")
    os.utime(mount.remote / "f", (OLD, OLD))
    mount.mount()
    mount.sandbox.reset_calls()
    mount.sandbox.faults({"match": "GET .*download", "delay": 3, "count": 1})
    (mount.path / "f").rename(mount.path / "g")
    wait_until(lambda: called(mount, "download"))
    mount.sh(doing)
    assert mount.f7tfs("sync", str(mount.path)).returncode == 0
    left = {path.name: path.read_text() for path in mount.remote.iterdir() if path.is_file()}
    assert left == ({} if doing == "rm g" else {"g": "other\n"})
    assert mount.umount().returncode == 0


@pytest.mark.parametrize("doing", ["rm b/a", "mv y b/a"])
def test_what_takes_the_old_name_of_a_waiting_rename_is_not_taken_for_what_is_there(
    new_mount: Callable[..., Mount], doing: str
) -> None:
    mount = new_mount("v2", "--write-mode", "async")
    (mount.remote / "b").mkdir()
    for name in ("a", "x", "y"):
        (mount.remote / name).write_text(name)
        os.utime(mount.remote / name, (OLD, OLD))
    mount.mount()
    mount.sh("ls -lR > /dev/null")
    mount.sandbox.faults({"match": "GET .*", "delay": 2, "count": 1})
    mount.sh(f"mv a b/a; mv x a; {doing}")
    assert mount.f7tfs("sync", str(mount.path)).returncode == 0
    assert (mount.remote / "a").read_text() == "x"
    assert sorted(os.listdir(mount.remote / "b")) == ([] if doing == "rm b/a" else ["a"])
    assert mount.umount().returncode == 0


@pytest.mark.parametrize("api", APIS)
def test_a_fetch_of_what_was_there_before_is_not_taken_for_one_of_what_is_there_now(
    new_mount: Callable[..., Mount], api: str
) -> None:
    mount = new_mount(api)
    there = mount.remote / "f"
    there.write_text("before")
    os.utime(there, (OLD, OLD))
    mount.mount()
    mount.sandbox.reset_calls()
    mount.sandbox.faults({"match": "GET .*download", "delay": 5, "count": 1})
    with subprocess.Popen(["cat", mount.path / "f"], stdout=subprocess.PIPE, text=True) as reader:
        wait_until(lambda: called(mount, "download"))
        there.write_text("another one")
        os.utime(there, (OLD + 1, OLD + 1))
        assert mount.f7tfs("refresh", str(mount.path)).returncode == 0
        assert (mount.path / "f").stat().st_size == len("another one")
        assert (mount.path / "f").read_text() == "another one"
        assert reader.communicate()[0] in {"before", "another one", "another"}
        assert reader.returncode == 0
    # The kernel asks once more where reading ahead fails, so that programs saw it rarely.
    assert "read: ENOENT" not in mount.log()
    assert mount.umount().returncode == 0


@pytest.mark.parametrize("there", ["e", "e d"])
def test_a_mode_is_not_lost_where_a_content_that_waits_goes_with_its_directory(
    new_mount: Callable[..., Mount], there: str
) -> None:
    """The file's own rename only removes its old name then: nothing at the new one has the mode yet."""
    mount = new_mount("v2", "--write-mode", "async", settings={"job_start_seconds": 0.0})
    mount.mount()
    (mount.path / "e").write_text("old")
    if "d" in there:
        (mount.path / "d").mkdir()
    assert mount.f7tfs("sync", str(mount.path)).returncode == 0
    (mount.path / "d").mkdir(exist_ok=True)
    (mount.path / "e").chmod(0o734)
    (mount.path / "e").rename(mount.path / "d/a")
    os.truncate(mount.path / "d/a", 10)
    (mount.path / "d").rename(mount.path / "c")
    assert mount.f7tfs("sync", str(mount.path)).returncode == 0
    assert (mount.remote / "c/a").read_bytes() == b"old".ljust(10, b"\0")
    assert stat.S_IMODE((mount.remote / "c/a").stat().st_mode) == 0o734
    assert mount.umount().returncode == 0


@pytest.mark.parametrize("api", APIS)
def test_a_new_directory_that_something_went_through_is_made_though_it_is_removed(
    new_mount: Callable[..., Mount], api: str
) -> None:
    mount = new_mount(api, "--write-mode", "async", settings={"job_start_seconds": 0.0})
    mount.mount()
    (mount.path / "e").write_text("old")
    assert mount.f7tfs("sync", str(mount.path)).returncode == 0
    (mount.path / "d").mkdir()
    (mount.path / "e").rename(mount.path / "d/a")
    (mount.path / "d/a").rename(mount.path / "b")
    (mount.path / "d").rmdir()
    synced = mount.f7tfs("sync", str(mount.path))
    assert synced.returncode == 0, synced.stderr
    assert [(path.name, path.read_text()) for path in mount.remote.iterdir() if path.name != ".f7tfs"] == [
        ("b", "old")
    ]
    assert mount.umount().returncode == 0


@pytest.mark.expects_log("is not on the cluster yet|cannot be reached|is back|took longer")
@pytest.mark.parametrize("name", ["e", "e/f"])
@pytest.mark.parametrize("api", APIS)
def test_a_mode_set_behind_a_rename_that_waits_is_not_another_files(
    new_mount: Callable[..., Mount], api: str, name: str
) -> None:
    """What stands at the new name on the cluster until then is none of its business."""
    mount = new_mount(api, "--deadline", "20", settings={"job_start_seconds": 0.0})
    mount.mount()
    (mount.path / "d").mkdir()
    (mount.path / "d/f").write_text("x")
    (mount.path / "e").mkdir()
    assert mount.f7tfs("sync", str(mount.path)).returncode == 0
    mount.sandbox.faults({"match": "/transfer/mv|/utilities/rename", "status": 503, "count": None})
    (mount.path / "d").rename(mount.path / "e")
    (mount.path / name).chmod(0o700)
    mount.sandbox.clear_faults()
    assert mount.f7tfs("journal", "retry").returncode == 0
    assert mount.f7tfs("sync", str(mount.path)).returncode == 0
    assert stat.S_IMODE((mount.remote / name).stat().st_mode) == 0o700
    assert sorted(path.name for path in mount.remote.iterdir() if path.name[0] != ".") == ["e"]
    assert mount.umount().returncode == 0
