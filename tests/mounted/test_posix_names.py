"""What POSIX says of names: rename, symbolic links, removal, and how long and odd a name may be."""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.mounted.conftest import Mount
from tests.mounted.test_posix_content import failure

pytestmark = pytest.mark.usefixtures("quiet_log")

AT_FDCWD = -100
RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_WHITEOUT = 1, 2, 4


def renameat2(old: Path, new: Path, flags: int) -> int:
    """0, or the errno."""
    libc = ctypes.CDLL(None, use_errno=True)
    failed = libc.renameat2(AT_FDCWD, os.fsencode(old), AT_FDCWD, os.fsencode(new), flags)
    return ctypes.get_errno() if failed else 0


def test_rename_replaces_a_file(mount: Mount) -> None:
    (mount.path / "a").write_text("a")
    (mount.path / "b").write_text("b")
    number = (mount.path / "a").stat().st_ino
    os.rename(mount.path / "a", mount.path / "b")
    assert {p.name: p.read_text() for p in mount.remote.iterdir()} == {"b": "a"}
    assert (mount.path / "b").stat().st_ino == number


def test_rename_replaces_an_empty_directory_and_no_other(mount: Mount) -> None:
    mount.sh("mkdir d empty full; touch d/x full/y")
    assert failure(lambda: os.rename(mount.path / "d", mount.path / "full")) == errno.ENOTEMPTY
    os.rename(mount.path / "d", mount.path / "empty")
    assert sorted(str(p.relative_to(mount.remote)) for p in mount.remote.rglob("*")) == [
        "empty",
        "empty/x",
        "full",
        "full/y",
    ]


def test_a_directory_that_was_filled_on_the_cluster_is_not_replaced(mount: Mount) -> None:
    mount.sh("mkdir d target; touch d/x")
    (mount.remote / "target/theirs").write_text("not to be lost")
    mount.f7tfs("refresh", str(mount.path / "target"))
    assert failure(lambda: os.rename(mount.path / "d", mount.path / "target")) == errno.ENOTEMPTY
    assert (mount.remote / "target/theirs").read_text() == "not to be lost"


def test_rename_of_an_absent_name_and_into_itself(mount: Mount) -> None:
    mount.sh("mkdir -p d/e")
    assert failure(lambda: os.rename(mount.path / "absent", mount.path / "x")) == errno.ENOENT
    assert failure(lambda: os.rename(mount.path / "d", mount.path / "d/e/f")) == errno.EINVAL
    os.rename(mount.path / "d", mount.path / "d")
    assert (mount.remote / "d/e").is_dir()


def test_a_rename_that_must_not_replace_does_not(mount: Mount) -> None:
    mount.sh("echo a > a; echo b > b; mkdir d")
    assert renameat2(mount.path / "a", mount.path / "b", RENAME_NOREPLACE) == errno.EEXIST
    assert renameat2(mount.path / "a", mount.path / "d", RENAME_NOREPLACE) == errno.EEXIST
    assert renameat2(mount.path / "a", mount.path / "c", RENAME_NOREPLACE) == 0
    assert {p.name for p in mount.remote.iterdir()} == {"b", "c", "d"}
    assert (mount.remote / "b").read_text() == "b\n"


def test_two_names_cannot_be_exchanged_and_nothing_is_done(mount: Mount) -> None:
    """The API has no such call, and two renames in a row would show a moment without the file."""
    mount.sh("echo a > a; echo b > b")
    assert renameat2(mount.path / "a", mount.path / "b", RENAME_EXCHANGE) == errno.EINVAL
    assert renameat2(mount.path / "a", mount.path / "c", RENAME_WHITEOUT) == errno.EINVAL
    assert {p.name: p.read_text() for p in mount.remote.iterdir()} == {"a": "a\n", "b": "b\n"}


def test_an_open_file_follows_its_rename(mount: Mount) -> None:
    mount.sh("mkdir d")
    with (mount.path / "a").open("w") as held:
        held.write("one ")
        held.flush()
        os.rename(mount.path / "a", mount.path / "d/b")
        held.write("two")
    assert (mount.remote / "d/b").read_text() == "one two"
    assert not (mount.remote / "a").exists()


@pytest.mark.parametrize("target", ["f", "../{top}/f", "nowhere", "/nowhere/at all", "ü", "x/" * 400 + "x"])
def test_a_symlink_says_what_it_was_told(mount: Mount, target: str) -> None:
    target = target.format(top=mount.path.name)
    (mount.path / "f").write_text("content")
    os.symlink(target, mount.path / "link")
    assert os.readlink(mount.remote / "link") == target
    mount.f7tfs("refresh", str(mount.path))
    assert os.readlink(mount.path / "link") == target
    assert (mount.path / "link").lstat().st_size == len(os.fsencode(target))
    assert (mount.path / "link").exists() == target.endswith("f")


def test_a_symlink_is_removed_and_renamed_itself(mount: Mount) -> None:
    mount.sh("mkdir d; touch d/x; ln -s d link; mv link other; rm other")
    assert sorted(p.name for p in mount.remote.rglob("*")) == ["d", "x"]
    assert failure(lambda: os.symlink("x", mount.path / "d")) == errno.EEXIST


def test_a_loop_of_symlinks(mount: Mount) -> None:
    os.symlink("b", mount.path / "a")
    os.symlink("a", mount.path / "b")
    assert failure((mount.path / "a").read_bytes) == errno.ELOOP


def test_names_of_255_bytes_and_not_one_more(mount: Mount) -> None:
    good = ["n" * 255, "é" * 127 + "x", "日" * 85]
    for name in good:
        (mount.path / name).write_text(name)
    assert sorted(os.listdir(mount.remote)) == sorted(good)
    too_long: list[Callable[[], object]] = [
        (mount.path / ("n" * 256)).touch,
        (mount.path / ("é" * 128)).mkdir,
        lambda: os.symlink("x", mount.path / ("n" * 256)),
        lambda: os.rename(mount.path / good[0], mount.path / ("n" * 256)),
        (mount.path / ("n" * 256)).stat,
    ]
    assert [failure(each) for each in too_long] == [errno.ENAMETOOLONG] * 5


def test_a_directory_is_removed_only_when_it_is_empty(mount: Mount) -> None:
    mount.sh("mkdir -p d/e")
    assert failure(lambda: os.rmdir(mount.path / "d")) == errno.ENOTEMPTY
    os.rmdir(mount.path / "d/e")
    os.rmdir(mount.path / "d")
    assert os.listdir(mount.remote) == []
    assert failure(lambda: os.rmdir(mount.path / "d")) == errno.ENOENT


def test_a_name_that_was_not_there_is_seen_once_it_is(mount: Mount) -> None:
    assert not (mount.path / "f").exists()
    (mount.path / "f").touch()
    assert (mount.path / "f").exists()
    os.unlink(mount.path / "f")
    assert not (mount.path / "f").exists()


def test_ten_thousand_entries(mount: Mount) -> None:
    (mount.remote / "d").mkdir()
    for index in range(10_000):
        (mount.remote / f"d/file{index:05}").touch()
    mount.f7tfs("refresh", str(mount.path))
    names = os.listdir(mount.path / "d")
    assert sorted(names) == [f"file{index:05}" for index in range(10_000)]
    assert sum(1 for entry in os.scandir(mount.path / "d") if entry.is_file()) == 10_000
    (mount.path / "d/another").touch()
    assert len(os.listdir(mount.path / "d")) == 10_001


def test_a_directory_that_is_read_while_it_changes(mount: Mount) -> None:
    """What was there all the time is given once; what comes or goes meanwhile may be or not."""
    for index in range(300):
        (mount.remote / f"f{index:03}").touch()
    mount.f7tfs("refresh", str(mount.path))
    seen = []
    with os.scandir(mount.path) as entries:
        for number, entry in enumerate(entries):
            seen.append(entry.name)
            if number == 10:
                os.unlink(mount.path / "f200")
                (mount.path / "new").touch()
    stayed = [f"f{index:03}" for index in range(300) if index != 200]
    assert [name for name in sorted(seen) if name in stayed] == stayed


def test_a_directory_that_is_rewound_shows_what_has_changed(mount: Mount) -> None:
    (mount.path / "a").touch()
    descriptor = os.open(mount.path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        assert os.listdir(descriptor) == ["a"]
        (mount.path / "b").touch()
        os.lseek(descriptor, 0, os.SEEK_SET)
        assert sorted(os.listdir(descriptor)) == ["a", "b"]
    finally:
        os.close(descriptor)
