"""What must not be lost when two things happen at once, or one of them fails."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.mounted.conftest import APIS, Mount, wait_until


def test_a_file_that_was_changed_on_the_cluster_meanwhile_is_kept_as_two(mount: Mount) -> None:
    (mount.remote / "f").write_text("read here\n")
    os.utime(mount.remote / "f", (1_600_000_000, 1_600_000_000))
    mount.f7tfs("refresh", str(mount.path))
    with (mount.path / "f").open("r+") as held:
        assert held.read() == "read here\n"
        held.write("written here\n")
        (mount.remote / "f").write_text("written there meanwhile, by somebody else\n")
        mount.f7tfs("refresh", str(mount.path))
    mount.f7tfs("refresh", str(mount.path))
    names = sorted(os.listdir(mount.path))
    assert len(names) == 2
    assert names[1].startswith("f.conflict-")
    assert (mount.remote / "f").read_text() == "written there meanwhile, by somebody else\n"
    assert (mount.path / "f").read_text() == "written there meanwhile, by somebody else\n"
    assert (mount.remote / names[1]).read_text() == "read here\nwritten here\n"


def test_writing_while_the_content_is_being_sent_tears_nothing(new_mount: Callable[..., Mount]) -> None:
    mount = new_mount("v2", "--write-mode", "async")
    mount.mount()
    mount.sandbox.faults(latency=1.0)
    (mount.path / "f").write_bytes(b"a" * 100_000)
    for letter in (b"b", b"c", b"d"):
        with (mount.path / "f").open("r+b") as held:
            held.write(letter * 100_000)
        seen = (mount.remote / "f").read_bytes() if (mount.remote / "f").exists() else b""
        assert len(set(seen)) <= 1, "two contents were mixed"
    mount.sandbox.clear_faults()
    assert mount.f7tfs("sync", str(mount.path)).returncode == 0
    assert (mount.remote / "f").read_bytes() == b"d" * 100_000


@pytest.mark.parametrize("api", APIS)
def test_a_rename_that_is_refused_leaves_both_files(new_mount: Callable[..., Mount], api: str) -> None:
    mount = new_mount(api)
    mount.mount()
    (mount.path / "good").write_text("good\n")
    with (mount.path / "new.tmp").open("w") as held:
        held.write("x" * 5000)
    mount.sandbox.faults(quota=1000)
    with pytest.raises(OSError, match="quota"):
        os.rename(mount.path / "new.tmp", mount.path / "good2")
    mount.sandbox.clear_faults()
    assert (mount.path / "good").read_text() == "good\n"
    assert (mount.path / "new.tmp").read_text() == "x" * 5000
    os.rename(mount.path / "new.tmp", mount.path / "good")
    assert (mount.remote / "good").read_text() == "x" * 5000
    assert mount.umount().returncode == 0


RENAMES = "POST .*/transfer/mv|PUT .*/utilities/rename"


@pytest.mark.parametrize("api", APIS)
def test_what_gives_way_to_a_rename_that_is_refused_comes_back(new_mount: Callable[..., Mount], api: str) -> None:
    """Before something is renamed over an empty directory or a link, that has to be removed: the API cannot do it."""
    mount = new_mount(api, settings={"job_start_seconds": 0.0})
    mount.mount()
    mount.sh("mkdir d onto; touch d/x; chmod 750 onto; ln -s nowhere link; ln -s other another; ls -lR > /dev/null")
    mount.sandbox.faults({"match": RENAMES, "status": 403, "count": None})
    for old, new in (("d", "onto"), ("another", "link")):
        with pytest.raises(OSError, match="Permission denied"):
            os.rename(mount.path / old, mount.path / new)
    mount.sandbox.clear_faults()
    for top in (mount.path, mount.remote):
        assert sorted(os.listdir(top / "d")) == ["x"]
        assert (os.listdir(top / "onto"), (top / "onto").stat().st_mode & 0o777) == ([], 0o750)
        assert (os.readlink(top / "link"), os.readlink(top / "another")) == ("nowhere", "other")
    os.rename(mount.path / "d", mount.path / "onto")
    assert sorted(os.listdir(mount.remote / "onto")) == ["x"]
    assert mount.umount().returncode == 0


def test_a_directory_is_renamed_while_files_in_it_are_on_their_way(new_mount: Callable[..., Mount]) -> None:
    mount = new_mount("v2", "--write-mode", "async")
    mount.mount()
    (mount.path / "old").mkdir()
    mount.sandbox.faults(latency=0.3)
    for index in range(8):
        (mount.path / f"old/f{index}").write_text(f"{index}")
    os.rename(mount.path / "old", mount.path / "new")
    assert sorted(os.listdir(mount.path / "new")) == [f"f{index}" for index in range(8)]
    assert mount.umount().returncode == 0
    assert {p.name: p.read_text() for p in (mount.remote / "new").iterdir()} == {f"f{i}": f"{i}" for i in range(8)}
    assert not (mount.remote / "old").exists()


def test_the_plug_is_pulled_in_the_middle_of_a_copy(new_mount: Callable[..., Mount]) -> None:
    mount = new_mount("v2", "--deadline", "4")
    mount.mount()
    source = mount.state / "source"
    source.mkdir()
    for index in range(30):
        (source / f"f{index}").write_text(f"content {index}\n" * 100)
    mount.sandbox.faults(latency=0.05)
    with subprocess.Popen(["cp", "-r", str(source), str(mount.path / "copy")]) as copy:
        wait_until(lambda: len(list(mount.remote.glob("copy/*"))) >= 5)
        mount.sandbox.kill()
        assert copy.wait(300) == 0, "close acknowledges what the journal has"
    mount.sandbox.start()
    assert mount.f7tfs("sync", str(mount.path)).returncode == 0
    for index in range(30):
        assert (mount.remote / f"copy/f{index}").read_text() == f"content {index}\n" * 100
    assert mount.umount().returncode == 0


def test_a_full_local_disk_refuses_changes_and_leaves_everything_as_it_was(
    new_mount: Callable[..., Mount], tmp_path: Path
) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", str(tmp_path)], check=True)
    try:
        mount = new_mount("v2", "--write-mode", "async", "--cache-dir", str(tmp_path / "cache"))
        mount.mount()
        (mount.path / "before").mkdir()
        assert mount.f7tfs("sync", str(mount.path)).returncode == 0
        (tmp_path / "anothers").write_bytes(bytes(30 * 2**20))
        for change in ("touch f", "mkdir d", "ln -s x l", "mv before after", "chmod 700 before"):
            assert "No space left on device" in mount.attempt(*change.split()).stderr, change
        assert mount.run("ls", "-A") == "before\n"
        (tmp_path / "anothers").unlink()
        mount.sh("mv before after; touch f")
        assert mount.umount().returncode == 0
        assert {"after", "f"} <= set(os.listdir(mount.remote))
        mount.abandon()
    finally:
        subprocess.run(["umount", "-l", str(tmp_path)], check=True)
