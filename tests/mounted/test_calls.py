"""API calls per user action: counted at the server, so they do not depend on the machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.mounted.conftest import Mount

pytestmark = pytest.mark.usefixtures("quiet_log")


def forget(mount: Mount) -> None:
    """Nothing is cached of the directory any more, and no call counted."""
    mount.f7tfs("refresh", str(mount.path))
    mount.sandbox.reset_calls()


def test_ls_of_a_thousand_entries_is_one_call_cold_and_none_warm(mount: Mount) -> None:
    for index in range(1000):
        (mount.remote / f"file{index:04}").write_text("x")
    forget(mount)
    assert len(mount.run("ls", "-l").splitlines()) == 1001
    assert mount.calls() <= 2  # the parent, whose entry the kernel asks for again, and the directory
    mount.sandbox.reset_calls()
    assert len(mount.run("ls", "-l").splitlines()) == 1001
    assert mount.calls() == 0


def test_a_small_file_goes_in_with_one_call_where_the_directory_is_known(mount: Mount, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"small")
    mount.run("ls")
    mount.sandbox.reset_calls()
    mount.run("cp", str(tmp_path / "in"), "file")
    assert mount.calls() == 1
    mount.run("cat", "file")
    assert mount.calls() == 1, "what was just written was fetched again"


def test_a_small_file_goes_in_with_two_calls_cold(mount: Mount, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"small")
    forget(mount)
    mount.run("cp", str(tmp_path / "in"), "file")
    assert mount.calls() <= 2


def test_a_small_file_comes_out_with_two_calls_cold_and_one_warm(mount: Mount, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (mount.remote / name).write_text("content")
        # What was changed within the last two seconds may change again without a trace, and is not kept.
        os.utime(mount.remote / name, (1_600_000_000, 1_600_000_000))
    forget(mount)
    mount.run("cp", "one", str(tmp_path / "out"))
    assert mount.calls() <= 2
    mount.sandbox.reset_calls()
    mount.run("cp", "two", str(tmp_path / "out"))
    assert mount.calls() == 1
    mount.run("cp", "two", str(tmp_path / "out"))
    assert mount.calls() == 1, "the content cache was not used"


def test_find_lists_each_directory_once(mount: Mount) -> None:
    for index in range(30):
        (mount.remote / f"d{index}").mkdir()
        (mount.remote / f"d{index}/f").touch()
    forget(mount)
    assert len(mount.run("find", ".").splitlines()) == 61
    assert mount.calls() <= 32
    mount.sandbox.reset_calls()
    mount.run("find", ".")
    assert mount.calls() == 0


def test_absent_names_cost_nothing_where_the_directory_is_known(mount: Mount) -> None:
    mount.run("ls")
    mount.sandbox.reset_calls()
    for name in ("a", "b", "c"):
        assert not (mount.path / name).exists()
    assert mount.calls() == 0


def test_a_temporary_that_is_renamed_travels_once(mount: Mount) -> None:
    mount.run("ls")
    mount.sandbox.reset_calls()
    mount.sh("echo x > config.lock; mv config.lock config")
    assert (mount.remote / "config").read_text() == "x\n"
    assert mount.calls() == 1


def test_a_temporary_that_is_removed_never_travels(mount: Mount) -> None:
    mount.run("ls")
    mount.sandbox.reset_calls()
    mount.sh("echo x > .file.swp; rm .file.swp")
    assert mount.calls() == 0


def test_df_and_xattrs_cost_nothing(mount: Mount) -> None:
    mount.sh("echo x > f")
    mount.sandbox.reset_calls()
    mount.run("df", ".")
    mount.run("ls", "-l")
    with pytest.raises(OSError, match="not supported"):
        os.getxattr(mount.path / "f", "user.comment")
    assert mount.calls() == 0
