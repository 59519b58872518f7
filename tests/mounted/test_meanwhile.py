"""What is seen of a place, or waits at it, while something else is being changed there."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable

import pytest

from tests.mounted.conftest import APIS, Mount, wait_until
from tests.mounted.test_held import OLD
from tests.mounted.test_journal import OURS, entries, picture


@pytest.mark.usefixtures("quiet_log")
@pytest.mark.parametrize("last", ["rm c", "rm c; mkdir c", "echo y > b; mv b c"])
@pytest.mark.parametrize("api", APIS)
def test_a_link_renamed_over_a_file_that_never_came_is_removed_and_replaced(
    new_mount: Callable[..., Mount], api: str, last: str
) -> None:
    mount = new_mount(api, "--write-mode", "async", settings={"job_start_seconds": 0.0})
    for name in ("b", "c"):
        (mount.remote / name).write_text(name)
        os.utime(mount.remote / name, (OLD, OLD))
    mount.mount()
    mount.sh("ls -l > /dev/null")
    mount.sandbox.faults({"match": "GET .*", "delay": 2, "count": 1})
    mount.sh(f"mv b a; echo x > b; mv b c; ln -s a b; mv b c; {last}")
    assert mount.f7tfs("sync", str(mount.path)).returncode == 0
    found = {name: told[1] if isinstance(told, tuple) else told for name, told in picture(mount.remote).items()}
    assert found == {"a": "b"} | {"rm c": {}, "rm c; mkdir c": {"c": None}}.get(last, {"c": "y\n"})
    assert picture(mount.path) == picture(mount.remote)
    assert mount.umount().returncode == 0


@pytest.mark.usefixtures("quiet_log")
def test_a_listing_that_comes_while_a_rename_is_made_takes_nothing_from_it(new_mount: Callable[..., Mount]) -> None:
    mount = new_mount("v2", "--attribute-timeout", "0", settings={"job_start_seconds": 0.0})
    (mount.remote / "d").mkdir()
    (mount.remote / "d/f").write_text("f")
    (mount.remote / "other").write_text("other")
    mount.mount()
    number = (mount.path / "d").stat().st_ino
    with (mount.path / "other").open() as other:
        mount.sandbox.reset_calls()
        mount.sandbox.faults({"match": "GET .*ops/stat", "delay": 4, "count": None})
        with subprocess.Popen(["mv", "-T", mount.path / "d", mount.path / "e"]) as renaming:
            wait_until((mount.remote / "e").exists)
            # This asks for a listing; unlike a look at the directory it does not wait for the rename in the kernel.
            before = mount.calls()
            os.fstat(other.fileno())
            assert mount.calls() > before
            assert renaming.poll() is None, "the listing came too late"
        assert renaming.returncode == 0
    mount.sandbox.clear_faults()
    assert (mount.path / "e").stat().st_ino == number
    (mount.remote / "e/another").touch()
    assert sorted(os.listdir(mount.path / "e")) == ["another", "f"]
    assert sorted(name for name in os.listdir(mount.path) if not name.startswith(OURS)) == ["e", "other"]
    assert mount.umount().returncode == 0


def test_nobody_waits_for_what_is_held_up_by_a_failed_change(new_mount: Callable[..., Mount]) -> None:
    # The mode of the directory, once it is seen, would refuse the second rename here.
    options = ("--write-mode", "async", "--deadline", "300", "--attribute-timeout", "600")
    mount = new_mount("v2", *options, settings={"job_start_seconds": 0.0})
    (mount.remote / "closed").mkdir()
    (mount.remote / "a").write_text("a")
    mount.mount()
    mount.sh("ls -lR > /dev/null")
    (mount.remote / "closed").chmod(0o555)
    mount.sh("mv a closed/a")
    assert mount.f7tfs("sync", str(mount.path)).returncode == 1
    mount.sh("mv closed/a c")
    assert mount.umount().returncode == 1
    mount.options = ("--deadline", "300", "-o", "noburst")
    mount.mount()
    wait_until(lambda: any(entry["state"] == "failed" for entry in entries(mount)))
    began = time.monotonic()
    with (mount.path / "c").open("ab", buffering=0) as appended:
        appended.write(b"more")
        with pytest.raises(PermissionError):
            os.fsync(appended.fileno())
    # It would be given up after three quarters of the deadline.
    mount.run("mv", "c", "d", timeout=290)
    assert time.monotonic() - began < 150
    mount.f7tfs("umount", "--wait", "1", str(mount.path))
