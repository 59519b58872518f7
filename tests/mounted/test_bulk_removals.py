"""What is removed together goes together, and nothing that was not removed here goes with it."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.mounted.conftest import APIS, PATIENCE, Mount, wait_until
from tests.mounted.figures import note
from tests.mounted.test_model import picture

OLD = 1_600_000_000
LONG = ("--attribute-timeout", "600", "-o", "gather=600")
"""Nothing here is to depend on how fast the machine is: only `sync` ends the waiting for more."""

KEPT = "is kept on the cluster"
AWAY = f"{KEPT}|cannot be reached|is not on the cluster yet|the cluster is back"

pytestmark = pytest.mark.usefixtures("quiet_log")
both = pytest.mark.parametrize("api", APIS)
modes = pytest.mark.parametrize("mode", ["auto", "async"])


def plant(top: Path, files: int = 1000) -> Path:
    """Files in 111 directories, `top` included."""
    for index in range(files):
        directory = top / f"d{index % 100 // 10}/e{index % 100}"
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / f"f{index}"
        path.write_text(f"{index}\n" * 20)
        os.utime(path, (OLD, OLD))
    return top


@pytest.fixture
def removing(new_mount: Callable[..., Mount], api: str, mode: str) -> Mount:
    """A mount of a tree, whose listings stay fresh."""
    mount: Mount = new_mount(api, "--write-mode", mode, *LONG, bursts=True)
    (mount.remote / "project").mkdir()
    mount.mount()
    return mount


def known(mount: Mount) -> None:
    """Everything is listed, and the counting of calls begins."""
    mount.run("ls", "-lR")
    mount.sandbox.reset_calls()


def sync(mount: Mount) -> None:
    done = mount.f7tfs("sync", str(mount.path))
    assert done.returncode == 0, done.stderr


def kill(mount: Mount) -> None:
    (daemon,) = (each for each in mount.daemons() if "mount" in command_of(each))
    os.kill(daemon, signal.SIGKILL)
    wait_until(mount.stale)


def command_of(process: int) -> list[str]:
    return Path(f"/proc/{process}/cmdline").read_text().split("\0")


@contextlib.contextmanager
def syncing(mount: Mount) -> Iterator[None]:
    """A `sync` that goes on during the block, and has come to its end after it."""
    command = [sys.executable, "-m", "f7tfs", "sync", str(mount.path)]
    with subprocess.Popen(command, env=mount.env(), stderr=subprocess.DEVNULL) as waiting:
        yield
        waiting.wait(PATIENCE)


def kill_while_it_syncs(mount: Mount, condition: Callable[[], object]) -> None:
    with syncing(mount):
        wait_until(condition)
        kill(mount)


def worked_on(top: Path) -> dict[str, object]:
    """What is in a working tree."""
    return {name: what for name, what in picture(top).items() if not name.startswith(".git")}


@both
@modes
def test_rm_r_of_a_tree_costs_few_calls(removing: Mount, mode: str) -> None:
    plant(removing.remote / "project/tree")
    (removing.remote / "project/kept").touch()
    known(removing)
    removing.run("rm", "-r", "project/tree")
    assert os.listdir(removing.path / "project") == ["kept"]
    sync(removing)
    assert os.listdir(removing.remote / "project") == ["kept"]
    # A listing and a removal, on v1 a rename too; in auto, six removals before the burst is noticed, and six more
    # each time that a slow machine makes rm pause.
    fewest = 1
    assert removing.calls() <= fewest + 2 + (6 * 6 if mode == "auto" else 0), removing.sandbox.calls()
    note(f"calls of rm -r of 1,111 entries ({mode}, {removing.api}):", removing.calls())


@pytest.mark.parametrize(("api", "mode"), [("v1", "async")])
def test_nobody_can_put_anything_into_it_while_it_is_removed(removing: Mount) -> None:
    """v1 renames it first; on v2 the time of one call remains, see docs/limits.md."""
    tree = plant(removing.remote / "project/tree", files=100)
    known(removing)
    removing.run("rm", "-r", "project/tree")
    removing.sandbox.faults({"match": "/rm", "delay": 1.0, "count": None})
    with syncing(removing):
        wait_until(lambda: not tree.exists())
        (tree / "d1/e11").mkdir(parents=True)
        (tree / "d1/e11/new").write_text("another's\n")
    assert [path for path in tree.rglob("*") if path.is_file()] == [tree / "d1/e11/new"]
    assert os.listdir(removing.remote / "project") == ["tree"]


@both
@modes
@pytest.mark.expects_log(KEPT)
def test_what_another_put_into_it_meanwhile_is_kept(removing: Mount) -> None:
    tree = plant(removing.remote / "project/tree", files=200)
    known(removing)
    removing.run("rm", "-r", "project/tree")
    (tree / "d3/e31/new").write_text("another's\n")
    (tree / "d4/e42/f142").write_text("changed by another\n")
    (tree / "d5/made").mkdir()
    sync(removing)
    left = sorted(str(path.relative_to(tree)) for path in tree.rglob("*"))
    assert left == ["d3", "d3/e31", "d3/e31/new", "d4", "d4/e42", "d4/e42/f142", "d5", "d5/made"]
    assert (tree / "d3/e31/new").read_text() == "another's\n"
    # And that costs no call for each of the 310 others: they went by smaller trees.
    assert removing.calls() < 200, removing.sandbox.calls()
    removing.f7tfs("refresh", str(removing.path))
    assert (removing.path / "project/tree/d3/e31/new").read_text() == "another's\n"


@both
@pytest.mark.parametrize("mode", ["auto"])
@pytest.mark.expects_log(KEPT)
def test_a_removal_that_was_begun_survives_the_daemon(removing: Mount) -> None:
    tree = plant(removing.remote / "project/tree", files=200)
    (removing.remote / "project/kept").write_text("kept\n")
    known(removing)
    removing.run("rm", "-r", "project/tree")
    kill(removing)
    (tree / "d7/new").write_text("another's\n")
    removing.mount()
    assert sorted(os.listdir(removing.path / "project")) == ["kept"]
    sync(removing)
    assert [path for path in tree.rglob("*") if path.is_file()] == [tree / "d7/new"]
    assert (removing.remote / "project/kept").read_text() == "kept\n"


@both
@pytest.mark.parametrize("mode", ["async"])
@pytest.mark.expects_log(AWAY)
def test_a_kill_between_a_removal_and_its_answer_brings_nothing_back_and_loses_nothing(removing: Mount) -> None:
    plant(removing.remote / "project/tree", files=100)
    (removing.remote / "project/kept").write_text("kept\n")
    known(removing)
    removing.run("rm", "-r", "project/tree")
    never = {"status": 503, "count": None}
    removing.sandbox.faults({"match": "/rm", "drop": "after", "count": None}, {"match": "/stat", **never})
    kill_while_it_syncs(removing, lambda: os.listdir(removing.remote / "project") == ["kept"])
    removing.sandbox.clear_faults()
    removing.mount()
    assert os.listdir(removing.path / "project") == ["kept"]
    sync(removing)
    assert os.listdir(removing.remote / "project") == ["kept"]
    assert (removing.remote / "project/kept").read_text() == "kept\n"


@both
@pytest.mark.parametrize("mode", ["async"])
@pytest.mark.expects_log(AWAY)
def test_what_another_put_into_it_is_kept_though_the_daemon_is_killed(removing: Mount) -> None:
    """On v1 the tree is aside at that time: it comes back to its place."""
    tree = plant(removing.remote / "project/tree", files=100)
    known(removing)
    removing.run("rm", "-r", "project/tree")
    (tree / "d7/e70/new").write_text("another's\n")
    removing.sandbox.faults({"match": "/ls.*recursive", "status": 503, "count": None})
    kill_while_it_syncs(removing, lambda: removing.calls() if removing.api == "v2" else not tree.exists())
    removing.sandbox.clear_faults()
    removing.mount()
    assert os.listdir(removing.path / "project") == []
    sync(removing)
    assert [path for path in tree.rglob("*") if path.is_file()] == [tree / "d7/e70/new"]
    assert os.listdir(removing.remote / "project") == ["tree"]


@both
@modes
def test_a_tree_that_is_made_anew_at_once_is_the_new_one(removing: Mount, tmp_path: Path) -> None:
    plant(removing.remote / "project/node_modules", files=200)
    source = plant(tmp_path / "new", files=120)
    known(removing)
    removing.sh(
        f"cd project; rm -rf node_modules; cp -r {source} node_modules; rm -rf node_modules/d1; mkdir node_modules/d1"
    )
    sync(removing)
    shutil.rmtree(source / "d1")
    (source / "d1").mkdir()
    assert picture(removing.remote / "project/node_modules") == picture(source)
    assert picture(removing.path / "project/node_modules") == picture(source)


@both
@modes
def test_rsync_delete_and_git_checkout_remove_directories(removing: Mount, tmp_path: Path) -> None:
    source = plant(tmp_path / "source", files=60)
    script = "git init -qb main; git config user.email a@b; git config user.name a; git add -A; git commit -qm 1"
    subprocess.run(["bash", "-euc", script], check=True, cwd=source)
    script = "git checkout -qb less; git rm -qr d1 d2/e20 d3; echo x > d4/new; git add -A; git commit -qm 2"
    subprocess.run(["bash", "-euc", script], check=True, cwd=source)
    removing.run("git", "clone", "-q", str(source), "project/clone")
    for branch in ("main", "less", "main", "less"):
        removing.run("git", "-C", "project/clone", "checkout", "-q", branch)
        subprocess.run(["git", "checkout", "-q", branch], check=True, cwd=source)
    assert removing.run("git", "-C", "project/clone", "status", "--porcelain") == ""
    sync(removing)
    assert worked_on(removing.remote / "project/clone") == worked_on(source)
    shutil.rmtree(source / "d5")
    removing.run("rsync", "-a", "--delete", "--exclude=.git", f"{source}/", "project/clone/")
    sync(removing)
    assert worked_on(removing.remote / "project/clone") == worked_on(source)


@both
@pytest.mark.parametrize("mode", ["auto"])
def test_a_directory_with_something_in_it_is_not_removed(removing: Mount) -> None:
    tree = plant(removing.remote / "project/tree", files=100)
    known(removing)
    removing.sh("rm -r project/tree/d1 project/tree/d2/e2[0-4]")
    for _ in range(3):
        with pytest.raises(OSError, match="not empty") as raised:
            (removing.path / "project/tree/d2").rmdir()
        assert raised.value.errno == errno.ENOTEMPTY
    sync(removing)
    assert sorted(os.listdir(tree / "d2")) == [f"e2{number}" for number in range(5, 10)]
    assert not (tree / "d1").exists()


@both
@pytest.mark.parametrize("mode", ["async"])
@pytest.mark.expects_log("could not be sent|stay in the journal")
def test_what_may_not_be_removed_is_told_and_the_rest_goes(removing: Mount) -> None:
    tree = plant(removing.remote / "project/tree", files=100)
    known(removing)
    removing.run("rm", "-r", "project/tree")
    (tree / "d3/e33").chmod(0o555)
    try:
        assert removing.f7tfs("sync", str(removing.path)).returncode == 1
        assert [path for path in tree.rglob("*") if path.is_file()] == [tree / "d3/e33/f33"]
        assert "d3/e33/f33" in removing.f7tfs("status", str(removing.path)).stdout
    finally:
        (tree / "d3/e33").chmod(0o755)
    assert removing.f7tfs("journal", "retry", "--of", str(removing.path)).returncode == 0
    sync(removing)
    assert not tree.exists()


@both
@pytest.mark.parametrize("mode", ["auto"])
def test_an_open_file_of_a_removed_tree_is_read_to_its_end(removing: Mount) -> None:
    plant(removing.remote / "project/tree", files=100)
    known(removing)
    with (removing.path / "project/tree/d1/e11/f11").open() as file:
        removing.run("rm", "-r", "project/tree")
        sync(removing)
        assert not (removing.remote / "project/tree").exists()
        assert file.read() == "11\n" * 20


@both
@pytest.mark.parametrize("mode", ["async"])
@pytest.mark.expects_log(AWAY)
def test_a_removal_that_the_server_stops_in_the_middle_is_gone_on_with(removing: Mount) -> None:
    plant(removing.remote / "project/tree", files=100)
    known(removing)
    removing.run("rm", "-r", "project/tree")
    removing.sandbox.faults({"match": "DELETE|rm", "status": 408, "body": '{"message": "Command execution timeout"}'})
    sync(removing)
    assert os.listdir(removing.remote / "project") == []


@both
@pytest.mark.parametrize("mode", ["auto"])
def test_nothing_is_gathered_where_an_option_forbids_it(removing: Mount) -> None:
    """Not a mount's default, but what `gather=0` and `nobulk` are for."""
    removing.umount()
    removing.options = (*removing.options, "-o", "gather=0")
    removing.mount()
    tree = plant(removing.remote / "project/tree", files=20)
    known(removing)
    removing.run("rm", "-r", "project/tree")
    sync(removing)
    assert removing.calls() >= 20
    assert not tree.exists()
