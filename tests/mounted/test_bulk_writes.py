"""New files, directories and symlinks that wait together travel together (write mode `async`)."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.mounted.conftest import APIS, Mount

OLD = 1_600_000_000


def plant(top: Path, *, width: int = 5, files: int = 8) -> Path:
    """A local tree of small things of every kind."""
    for one in range(width):
        for two in range(width):
            directory = top / f"d{one}/e{two}"
            directory.mkdir(parents=True)
            for index in range(files):
                (directory / f"f{index}").write_text(f"{one} {two} {index}\n" * 30)
            (directory / "empty").touch()
            (directory / "link").symlink_to("f0")
            (directory / "run.sh").write_text("#!/bin/sh\necho done\n")
            (directory / "run.sh").chmod(0o755)
            (directory / "secret").write_text("of mine\n")
            (directory / "secret").chmod(0o600)
    for path in sorted(top.rglob("*"), reverse=True):
        os.utime(path, (OLD, OLD), follow_symlinks=False)
    return top


def shape(top: Path) -> dict[str, tuple[object, ...]]:
    """What a tree holds; of regular files with content, mode and time."""
    found: dict[str, tuple[object, ...]] = {}
    for path in top.rglob("*"):
        name, stat = str(path.relative_to(top)), path.lstat()
        if path.is_symlink():
            found[name] = (os.readlink(path),)
        elif path.is_dir():
            found[name] = (stat.st_mode,)
        else:
            found[name] = (path.read_bytes(), stat.st_mode, int(stat.st_mtime))
    return found


def contents(top: Path) -> dict[str, tuple[object, ...]]:
    """The same without times: what goes by itself has that of its upload on the cluster."""
    return {name: what[:2] for name, what in shape(top).items()}


@pytest.fixture
def writer(new_mount: Callable[..., Mount], request: pytest.FixtureRequest) -> Mount:
    mount: Mount = new_mount(request.param, "--write-mode", "async")
    (mount.remote / "project/other").mkdir(parents=True)
    (mount.remote / "project/other/there").write_text("already\n")
    mount.mount()
    return mount


both = pytest.mark.parametrize("writer", APIS, indirect=True)


def sync(mount: Mount) -> None:
    done = mount.f7tfs("sync", str(mount.path))
    assert done.returncode == 0, done.stderr


@both
def test_cp_a_of_a_tree_costs_few_calls_and_carries_modes_and_times(writer: Mount, tmp_path: Path) -> None:
    source = plant(tmp_path / "tree")
    writer.sandbox.reset_calls()
    writer.run("cp", "-a", str(source), "project/")
    sync(writer)
    calls = writer.sandbox.calls()
    assert contents(writer.remote / "project/tree") == contents(source)
    assert shape(writer.path / "project/tree") == shape(source)
    # 331 things, in a few archives of some four calls each: how many depends on how fast cp is.
    assert sum(calls.values()) <= 120, calls
    assert not list(writer.remote.glob(".f7tfs/*")), "an archive was left behind"


@both
def test_what_another_made_meanwhile_is_not_replaced(writer: Mount, tmp_path: Path) -> None:
    source = plant(tmp_path / "tree", width=2)
    writer.run("ls", "-R", "project")
    theirs = writer.remote / "project/tree/d0/e0"
    theirs.mkdir(parents=True)
    (theirs / "f3").write_text("another's\n")
    (theirs / "f4").symlink_to("/etc/hostname")
    writer.run("cp", "-a", str(source), "project/")
    writer.f7tfs("sync", str(writer.path))
    assert (theirs / "f3").read_text() == "another's\n"
    assert os.readlink(theirs / "f4") == "/etc/hostname"
    copies = [path.read_text() for path in theirs.glob("f3.conflict-*")]
    assert copies == [(source / "d0/e0/f3").read_text()]
    assert (writer.remote / "project/tree/d1/e1/f7").read_text() == (source / "d1/e1/f7").read_text()


@both
def test_an_archive_that_cannot_be_extracted_is_no_loss(writer: Mount, tmp_path: Path) -> None:
    source = plant(tmp_path / "tree", width=2)
    writer.sandbox.faults({"match": "extract", "status": 503, "count": 2}, {"match": "extract", "drop": "after"})
    writer.run("cp", "-a", str(source), "project/")
    sync(writer)
    assert contents(writer.remote / "project/tree") == contents(source)


@both
def test_a_quota_is_told_file_by_file(writer: Mount, tmp_path: Path) -> None:
    writer.sandbox.faults(quota=3000)
    source = plant(tmp_path / "tree", width=1)
    (source / "large").write_bytes(os.urandom(5000))
    writer.run("cp", "-a", str(source), "project/")
    assert writer.f7tfs("sync", str(writer.path)).returncode == 1
    failed = writer.f7tfs("journal").stdout
    assert "project/tree/large" in failed
    writer.sandbox.clear_faults()
    assert writer.f7tfs("journal", "retry", "--of", str(writer.path)).returncode == 0
    sync(writer)
    assert contents(writer.remote / "project/tree") == contents(source)


@both
def test_nothing_is_lost_when_the_daemon_is_killed_while_an_archive_travels(writer: Mount, tmp_path: Path) -> None:
    source = plant(tmp_path / "tree", width=3)
    writer.sandbox.faults({"match": "extract", "delay": 1.0, "count": None})
    writer.run("cp", "-a", str(source), "project/")
    for daemon in writer.daemons():
        os.kill(daemon, signal.SIGKILL)
    writer.sandbox.clear_faults()
    writer.mount()
    sync(writer)
    assert contents(writer.remote / "project/tree") == contents(source)


@both
def test_what_is_rewritten_renamed_and_removed_meanwhile_ends_as_it_should(writer: Mount, tmp_path: Path) -> None:
    source = plant(tmp_path / "tree", width=2)
    script = f"""
        cp -a {source} project/
        cd project/tree
        for d in d0/e0 d0/e1 d1/e0; do
            echo new > $d/f0; mv $d/f1 $d/renamed; rm $d/f2; chmod 600 $d/f3; mv $d/f4 $d/f5
        done
        rm -r d1/e1; mkdir d1/e1; echo again > d1/e1/f0
    """
    writer.sh(script)
    sync(writer)
    expected = tmp_path / "copy"
    subprocess.run(["bash", "-euc", f"mkdir {expected} {expected}/project"], check=True)
    subprocess.run(["bash", "-euc", script], check=True, cwd=expected)

    assert contents(writer.remote / "project/tree") == contents(expected / "project/tree")
    assert contents(writer.path / "project/tree") == contents(expected / "project/tree")
