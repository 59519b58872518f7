"""Files and directories with the ordinary tools, checked against what really lies on the cluster."""

from __future__ import annotations

import errno
import os
import stat
import time
from pathlib import Path

import pytest

from tests.mounted.conftest import Mount, wait_until

pytestmark = pytest.mark.usefixtures("quiet_log")


def test_a_file_written_here_is_on_the_cluster_when_cp_returns(mount: Mount, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(os.urandom(10_000))
    mount.run("cp", str(tmp_path / "in"), "file")
    assert (mount.remote / "file").read_bytes() == (tmp_path / "in").read_bytes()
    mount.run("cp", "file", str(tmp_path / "out"))
    assert (tmp_path / "out").read_bytes() == (tmp_path / "in").read_bytes()


def test_a_file_of_the_cluster_is_read_and_listed(mount: Mount) -> None:
    (mount.remote / "theirs").write_text("from the cluster\n")
    os.utime(mount.remote / "theirs", (1_700_000_000, 1_700_000_000))
    mount.f7tfs("refresh", str(mount.path))
    assert mount.run("cat", "theirs") == "from the cluster\n"
    listing = mount.run("ls", "-la", "--time-style=+%s")
    assert " 17 1700000000 theirs" in listing
    assert listing.splitlines()[1].endswith(" .")


def test_times_are_right_though_listings_give_local_time(mount: Mount) -> None:
    for name, seconds in (("winter", 1_700_000_000), ("summer", 1_720_000_000)):
        (mount.remote / name).touch()
        os.utime(mount.remote / name, (seconds, seconds))
    mount.f7tfs("refresh", str(mount.path))
    assert (mount.path / "winter").stat().st_mtime == 1_700_000_000
    assert (mount.path / "summer").stat().st_mtime == 1_720_000_000


def test_directories_are_made_and_removed(mount: Mount) -> None:
    mount.run("mkdir", "-p", "a/b/c")
    assert (mount.remote / "a/b/c").is_dir()
    mount.run("rmdir", "a/b/c")
    assert not (mount.remote / "a/b/c").exists()
    (mount.remote / "a/b/theirs").touch()
    mount.f7tfs("refresh", str(mount.path / "a/b"))
    failed = mount.attempt("rmdir", "a/b")
    assert "not empty" in failed.stderr
    assert (mount.remote / "a/b/theirs").exists()


def test_rm_removes_a_tree(mount: Mount) -> None:
    mount.sh("mkdir -p t/u; echo 1 > t/1; echo 2 > t/u/2; ln -s 1 t/l; rm -r t")
    assert not (mount.remote / "t").exists()
    assert os.listdir(mount.path) == []


def test_rm_of_a_symlink_to_a_directory_leaves_the_directory(mount: Mount) -> None:
    mount.sh("mkdir d; echo x > d/x; ln -s d l; rm l")
    assert (mount.remote / "d/x").read_text() == "x\n"
    assert not os.path.lexists(mount.remote / "l")


def test_mv_renames_files_and_directories(mount: Mount) -> None:
    mount.sh("echo one > a; mv a b; mkdir d; mv b d/; mv d e; echo two > e/c; mv e/c e/b")
    assert (mount.remote / "e/b").read_text() == "two\n"
    assert sorted(p.name for p in mount.remote.rglob("*")) == ["b", "e"]
    assert mount.run("cat", "e/b") == "two\n"


def test_mv_keeps_mode_and_time(mount: Mount) -> None:
    mount.sh("echo x > a; chmod 640 a; touch -d @1600000000 a; mv a b")
    assert stat.S_IMODE((mount.remote / "b").stat().st_mode) == 0o640
    assert (mount.path / "b").stat().st_mtime == 1_600_000_000


@pytest.mark.parametrize(
    ("command", "error"),
    [
        ("mv -T f d", errno.EISDIR),
        ("mv -T d f", errno.ENOTDIR),
        ("mv -T e d", errno.ENOTEMPTY),
        ("mv -T d d/x", errno.EINVAL),
    ],
)
def test_mv_refuses_what_a_local_disk_refuses(mount: Mount, command: str, error: int) -> None:
    mount.sh("echo x > f; mkdir d e; echo y > d/y; echo z > e/z")
    _, _, source, target = command.split()
    with pytest.raises(OSError) as failed:  # noqa: PT011 -- the errno is what is looked at
        os.rename(mount.path / source, mount.path / target)
    assert failed.value.errno == error
    assert sorted(p.name for p in mount.remote.rglob("*")) == ["d", "e", "f", "y", "z"]


def test_a_directory_replaces_an_empty_one(mount: Mount) -> None:
    mount.sh("mkdir d e; echo y > d/y")
    os.rename(mount.path / "d", mount.path / "e")
    assert (mount.remote / "e/y").read_text() == "y\n"
    assert not (mount.remote / "d").exists()


def test_symlinks_are_kept_as_they_are(mount: Mount) -> None:
    mount.sh("echo x > f; ln -s f relative; ln -s nowhere dangling; ln -s /home/user/x absolute")
    assert os.readlink(mount.remote / "relative") == "f"
    assert os.readlink(mount.remote / "dangling") == "nowhere"
    assert os.readlink(mount.path / "absolute") == "/home/user/x"
    assert mount.run("cat", "relative") == "x\n"


def test_chmod_and_modes_of_new_files(mount: Mount) -> None:
    mount.sh("echo x > f; chmod 600 f; umask 077; echo y > g; mkdir d; umask 022; install -m 755 f s")
    modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in mount.remote.iterdir()}
    assert modes == {"f": 0o600, "g": 0o600, "d": 0o700, "s": 0o755}
    assert {name: stat.S_IMODE((mount.path / name).stat().st_mode) for name in modes} == modes


def test_touch_makes_empty_files_and_sets_times(mount: Mount) -> None:
    mount.sh("touch empty; touch -d @1500000000 old")
    assert (mount.remote / "empty").read_bytes() == b""
    assert (mount.path / "old").stat().st_mtime == 1_500_000_000
    mount.f7tfs("refresh", str(mount.path))
    assert (mount.path / "old").stat().st_mtime == 1_500_000_000


def test_appending_and_truncating(mount: Mount) -> None:
    mount.sh("echo one > f; echo two >> f; truncate -s 5 f; printf three >> f")
    assert (mount.remote / "f").read_bytes() == b"one\ntthree"
    mount.sh("truncate -s 12 f")
    assert (mount.remote / "f").read_bytes() == b"one\ntthree\0\0"
    mount.sh(": > f")
    assert (mount.remote / "f").read_bytes() == b""


def test_appending_to_a_file_of_the_cluster_keeps_its_content_and_mode(mount: Mount) -> None:
    (mount.remote / "f").write_text("theirs\n")
    (mount.remote / "f").chmod(0o660)
    mount.f7tfs("refresh", str(mount.path))
    mount.sh("echo ours >> f")
    assert (mount.remote / "f").read_text() == "theirs\nours\n"
    assert stat.S_IMODE((mount.remote / "f").stat().st_mode) == 0o660


def test_several_writers_into_one_redirection(mount: Mount) -> None:
    mount.sh("{ echo one; cat /etc/hostname; echo three; } > f")
    expected = "one\n" + Path("/etc/hostname").read_text() + "three\n"
    assert (mount.remote / "f").read_text() == expected


def test_writing_in_the_middle(mount: Mount) -> None:
    mount.sh("printf 0123456789 > f; printf XY | dd of=f bs=1 seek=4 conv=notrunc status=none")
    assert (mount.remote / "f").read_bytes() == b"0123XY6789"


def test_a_sparse_write_leaves_zeros(mount: Mount) -> None:
    mount.sh("printf end | dd of=f bs=1 seek=5000 status=none")
    assert (mount.remote / "f").read_bytes() == bytes(5000) + b"end"


def test_an_unlinked_file_is_readable_while_it_is_open(mount: Mount) -> None:
    mount.sh("echo still > f")
    with (mount.path / "f").open() as held:
        (mount.path / "f").unlink()
        assert not (mount.remote / "f").exists()
        assert held.read() == "still\n"
    assert os.listdir(mount.path) == []


def test_fsync_returns_when_the_cluster_has_it(mount: Mount) -> None:
    with (mount.path / "f").open("wb") as held:
        held.write(b"written")
        held.flush()
        assert not (mount.remote / "f").exists()
        os.fsync(held.fileno())
        assert (mount.remote / "f").read_bytes() == b"written"
        held.write(b" and more")
    assert (mount.remote / "f").read_bytes() == b"written and more"


def test_a_change_on_the_cluster_is_seen_after_the_attribute_timeout(mount: Mount) -> None:
    mount.sh("echo old > f; cat f")
    (mount.remote / "f").write_text("new and longer\n")
    wait_until(lambda: (mount.path / "f").read_text() == "new and longer\n", 15)
    (mount.remote / "f").unlink()
    wait_until(lambda: not (mount.path / "f").exists(), 15)


def test_names_of_all_sorts(mount: Mount) -> None:
    names = ["with space", "ünïcödé-日本", "-dash", "$dollar", "star*", "trailing ", "x" * 255]
    for name in names:
        (mount.path / name).write_text(name)
    assert sorted(os.listdir(mount.path)) == sorted(names)
    assert {p.name: p.read_text() for p in mount.remote.iterdir()} == {name: name for name in names}
    mount.f7tfs("refresh", str(mount.path))
    assert {p.name: p.read_text() for p in mount.path.iterdir()} == {name: name for name in names}


def test_a_name_of_256_bytes_is_too_long(mount: Mount) -> None:
    with pytest.raises(OSError, match="too long"):
        (mount.path / ("x" * 256)).touch()


def test_a_name_that_is_no_utf8_is_refused_before_any_request(mount: Mount) -> None:
    with pytest.raises(OSError) as failed:  # noqa: PT011 -- the errno is what is looked at
        open(os.fsencode(mount.path) + b"/\xff\xfe", "wb")  # noqa: SIM115 -- it is to fail
    assert failed.value.errno == errno.EILSEQ


def test_hard_links_and_device_files_are_refused(mount: Mount) -> None:
    mount.sh("echo x > f")
    with pytest.raises(PermissionError):
        os.link(mount.path / "f", mount.path / "g")
    with pytest.raises(PermissionError):
        os.mkfifo(mount.path / "p")


def test_statfs_shows_free_space(mount: Mount) -> None:
    stats = os.statvfs(mount.path)
    assert stats.f_bavail * stats.f_frsize > 2**40
    assert stats.f_namemax == 255


def test_a_file_has_the_same_inode_number_in_every_way_of_looking(mount: Mount) -> None:
    mount.sh("echo x > f")
    number = (mount.path / "f").stat().st_ino
    assert {entry.inode() for entry in os.scandir(mount.path)} == {number}
    os.rename(mount.path / "f", mount.path / "g")
    assert (mount.path / "g").stat().st_ino == number


def test_the_time_of_a_write_is_the_time_here(mount: Mount) -> None:
    before = time.time()
    mount.sh("echo x > f")
    assert before - 1 <= (mount.path / "f").stat().st_mtime <= time.time() + 1


@pytest.mark.parametrize("repeated", [3, 2_000_000], ids=["small", "staged"])
def test_who_has_a_file_open_goes_on_reading_it_when_another_takes_its_name(mount: Mount, repeated: int) -> None:
    old, new = b"old " * repeated, b"new " * repeated
    for name, content in (("f", old), ("other", new)):
        (mount.remote / name).write_bytes(content)
        # Of one time and size: no version tells them apart.
        os.utime(mount.remote / name, (1_600_000_000, 1_600_000_000))
    mount.f7tfs("refresh", str(mount.path))
    with (mount.path / "f").open("rb") as held:
        (mount.path / "other").rename(mount.path / "f")
        assert held.read() == old
    assert (mount.path / "f").read_bytes() == new
