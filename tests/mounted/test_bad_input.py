"""What goes wrong gives the errno or message that a local disk would give, and nothing is lost without a word."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.mounted.conftest import APIS, Mount, wait_until


def test_a_missing_file(mount: Mount) -> None:
    with pytest.raises(FileNotFoundError):
        (mount.path / "nope").read_bytes()
    with pytest.raises(FileNotFoundError):
        (mount.path / "nope/below").write_bytes(b"x")
    (mount.path / "file").write_bytes(b"x")
    with pytest.raises(NotADirectoryError):
        (mount.path / "file/below").read_bytes()


def test_a_file_that_may_not_be_read(mount: Mount) -> None:
    (mount.remote / "secret").write_text("x")
    (mount.remote / "secret").chmod(0o000)
    mount.f7tfs("refresh", str(mount.path))
    with pytest.raises(PermissionError):
        (mount.path / "secret").read_bytes()


def test_a_directory_that_may_not_be_written(mount: Mount) -> None:
    (mount.remote / "closed").mkdir()
    (mount.remote / "closed").chmod(0o555)
    mount.f7tfs("refresh", str(mount.path))
    with pytest.raises(PermissionError):
        (mount.path / "closed/new").write_bytes(b"x")
    with pytest.raises(PermissionError):
        (mount.path / "closed/dir").mkdir()
    assert list((mount.path / "closed").iterdir()) == []


def test_a_directory_that_may_not_be_listed(mount: Mount) -> None:
    (mount.remote / "closed").mkdir()
    (mount.remote / "closed").chmod(0o000)
    mount.f7tfs("refresh", str(mount.path))
    with pytest.raises(PermissionError):
        list((mount.path / "closed").iterdir())


def test_a_removal_that_is_not_allowed(mount: Mount) -> None:
    (mount.remote / "closed").mkdir()
    (mount.remote / "closed/kept").write_text("x")
    (mount.remote / "closed").chmod(0o555)
    mount.f7tfs("refresh", str(mount.path))
    with pytest.raises(PermissionError):
        (mount.path / "closed/kept").unlink()
    assert (mount.path / "closed/kept").read_text() == "x"


@pytest.mark.parametrize("name", ["a'b;c", "tab\there"])
def test_a_name_that_the_api_cannot_carry(mount: Mount, name: str) -> None:
    if mount.api == "v2" and "\t" not in name:
        (mount.path / name).write_text("v2 can")
        assert (mount.remote / name).read_text() == "v2 can"
        return
    mount.run("ls")
    mount.sandbox.reset_calls()
    for attempt in ((mount.path / name).touch, (mount.path / name).mkdir):
        with pytest.raises(OSError) as failed:  # noqa: PT011 -- the errno is what is looked at
            attempt()
        assert failed.value.errno == errno.EINVAL
    assert mount.calls() == 0, "it was sent nevertheless"


@pytest.mark.parametrize("api", APIS)
def test_a_full_quota_is_told_and_what_was_written_is_kept(
    new_mount: Callable[..., Mount], api: str, tmp_path: Path
) -> None:
    mount = new_mount(api)
    mount.mount()
    (tmp_path / "in").write_bytes(os.urandom(100_000))
    mount.sandbox.faults(quota=1000)
    failed = mount.attempt("cp", str(tmp_path / "in"), "file")
    assert failed.returncode != 0
    assert "quota exceeded" in failed.stderr.lower() or "no space left" in failed.stderr.lower()
    status = mount.f7tfs("status", str(mount.path)).stdout
    assert "file" in status
    assert "quota" in status.lower() or "space" in status.lower()
    assert (mount.path / "file").read_bytes() == (tmp_path / "in").read_bytes()
    mount.sandbox.clear_faults()
    mount.run("cp", str(tmp_path / "in"), "file")
    assert (mount.remote / "file").read_bytes() == (tmp_path / "in").read_bytes()
    assert mount.umount().returncode == 0


@pytest.mark.parametrize("api", APIS)
def test_a_secret_that_expires_in_the_middle(new_mount: Callable[..., Mount], api: str) -> None:
    """The token is taken again; where that is refused too, programs are told."""
    mount = new_mount(api)
    mount.mount()
    (mount.path / "before").write_text("x")
    mount.sandbox.expire_tokens()
    (mount.path / "after").write_text("y")
    assert (mount.remote / "after").read_text() == "y"


@pytest.mark.parametrize("api", APIS)
def test_credentials_that_are_no_longer_taken(new_mount: Callable[..., Mount], api: str) -> None:
    """Reading is refused; what is written waits in the journal, and `f7tfs status` says why."""
    mount = new_mount(api)
    (mount.remote / "theirs").write_text("x")
    mount.mount()
    mount.sandbox.faults({"match": "POST /auth/token", "status": 401, "count": None})
    mount.sandbox.expire_tokens()
    with pytest.raises(PermissionError):
        (mount.path / "theirs").read_text()
    (mount.path / "ours").write_text("written meanwhile")
    assert (mount.path / "ours").read_text() == "written meanwhile"
    status = json.loads(mount.f7tfs("status", "--json", str(mount.path)).stdout)
    assert status["changes_left"] == 1
    assert status["waiting"][0]["path"].endswith("/ours")
    assert status["failed"] == []
    assert status["reachable"] is True
    assert status["credentials_refused"]
    mount.sandbox.clear_faults()
    wait_until((mount.remote / "ours").exists)
    assert (mount.path / "theirs").read_text() == "x"
    assert mount.umount().returncode == 0


@pytest.mark.parametrize("api", APIS)
def test_a_change_that_failed_is_tried_again_at_the_next_mount(new_mount: Callable[..., Mount], api: str) -> None:
    mount = new_mount(api)
    mount.mount()
    mount.sandbox.faults(quota=10)
    with pytest.raises(OSError, match="quota"):
        (mount.path / "file").write_text("more than there is room for")
    assert mount.umount().returncode == 1, "something was left, and it was not said"
    mount.sandbox.clear_faults()
    mount.mount()
    # The part that there was room for is no other's doing.
    assert mount.f7tfs("sync", str(mount.path)).returncode == 0
    assert [path.name for path in mount.remote.iterdir() if path.is_file()] == ["file"]
    assert (mount.remote / "file").read_text() == "more than there is room for"
    assert mount.umount().returncode == 0


@pytest.mark.parametrize("api", APIS)
def test_a_cluster_that_is_away_loses_nothing(new_mount: Callable[..., Mount], api: str) -> None:
    mount = new_mount(api, "--deadline", "5")
    mount.mount()
    (mount.path / "known").write_text("known")
    assert os.listdir(mount.path) == ["known"]
    mount.sandbox.kill()
    mount.sh("echo written while away > journaled", timeout=30)
    assert (mount.path / "journaled").read_text() == "written while away\n"
    assert os.listdir(mount.path) == ["known", "journaled"]
    assert "journaled" not in os.listdir(mount.remote)
    mount.sandbox.start()
    wait_until((mount.remote / "journaled").exists, 90)
    assert (mount.remote / "journaled").read_text() == "written while away\n"
    assert mount.umount().returncode == 0
