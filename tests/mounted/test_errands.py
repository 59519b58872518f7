"""f7tfs cp, mv, rm and wait, as people, pipes and programs use them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.mounted.conftest import APIS, Mount, wait_until
from tests.mounted.test_large import MB, make_file, sha256

MOVES_BYTES = ("upload", "download", "compress", "extract", "view", "tail", "head")

LOGS = {"GET /v2/filesystem/{system}/ops/download", "GET /v1/utilities/download"}
"""By which the log of a job is read, whose bytes are few."""


def done(mount: Mount, *words: str) -> str:
    finished = mount.f7tfs(*words)
    assert finished.returncode == 0, finished.stderr + mount.log()[-3000:]
    return finished.stdout


def refused(mount: Mount, *words: str) -> str:
    finished = mount.f7tfs(*words)
    assert finished.returncode == 1, finished.stdout + finished.stderr
    return finished.stderr


def moved_bytes(mount: Mount) -> dict[str, int]:
    """The calls that carry content, either way."""
    return {call: n for call, n in mount.sandbox.calls().items() if call.rpartition("/")[2] in MOVES_BYTES}


def at(mount: Mount, name: str) -> str:
    return str(mount.path / name)


def test_a_tree_is_copied_moved_and_removed_without_its_bytes_coming_here(mount: Mount) -> None:
    mount.sh("mkdir -p d/e; echo content > d/e/f; head -c 6000000 /dev/urandom > d/large")
    done(mount, "sync", str(mount.path))
    digest = sha256(mount.remote / "d" / "large")
    mount.sandbox.reset_calls()
    done(mount, "cp", "-r", at(mount, "d"), at(mount, "copy"))
    assert (mount.path / "copy" / "e" / "f").stat().st_size == 8
    done(mount, "mv", at(mount, "copy"), at(mount, "moved"))
    assert sorted(os.listdir(mount.path)) == ["d", "moved"]
    assert sha256(mount.remote / "moved" / "large") == digest
    assert sorted(os.listdir(mount.path / "moved")) == ["e", "large"]
    done(mount, "rm", "-r", at(mount, "moved"))
    assert os.listdir(mount.path) == os.listdir(mount.remote) == ["d"]
    assert moved_bytes(mount).keys() <= LOGS


def test_mv_on_the_mount_moves_no_bytes_of_what_is_large(mount: Mount) -> None:
    mount.sh("mkdir d; head -c 6000000 /dev/urandom > d/large")
    done(mount, "sync", str(mount.path))
    mount.sandbox.reset_calls()
    mount.sh("mv d/large d/renamed; mv d e")
    assert moved_bytes(mount) == {}
    assert (mount.remote / "e" / "renamed").stat().st_size == 6_000_000


def test_what_was_written_here_is_there_before_it_is_copied(new_mount: Callable[..., Mount]) -> None:
    mount = new_mount("v2", "--write-mode", "async")
    mount.mount()
    mount.sh("mkdir d; echo new > d/f; echo old > target")
    done(mount, "cp", at(mount, "d/f"), at(mount, "target"))
    assert (mount.remote / "target").read_text() == "new\n"
    assert mount.run("cat", "target") == "new\n"
    with (mount.path / "d" / "open").open("w") as file:
        file.write("half")
        file.flush()
        assert "d/open was changed here" in refused(mount, "cp", "-r", at(mount, "d"), at(mount, "n"))


def test_a_copy_is_seen_though_size_and_time_are_the_same(mount: Mount) -> None:
    mount.sh("echo one > a; echo two > b")
    for name in "ab":
        os.utime(mount.remote / name, (1_500_000_000, 1_500_000_000))
    done(mount, "refresh", str(mount.path))
    assert mount.run("cat", "b") == "two\n"
    done(mount, "cp", at(mount, "a"), at(mount, "b"))
    assert mount.run("cat", "b") == "one\n"


def test_errands_are_told_to_people_pipes_and_programs(mount: Mount) -> None:
    mount.sh("mkdir d into; echo f > d/f; echo g > g")
    told = mount.f7tfs("cp", "-r", at(mount, "d"), at(mount, "g"), at(mount, "into"))
    assert (told.returncode, told.stdout, told.stderr) == (0, "", "2 paths copied\n")
    assert sorted(os.listdir(mount.remote / "into")) == ["d", "g"]
    (row,) = json.loads(done(mount, "mv", at(mount, "g"), at(mount, "into/h"), "--json"))
    assert (row["kind"], row["state"], row["error"]) == ("move", "done", None)
    assert (row["source"], row["target"]) == tuple(
        f"{mount.sandbox.info.home}/{mount.remote.name}/{name}" for name in ("g", "into/h")
    )
    error = refused(mount, "cp", at(mount, "d"), at(mount, "n"))
    assert "is a directory" in error
    assert "give -r" in error
    assert "is a directory" in refused(mount, "rm", at(mount, "d"))
    assert "no such" in refused(mount, "rm", at(mount, "nothing")).lower()
    assert "not a directory" in refused(mount, "cp", at(mount, "d"), at(mount, "g"), at(mount, "n"))
    assert "nothing of the system other" in refused(mount, "cp", "other:/x", at(mount, "n"))
    assert "what is mounted" in refused(mount, "rm", "-r", str(mount.path.parent))
    assert "nothing of this is on a cluster" in refused(mount, "cp", "/etc/passwd", "/tmp")
    system = f"{mount.sandbox.info.system}:{mount.sandbox.info.home}/{mount.remote.name}"
    done(mount, "cp", f"{system}/d/f", f"{system}/by-name")
    assert mount.run("cat", "by-name") == "f\n"


@pytest.mark.parametrize("api", APIS)
def test_a_job_goes_on_while_nobody_waits_and_can_be_waited_for(new_mount: Callable[..., Mount], api: str) -> None:
    mount = new_mount(api)
    mount.mount()
    (mount.remote / "large").write_bytes(os.urandom(40 * MB))
    mount.sandbox.faults(hold_jobs=True)
    job, state, source, target = done(mount, "cp", "--no-wait", at(mount, "large"), at(mount, "copy")).split("\t")
    assert job.isdigit()
    assert (state, source) == ("running", f"{mount.sandbox.info.home}/large")
    (shown,) = json.loads(done(mount, "transfers", "--json", str(mount.path)))
    assert (shown["direction"], shown["path"]) == ("copy", target.strip())
    assert "does not have everything yet" in refused(mount, "wait", "--timeout", "0.5", at(mount, "copy"))
    done(mount, "wait", at(mount, "large"))
    mount.sandbox.clear_faults()
    done(mount, "wait", at(mount, "copy"))
    assert (mount.path / "copy").stat().st_size == 40 * MB
    mount.sandbox.faults(fail_transfers=1)
    done(mount, "cp", "--no-wait", at(mount, "large"), at(mount, "broken"))
    waited = mount.f7tfs("wait", "--json", at(mount, "broken"))
    assert waited.returncode == 1
    assert json.loads(waited.stdout)["failed"].keys() == {f"{mount.sandbox.info.home}/broken"}


@pytest.mark.parametrize("api", APIS)
def test_whoever_gives_up_waiting_takes_the_job_back(new_mount: Callable[..., Mount], api: str) -> None:
    mount = new_mount(api)
    mount.mount()
    (mount.remote / "large").write_bytes(os.urandom(40 * MB))
    mount.sandbox.faults(hold_jobs=True)
    command = [sys.executable, "-m", "f7tfs", "cp", at(mount, "large"), at(mount, "copy")]
    copying = subprocess.Popen(command, env=mount.env(), stderr=subprocess.DEVNULL)
    wait_until(lambda: jobs(mount))
    copying.terminate()
    copying.wait()
    wait_until(lambda: not jobs(mount))
    mount.sandbox.clear_faults()
    done(mount, "sync", str(mount.path))
    assert not (mount.remote / "copy").exists()


def jobs(mount: Mount) -> list[dict[str, Any]]:
    return list(json.loads(done(mount, "transfers", "--json", str(mount.path))))


def test_wait_returns_when_the_cluster_has_what_was_written(new_mount: Callable[..., Mount]) -> None:
    mount = new_mount("v2", "--write-mode", "async")
    mount.mount()
    mount.sh("mkdir d; echo one > d/f; echo two > g")
    done(mount, "wait", at(mount, "d"))
    assert (mount.remote / "d" / "f").read_text() == "one\n"
    assert json.loads(done(mount, "wait", "--json", at(mount, "d"), at(mount, "g"))) == {
        "left": [],
        "failed": {},
        "late": False,
    }
    mount.sandbox.faults({"match": "upload", "status": 408, "count": None})
    mount.sh("echo three > d/f")
    began = time.monotonic()
    assert "does not have everything" in refused(mount, "wait", "--timeout", "1", at(mount, "d"))
    assert time.monotonic() - began >= 1
    done(mount, "wait", at(mount, "g"))
    mount.sandbox.faults(quota=0)
    assert "quota" in refused(mount, "wait", at(mount, "d")).lower()
    mount.sandbox.clear_faults()
    done(mount, "journal", "retry", "--of", str(mount.path))
    done(mount, "wait", at(mount, "d"))
    assert (mount.remote / "d" / "f").read_text() == "three\n"
    assert "not in a mount" in refused(mount, "wait", "/tmp")


@pytest.mark.parametrize("size", [0, 5, 4 * MB, 12 * MB])
def test_a_file_goes_to_the_cluster_and_back_past_the_cache(mount: Mount, tmp_path: Path, size: int) -> None:
    (tmp_path / "in").write_bytes(os.urandom(size))
    (tmp_path / "in").chmod(0o600)
    cached = sum(path.stat().st_blocks for path in (mount.state / "state").rglob("content/*"))
    done(mount, "cp", str(tmp_path / "in"), str(mount.path))
    assert sha256(mount.remote / "in") == sha256(tmp_path / "in")
    assert (mount.remote / "in").stat().st_mode & 0o777 == 0o600
    assert (mount.path / "in").stat().st_size == size
    (row,) = json.loads(done(mount, "cp", "--json", at(mount, "in"), str(tmp_path / "out")))
    assert (row["kind"], row["state"]) == ("download", "done")
    assert sha256(tmp_path / "out") == sha256(tmp_path / "in")
    assert sum(path.stat().st_blocks for path in (mount.state / "state").rglob("content/*")) == cached
    assert "through the mount" in refused(mount, "cp", str(tmp_path), str(mount.path))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out"]


@pytest.mark.parametrize("api", APIS)
def test_a_file_that_was_sent_in_part_is_gone_on_with(
    new_mount: Callable[..., Mount], api: str, tmp_path: Path
) -> None:
    mount = new_mount(api)
    mount.mount()
    digest = make_file(tmp_path / "in", 40 * MB)
    if api == "v2":
        mount.sandbox.faults(
            {"match": "ops/upload", "count": 5}, {"match": "ops/upload", "status": 408, "count": None}
        )
    else:
        mount.sandbox.faults(
            {"match": "GET .*tasks/", "count": 3}, {"match": "GET .*tasks/", "status": 408, "count": None}
        )
    refused(mount, "cp", str(tmp_path / "in"), at(mount, "large"))
    mount.sandbox.clear_faults()
    mount.sandbox.reset_calls()
    done(mount, "cp", str(tmp_path / "in"), at(mount, "large"))
    assert sha256(mount.remote / "large") == digest
    if api == "v2":
        assert sum(n for call, n in mount.sandbox.calls().items() if call.endswith("ops/upload")) < 8
    assert list((mount.remote / ".f7tfs").iterdir()) == []


def test_nobody_loses_the_working_directory_by_what_is_done_beside_it(mount: Mount) -> None:
    mount.sh("mkdir -p proj/deep old; echo 1 > proj/input.dat")
    done(mount, "sync", str(mount.path))
    with subprocess.Popen(["cat"], cwd=mount.path / "proj" / "deep", stdin=subprocess.PIPE) as working:
        seen = [
            (words[0], done(mount, *words) and "", os.readlink(f"/proc/{working.pid}/cwd"))
            for words in (
                ("refresh", at(mount, "proj/input.dat")),
                ("refresh", str(mount.path)),
                ("cp", at(mount, "proj/input.dat"), at(mount, "proj/copy")),
                ("rm", "-r", at(mount, "old")),
            )
        ]
        working.kill()
    assert seen == [(command, "", at(mount, "proj/deep")) for command in ("refresh", "refresh", "cp", "rm")]
    assert not (mount.path / "old").exists()


@pytest.mark.parametrize("api", APIS)
def test_what_another_put_in_the_place_of_a_directory_is_seen_after_a_refresh(
    new_mount: Callable[..., Mount], api: str
) -> None:
    # The kernel itself does not ask for names within this time.
    mount = new_mount(api, "--attribute-timeout", "60")
    mount.mount()
    mount.sh("mkdir run; ls run")
    done(mount, "sync", str(mount.path))
    (mount.remote / "run").rmdir()
    (mount.remote / "run").write_text("a file now\n")
    done(mount, "refresh", str(mount.path))
    assert (mount.path / "run").read_text() == "a file now\n"
