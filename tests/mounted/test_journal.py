"""Changes that the cluster does not have yet: made while it is away, in `async` mode, across a crash."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.mounted.conftest import APIS, Mount, wait_until

OURS = (".f7tfs", ".f7t_")
"""f7tfs's own directory on the cluster, and the logs of v2's transfer jobs."""
CHANGING = "(POST|PUT|DELETE) .*"


def picture(root: Path) -> dict[str, object]:
    """What a tree holds: targets of links, contents of files, and modes of files and directories."""
    found: dict[str, object] = {}
    for path in sorted(root.rglob("*")):
        if any(part.startswith(OURS) for part in path.relative_to(root).parts):
            continue
        mode = path.lstat().st_mode & 0o777
        name = str(path.relative_to(root))
        if path.is_symlink():
            found[name] = os.readlink(path)
        else:
            found[name] = (mode, None if path.is_dir() else path.read_text())
    return found


def prepare(mount: Mount) -> None:
    """A few things that lie on the cluster already, known here."""
    mount.sh(
        """
        mkdir -p there/sub there/empty; echo old > there/f; echo gone > there/gone; echo deep > there/sub/deep
        echo moved > there/from; echo target > there/onto; ln -s f there/link; ls -lR > /dev/null
    """
    )


CHANGES = """
    mkdir new new/a; echo one > new/a/one; echo two > new/two; mv new/two new/a/zwei; ln -s one new/a/link
    chmod 700 new/a; chmod 640 new/a/one; echo never > new/never; rm new/never; mkdir new/nodir; rmdir new/nodir
    echo more >> there/f; rm there/gone there/link; rmdir there/empty; mv there/from there/onto
    mv there/sub there/moved; echo deeper > there/moved/deeper; chmod 600 there/moved/deep; mv new brandnew
    echo x > name.lock; mv name.lock name; echo y > name.lock; mv name.lock name; ln -s brandnew/a short
"""


def expected(base: Path) -> dict[str, object]:
    """What the same does on a local disk."""
    before = """
        mkdir -p there/sub there/empty; echo old > there/f; echo gone > there/gone; echo deep > there/sub/deep
        echo moved > there/from; echo target > there/onto; ln -s f there/link
    """
    base.mkdir()
    subprocess.run(["bash", "-euc", f"umask 022; cd {base}\n{before}\n{CHANGES}"], check=True)
    return picture(base)


@pytest.mark.parametrize("api", APIS)
def test_every_change_is_journaled_in_async_mode_and_replayed_in_order(
    new_mount: Callable[..., Mount], tmp_path: Path, api: str
) -> None:
    mount = new_mount(api, "--write-mode", "async", settings={"job_start_seconds": 0.0})
    mount.mount()
    prepare(mount)
    assert mount.f7tfs("sync", str(mount.path)).returncode == 0
    wanted = expected(tmp_path / "local")
    before = picture(mount.remote)
    mount.sandbox.faults({"match": CHANGING, "status": 503, "count": None})
    mount.sh(CHANGES)
    assert picture(mount.path) == wanted
    assert picture(mount.remote) == before, "something did not wait"
    mount.sandbox.clear_faults()
    assert mount.umount().returncode == 0
    assert picture(mount.remote) == wanted


@pytest.mark.parametrize("api", APIS)
def test_what_is_changed_while_the_cluster_is_away_survives_the_daemons_death(
    new_mount: Callable[..., Mount], tmp_path: Path, api: str
) -> None:
    mount = new_mount(api, "--deadline", "8", settings={"job_start_seconds": 0.0})
    mount.mount()
    prepare(mount)
    wanted = expected(tmp_path / "local")
    mount.sandbox.kill()
    mount.sh(CHANGES, timeout=300)
    assert picture(mount.path) == wanted
    (daemon,) = mount.daemons()
    os.kill(daemon, signal.SIGKILL)
    wait_until(mount.stale)
    mount.sandbox.start()
    mount.mount()
    assert picture(mount.path) == wanted, "the journal was not put into the tree"
    assert mount.f7tfs("sync", str(mount.path)).returncode == 0
    assert picture(mount.remote) == wanted
    mount.f7tfs("refresh", str(mount.path))
    assert picture(mount.path) == wanted
    assert mount.umount().returncode == 0


@pytest.mark.parametrize("api", APIS)
def test_a_tree_that_is_made_and_removed_never_travels(new_mount: Callable[..., Mount], api: str) -> None:
    mount = new_mount(api, "--write-mode", "async")
    mount.mount()
    mount.run("ls")
    mount.sandbox.faults({"match": CHANGING, "status": 503, "count": None})
    mount.sh("mkdir -p d/e; for i in 1 2 3 4 5; do echo $i > d/f$i; echo $i > d/e/f$i; done")
    # What was tried may be there for all one knows, so it has to be removed there, too.
    mount.sandbox.clear_faults()
    mount.sh("rm -rf d")
    assert mount.f7tfs("sync", str(mount.path)).returncode == 0
    assert picture(mount.remote) == {}
    mount.sandbox.reset_calls()
    mount.sh("mkdir x; ln -s a x/l; rm x/l; rmdir x; echo > y.tmp; rm y.tmp")
    assert mount.umount().returncode == 0
    assert picture(mount.remote) == {}


@pytest.mark.parametrize("api", APIS)
def test_a_refusal_reaches_who_waits_for_the_cluster(new_mount: Callable[..., Mount], api: str) -> None:
    mount = new_mount(api)
    mount.mount()
    (mount.path / "d").mkdir()
    mount.run("ls", "d")
    shutil.rmtree(mount.remote / "d")
    (mount.remote / "d").write_text("a file now")
    with pytest.raises(OSError, match=r"Not a directory|File exists|No such"):
        (mount.path / "d/sub").mkdir()
    assert mount.umount().returncode == 0, "what was refused is not in the journal"


@pytest.mark.parametrize("api", APIS)
def test_what_others_changed_meanwhile_is_neither_removed_nor_replaced(
    new_mount: Callable[..., Mount], api: str
) -> None:
    mount = new_mount(api, "--deadline", "8", settings={"job_start_seconds": 0.0})
    mount.mount()
    mount.sh(
        "for f in removed edited moved onto; do echo old > $f; done; mkdir d; echo x > source; ls -l > /dev/null"
    )
    for name in ("removed", "edited", "moved", "onto", "source"):
        os.utime(mount.remote / name, (1_600_000_000, 1_600_000_000))
    mount.f7tfs("refresh", str(mount.path))
    mount.sh("ls -l; cat edited > /dev/null")
    mount.sandbox.kill()
    mount.sh(
        "rm removed; echo mine >> edited; mv source onto; rmdir d; echo mine > fresh; mkdir both; echo 1 > both/mine",
        timeout=300,
    )
    (daemon,) = mount.daemons()
    os.kill(daemon, signal.SIGKILL)
    wait_until(mount.stale)
    for name in ("removed", "edited", "onto", "fresh"):
        (mount.remote / name).write_text("theirs, and longer\n")
    (mount.remote / "d/theirs").write_text("theirs\n")
    (mount.remote / "both").mkdir()
    (mount.remote / "both/theirs").write_text("theirs\n")
    mount.sandbox.start()
    mount.mount()
    assert mount.f7tfs("sync", str(mount.path)).returncode == 0
    found = {path.name: path.read_text() for path in mount.remote.iterdir() if path.is_file()}
    for name in ("removed", "edited", "onto", "fresh"):
        assert found[name] == "theirs, and longer\n", name
    copies = {name.partition(".conflict-")[0]: text for name, text in found.items() if ".conflict-" in name}
    assert copies == {"edited": "old\nmine\n", "onto": "x\n", "fresh": "mine\n"}
    assert (mount.remote / "d/theirs").read_text() == "theirs\n"
    assert sorted(os.listdir(mount.remote / "both")) == ["mine", "theirs"]
    assert "source" not in found
    mount.f7tfs("refresh", str(mount.path))
    assert sorted(os.listdir(mount.path)) == sorted(os.listdir(mount.remote))
    assert mount.umount().returncode == 0


LOSE = {"match": "(POST|PUT|DELETE) .*", "drop": "after"}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("api", APIS)
def test_lost_answers_make_no_conflicts_and_lose_and_double_nothing(
    new_mount: Callable[..., Mount], api: str
) -> None:
    mount = new_mount(api, settings={"job_start_seconds": 0.0})
    mount.mount()
    mount.sh(
        "git init -q -b main r; cd r; git config user.email a@b.org; git config user.name A; git config gc.auto 0",
        timeout=120,
    )
    for index in range(6):
        # Enough in a row that the client gives up, at other places each time.
        losses = [
            {**LOSE, "count": 2 + index % 3},
            {"match": "(POST|PUT|DELETE) .*", "count": 1 + index, "delay": 0.0},
        ]
        mount.sandbox.faults(*losses, losses[0])
        mount.sh(
            f"cd r; echo {index} >> log; echo {index} > f{index}; git add .; git commit -qm c{index}", timeout=300
        )
    mount.sandbox.clear_faults()
    assert mount.f7tfs("sync", str(mount.path)).returncode == 0
    assert not [path for path in mount.remote.rglob("*") if ".conflict-" in path.name]
    assert not list(mount.remote.rglob("*.lock"))
    git = ["git", "-c", "safe.directory=*", "-C", str(mount.remote / "r")]
    there = Mount.run(mount, *git, "log", "--format=%s").split()
    assert there == [f"c{index}" for index in reversed(range(6))]
    assert mount.run(*git, "fsck", "--no-progress") == ""
    assert mount.run(*git, "status", "--porcelain") == ""
    assert (mount.remote / "r/log").read_text() == "".join(f"{index}\n" for index in range(6))
    assert mount.umount().returncode == 0


@pytest.mark.parametrize("api", APIS)
def test_a_new_content_after_a_lost_answer_is_no_conflict(new_mount: Callable[..., Mount], api: str) -> None:
    """The first upload arrived unanswered; what is journaled next derives from neither version."""
    mount = new_mount(api, "--attribute-timeout", "0.2", "--deadline", "4")
    mount.mount()
    (mount.remote / "f").write_text("first\n")
    os.utime(mount.remote / "f", (1_600_000_000, 1_600_000_000))
    mount.f7tfs("refresh", str(mount.path))
    mount.run("cat", "f")
    mount.sandbox.faults({"match": "(POST|PUT) .*", "drop": "after", "count": None})
    mount.sh("echo second >> f", timeout=120)
    assert (mount.remote / "f").read_text() == "first\nsecond\n"
    mount.run("ls", "-l")
    mount.sh("echo third >> f; echo third > g.lock; mv g.lock g", timeout=120)
    (daemon,) = mount.daemons()
    os.kill(daemon, signal.SIGKILL)
    wait_until(mount.stale)
    mount.sandbox.clear_faults()
    mount.mount()
    mount.sh("echo fourth >> f")
    assert mount.f7tfs("sync", str(mount.path)).returncode == 0
    assert {path.name: path.read_text() for path in mount.remote.iterdir()} == {
        "f": "first\nsecond\nthird\nfourth\n",
        "g": "third\n",
    }
    assert mount.umount().returncode == 0


@pytest.mark.parametrize("api", APIS)
def test_what_is_replaced_while_its_own_replacing_waits_leaves_nothing(
    new_mount: Callable[..., Mount], api: str
) -> None:
    cases: dict[str, dict[str, str]] = {
        "rm f": {},
        "mv f h": {"h": "second\n"},
        "echo third > g; mv g f": {"f": "third\n"},
        "echo third > g; mv g f; rm f": {},
        "echo third > g; mv g f; mv f h": {"h": "third\n"},
    }
    mount = new_mount(api, "--write-mode", "async")
    for place in range(len(cases)):
        (mount.remote / str(place)).mkdir()
        (mount.remote / str(place) / "f").write_text("old\n")
    mount.mount()
    mount.sh("cat */f")
    for place, then in enumerate(cases):
        mount.sandbox.reset_calls()
        mount.sandbox.faults({"match": "POST .*upload", "delay": 1, "count": 1})
        (mount.path / str(place) / "g").write_text("first\n")
        wait_until(lambda: any("upload" in route for route in mount.sandbox.calls()))
        mount.sh(f"cd {place}; mv g f; echo second > g; mv g f; {then}")
    synced = mount.f7tfs("sync", str(mount.path))
    assert synced.returncode == 0, synced.stderr
    for root in (mount.remote, mount.path):
        for place, left in enumerate(cases.values()):
            assert {path.name: path.read_text() for path in (root / str(place)).iterdir()} == left, place
    assert mount.umount().returncode == 0


def entries(mount: Mount, *arguments: str) -> list[dict[str, object]]:
    done = mount.f7tfs("journal", "list", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout))


@pytest.mark.parametrize("api", APIS)
def test_a_failed_change_is_shown_exported_retried_and_dropped(
    new_mount: Callable[..., Mount], tmp_path: Path, api: str
) -> None:
    mount = new_mount(api)
    mount.mount()
    assert entries(mount) == []
    mount.sandbox.faults(quota=10)
    for name in ("kept", "dropped"):
        with pytest.raises(OSError, match="quota"):
            (mount.path / name).write_text(f"more than there is room for, {name}")
    kept, dropped = entries(mount)
    assert (kept["kind"], kept["state"], kept["bytes"]) == ("content", "failed", 33)
    assert str(kept["path"]).endswith("/kept")
    status = json.loads(mount.f7tfs("status", "--json", str(mount.path)).stdout)
    assert [each["id"] for each in status["failed"]] == [kept["id"], dropped["id"]]
    assert mount.f7tfs("journal", "export", str(dropped["id"]), str(tmp_path / "out")).returncode == 0
    assert (tmp_path / "out").read_text() == "more than there is room for, dropped"
    assert mount.f7tfs("journal", "export", str(dropped["id"]), str(tmp_path / "out")).returncode == 1
    assert mount.f7tfs("journal", "drop", "99").returncode == 1
    assert mount.f7tfs("journal", "drop", str(dropped["id"])).returncode == 0
    assert [each["id"] for each in entries(mount)] == [kept["id"]]
    mount.sandbox.clear_faults()
    assert mount.f7tfs("journal", "retry").returncode == 0
    assert mount.f7tfs("sync", str(mount.path)).returncode == 0
    assert (mount.remote / "kept").read_text() == "more than there is room for, kept"
    # Of what was given up, the mount shows what the cluster has: nothing, or the part that there was room for.
    assert picture(mount.path) == picture(mount.remote)
    assert mount.umount().returncode == 0


def test_the_journal_of_what_is_not_mounted_is_shown_exported_and_dropped(
    new_mount: Callable[..., Mount], tmp_path: Path
) -> None:
    mount = new_mount("v2", "--write-mode", "async")
    mount.mount()
    mount.sandbox.faults({"match": CHANGING, "status": 503, "count": None})
    mount.sh("mkdir d; echo content > d/f; ln -s nowhere l")
    (daemon,) = mount.daemons()
    os.kill(daemon, signal.SIGKILL)
    wait_until(mount.stale)
    assert mount.umount().returncode == 0
    left = entries(mount)
    assert [each["kind"] for each in left] == ["mkdir", "content", "symlink"]
    assert {each["mountpoint"] for each in left} == {None}
    numbers = {each["kind"]: str(each["id"]) for each in left}
    assert mount.f7tfs("journal", "export", numbers["content"], str(tmp_path / "out")).returncode == 0
    assert (tmp_path / "out").read_text() == "content\n"
    refused = mount.f7tfs("journal", "drop", numbers["mkdir"])
    assert refused.returncode == 1
    assert "drop that one first" in refused.stderr
    for kind in ("content", "mkdir"):
        assert mount.f7tfs("journal", "drop", numbers[kind], "--of", str(left[0]["remote"])).returncode == 0
    mount.sandbox.clear_faults()
    mount.mount()
    assert mount.f7tfs("sync", str(mount.path)).returncode == 0
    assert picture(mount.remote) == {"l": "nowhere"}
    assert mount.umount().returncode == 0


@pytest.mark.parametrize("api", APIS)
def test_trees_are_removed_and_renamed_with_what_waits_in_them(new_mount: Callable[..., Mount], api: str) -> None:
    mount = new_mount(api, "--write-mode", "async", settings={"job_start_seconds": 0.0})
    mount.mount()
    mount.sh("mkdir -p old/sub gone/sub; echo 1 > old/sub/there; echo 2 > gone/sub/there")
    assert mount.f7tfs("sync", str(mount.path)).returncode == 0
    mount.sandbox.faults({"match": CHANGING, "status": 503, "count": None})
    mount.sh("echo 3 > old/sub/new; echo more >> old/sub/there; mkdir old/made; echo 4 > old/made/f; mv old renamed")
    mount.sh("echo 5 > gone/sub/new; echo more >> gone/sub/there; mkdir gone/made; rm -rf gone; mkdir gone")
    mount.sh("echo 6 > renamed/made/g; echo 7 > gone/f")
    held = (mount.path / "renamed/made/open").open("w+")
    held.write("nobody's\n")
    held.flush()
    (mount.path / "renamed/made/open").unlink()
    held.seek(0)
    assert held.read() == "nobody's\n", "who has it open goes on reading it"
    held.close()
    wanted = picture(mount.path)
    assert set(wanted) == {
        *("gone", "gone/f", "renamed", "renamed/made", "renamed/made/f", "renamed/made/g"),
        *("renamed/sub", "renamed/sub/new", "renamed/sub/there"),
    }
    mount.sandbox.clear_faults()
    assert mount.f7tfs("sync", str(mount.path)).returncode == 0
    assert picture(mount.remote) == wanted
    assert (mount.remote / "renamed/sub/there").read_text() == "1\nmore\n"
    mount.f7tfs("refresh", str(mount.path))
    assert picture(mount.path) == wanted
    assert mount.umount().returncode == 0


def sync_directory(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@pytest.mark.parametrize("api", APIS)
def test_fsync_of_a_directory_returns_when_the_cluster_has_its_names(
    api: str, new_mount: Callable[..., Mount]
) -> None:
    mount = new_mount(api, "--write-mode", "async")
    mount.mount()
    mount.sh("mkdir -p a/d; echo old > a/d/old; echo x > a/d/f; ln -s f a/d/link; rm a/d/old; mkdir a/d/sub")
    sync_directory(mount.path / "a" / "d")
    assert sorted(os.listdir(mount.remote / "a" / "d")) == ["f", "link", "sub"]
    assert mount.umount().returncode == 0


@pytest.mark.expects_log("cannot be reached|is not on the cluster yet|is back")
def test_fsync_of_a_directory_says_that_the_cluster_is_away(new_mount: Callable[..., Mount]) -> None:
    mount = new_mount("v2", "--write-mode", "async", "--deadline", "8")
    mount.mount()
    mount.sandbox.stop()
    (mount.path / "d").mkdir()
    with pytest.raises(OSError, match=r"No route to host|timed out"):
        sync_directory(mount.path / "d")
    mount.sandbox.start()
    wait_until((mount.remote / "d").is_dir)
    assert mount.umount().returncode == 0


MOVED_ON = {
    "made anew": "rm f; echo new > f; mv f d/g",
    "moved there": "rm f; mv other f; mv f d/g",
    "moved there, and written": "rm f; mv other f; echo more >> f; mv f d/g",
    "a directory made anew": "rm -r t; mkdir t; echo new > t/x; mv t d/t",
    "a directory moved there": "rm -r t; mv u t; mv t d/t; echo more >> d/t/y",
}


@pytest.mark.parametrize("script", MOVED_ON.values(), ids=[*MOVED_ON])
@pytest.mark.parametrize("api", APIS)
def test_a_name_is_removed_though_what_took_it_next_has_moved_on(
    new_mount: Callable[..., Mount], tmp_path: Path, api: str, script: str
) -> None:
    before = "mkdir d t t/s u; echo f > f; echo other > other; echo x > t/x; echo x > t/s/x; echo y > u/y"
    local = tmp_path / "local"
    local.mkdir()
    subprocess.run(["bash", "-euc", f"umask 022; cd {local}; {before}; {script}"], check=True)
    mount = new_mount(api, "--write-mode", "async", settings={"job_start_seconds": 0.0})
    mount.mount()
    mount.sh(f"{before}; ls -lR > /dev/null")
    assert mount.f7tfs("sync", str(mount.path)).returncode == 0
    mount.sandbox.faults({"match": CHANGING, "status": 503, "count": None})
    mount.sh(script)
    mount.sandbox.clear_faults()
    assert mount.f7tfs("sync", str(mount.path)).returncode == 0
    assert picture(mount.path) == picture(local)
    assert picture(mount.remote) == picture(local)
    mount.f7tfs("refresh", str(mount.path))
    assert picture(mount.path) == picture(local)
    assert mount.umount().returncode == 0
