"""What users of other remote mounts suffer from: those complaints of docs/explanation/reliability.md without a test
elsewhere."""

from __future__ import annotations

import errno
import json
import os
import signal
import time
from collections.abc import Callable

import pytest

from tests.mounted.conftest import APIS, Mount, wait_until
from tests.mounted.test_posix_content import failure

AWAY = {errno.EHOSTUNREACH, errno.ETIMEDOUT}


def status(mount: Mount) -> dict[str, object]:
    answer: dict[str, object] = json.loads(mount.f7tfs("status", "--json", str(mount.path)).stdout)
    return answer


@pytest.mark.parametrize("api", APIS)
def test_a_network_that_is_lost_freezes_nothing_and_comes_back_by_itself(
    new_mount: Callable[..., Mount], api: str
) -> None:
    mount = new_mount(api, "--deadline", "8")
    home = mount.sandbox.home
    for name in ("known", "unknown"):
        (home / name).mkdir()
        (home / name / "f").write_text("content")
        os.utime(home / name / "f", (1_600_000_000, 1_600_000_000))
    mount.mount()
    assert os.listdir(mount.path / "known") == ["f"]
    assert (mount.path / "known/f").read_text() == "content"
    mount.sandbox.kill()
    began = time.monotonic()
    assert failure(lambda: os.listdir(mount.path / "unknown")) in AWAY
    assert os.listdir(mount.path / "known") == ["f"]
    assert (mount.path / "known/f").read_text() == "content"
    (mount.path / "known/new").write_text("written meanwhile")
    assert (mount.path / "known/new").read_text() == "written meanwhile"
    assert time.monotonic() - began < 200, "ten times the deadline, and more"
    told = status(mount)
    assert told["reachable"] is False
    assert told["changes_left"] == 1
    mount.sandbox.start()
    wait_until(lambda: (home / "known/new").exists() and (home / "known/new").read_text() == "written meanwhile")
    wait_until(lambda: failure(lambda: os.listdir(mount.path / "unknown")) is None)
    wait_until(lambda: status(mount)["reachable"])
    assert mount.umount().returncode == 0


@pytest.mark.parametrize("api", APIS)
def test_a_network_that_is_silent_shows_what_is_known(new_mount: Callable[..., Mount], api: str) -> None:
    mount = new_mount(api, "--deadline", "8", "--attribute-timeout", "0.1")
    (mount.sandbox.home / "known").mkdir()
    (mount.sandbox.home / "known/f").write_text("content")
    mount.mount()
    assert os.listdir(mount.path / "known") == ["f"]
    os.kill(mount.sandbox.pid, signal.SIGSTOP)
    try:
        time.sleep(0.2)  # until the listing is too old
        assert os.listdir(mount.path / "known") == ["f"]
        assert status(mount)["reachable"] is False
    finally:
        os.kill(mount.sandbox.pid, signal.SIGCONT)
    (mount.sandbox.home / "known/g").write_text("new")
    wait_until(lambda: sorted(os.listdir(mount.path / "known")) == ["f", "g"])
    assert status(mount)["reachable"] is True


def test_tokens_that_end_are_fetched_anew(mount: Mount) -> None:
    (mount.path / "before").write_text("x")
    mount.sandbox.expire_tokens()
    (mount.path / "after").write_text("x")
    mount.f7tfs("refresh", str(mount.path))
    assert sorted(os.listdir(mount.path)) == ["after", "before"]


@pytest.mark.parametrize("api", APIS)
def test_a_mount_with_changes_to_send_is_usable_at_once(new_mount: Callable[..., Mount], api: str) -> None:
    mount = new_mount(api, "--write-mode", "async")
    (mount.sandbox.home / "theirs").write_text("there")
    mount.mount()
    mount.sandbox.faults({"match": "POST .*(upload|extract)", "status": 503, "count": None})
    for index in range(5):
        (mount.path / f"f{index}").write_text("x" * 1000)
    (daemon,) = mount.daemons()
    os.kill(daemon, signal.SIGKILL)
    wait_until(mount.stale)
    # The site still takes nothing.
    mount.mount()
    assert sorted(os.listdir(mount.path)) == ["f0", "f1", "f2", "f3", "f4", "theirs"]
    assert (mount.path / "f3").read_text() == "x" * 1000
    assert (mount.path / "theirs").read_text() == "there"
    assert status(mount)["changes_left"] == 5
    mount.sandbox.clear_faults()
    assert mount.f7tfs("sync", str(mount.path)).returncode == 0
    assert (mount.remote / "f4").read_text() == "x" * 1000
    assert mount.umount().returncode == 0


def test_status_tells_everything_to_people_and_to_programs(mount: Mount, session_mount: Mount) -> None:
    (mount.path / "f").write_text("x")
    told = status(session_mount)
    assert told["reachable"] is True
    assert told["unreachable_since"] is None
    assert (told["changes_left"], told["bytes_left"], told["failed"]) == (0, 0, [])
    calls = told["calls"]
    assert isinstance(calls, dict)
    assert sum(calls.values()) > 0
    for name in ("token_age", "token_good_for", "cache_bytes", "inodes"):
        value = told[name]
        assert isinstance(value, int | float), name
        assert value >= 0, name
    lines = mount.f7tfs("status", str(session_mount.path)).stdout
    for word in ("site", "token", "to be sent", "API calls", "cached", "process"):
        assert word in lines, lines


NOISE = [".Trash", ".Trash-0", "autorun.inf", ".DS_Store", ".xdg-volume-info", "desktop.ini"]


@pytest.fixture(params=APIS)
def unlisted(new_mount: Callable[..., Mount], request: pytest.FixtureRequest) -> Mount:
    """A mount that lists no directory before it is asked for, whatever programs did a moment ago."""
    mount: Mount = new_mount(request.param, "-o", "nobulk")
    mount.mount()
    return mount


def test_what_desktops_look_for_costs_no_call_even_where_nothing_is_known(unlisted: Mount) -> None:
    mount = unlisted
    (mount.remote / "d").mkdir()
    (mount.remote / "d/.DS_Store").write_text("theirs")
    mount.f7tfs("refresh", str(mount.path))
    (mount.path / "d").stat()
    mount.sandbox.reset_calls()
    assert [failure((mount.path / "d" / name).stat) for name in NOISE] == [errno.ENOENT] * len(NOISE)
    assert mount.calls() == 0


def test_what_desktops_look_for_is_there_once_it_was_listed_and_is_not_overwritten(unlisted: Mount) -> None:
    mount = unlisted
    (mount.remote / "d").mkdir()
    (mount.remote / "d/.DS_Store").write_text("theirs")
    mount.f7tfs("refresh", str(mount.path))
    assert failure(lambda: (mount.path / "d/.DS_Store").write_text("ours")) == errno.EEXIST
    assert os.listdir(mount.path / "d") == [".DS_Store"]
    assert (mount.remote / "d/.DS_Store").read_text() == "theirs"
    (mount.path / ".DS_Store").write_text("ours")
    assert (mount.path / ".DS_Store").read_text() == "ours"
