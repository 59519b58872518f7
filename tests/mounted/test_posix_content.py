"""What POSIX says of open files: flags, offsets, lengths, maps, and files that change while they are open."""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.mounted.conftest import Mount, wait_until

pytestmark = pytest.mark.usefixtures("quiet_log")

OLD = (1_600_000_000, 1_600_000_000)


def failure(operation: Callable[[], object]) -> int | None:
    """The errno that an operation fails with."""
    try:
        operation()
    except OSError as error:
        return error.errno
    return None


def theirs(mount: Mount, name: str, content: bytes) -> Path:
    """A file of the cluster, old enough to be believed, that the mount has heard of."""
    (mount.remote / name).write_bytes(content)
    os.utime(mount.remote / name, OLD)
    mount.f7tfs("refresh", str(mount.path))
    return mount.path / name


def test_exclusive_creation_fails_where_there_is_a_file_here_or_there(mount: Mount) -> None:
    (mount.path / "here").touch()
    theirs(mount, "there", b"x")
    for name in ("here", "there"):
        assert failure(partial(os.open, mount.path / name, os.O_CREAT | os.O_EXCL | os.O_WRONLY)) == errno.EEXIST
    os.symlink("nowhere", mount.path / "link")
    assert failure(lambda: os.open(mount.path / "link", os.O_CREAT | os.O_EXCL | os.O_WRONLY)) == errno.EEXIST


def test_appending_writes_at_the_end_whatever_the_offset(mount: Mount) -> None:
    path = theirs(mount, "f", b"start\n")
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
    os.lseek(descriptor, 0, os.SEEK_SET)
    os.write(descriptor, b"one\n")
    os.lseek(descriptor, 2, os.SEEK_SET)
    os.write(descriptor, b"two\n")
    os.close(descriptor)
    assert (mount.remote / "f").read_bytes() == b"start\none\ntwo\n"


def test_two_appenders_overwrite_nothing(mount: Mount) -> None:
    first, second = (os.open(mount.path / "f", os.O_WRONLY | os.O_CREAT | os.O_APPEND) for _ in range(2))
    for index in range(50):
        os.write((first, second)[index % 2], b"%02d\n" % index)
    os.close(first)
    os.close(second)
    assert (mount.remote / "f").read_bytes() == b"".join(b"%02d\n" % index for index in range(50))


def test_truncation_at_opening_empties_and_keeps_mode_and_number(mount: Mount) -> None:
    path = theirs(mount, "f", b"content")
    (mount.remote / "f").chmod(0o640)
    mount.f7tfs("refresh", str(mount.path))
    before = path.stat()
    path.open("wb").close()
    assert (mount.remote / "f").read_bytes() == b""
    after = path.stat()
    assert (after.st_ino, after.st_mode, after.st_size) == (before.st_ino, before.st_mode, 0)


@pytest.mark.parametrize("size", [0, 1, 4095, 4096, 4097, 100_000])
def test_truncation_up_and_down(mount: Mount, size: int) -> None:
    content = os.urandom(5000)
    path = theirs(mount, "f", content)
    os.truncate(path, size)
    expected = content[:size] + bytes(max(0, size - len(content)))
    assert path.read_bytes() == expected
    assert (mount.remote / "f").read_bytes() == expected


def test_what_was_cut_off_does_not_come_back(mount: Mount) -> None:
    path = theirs(mount, "f", b"secret" * 1000)
    with path.open("r+b") as held:
        held.truncate(3)
        held.truncate(3000)
        assert held.read() == b"sec" + bytes(2997)
    assert (mount.remote / "f").read_bytes() == b"sec" + bytes(2997)


def test_holes_read_as_zeros(mount: Mount) -> None:
    descriptor = os.open(mount.path / "f", os.O_RDWR | os.O_CREAT)
    for offset in (300_000, 100_000, 200_000):
        os.pwrite(descriptor, b"data", offset)
    assert os.pread(descriptor, 10, 100_000) == b"data" + bytes(6)
    assert os.pread(descriptor, 10, 0) == bytes(10)
    os.close(descriptor)
    content = (mount.remote / "f").read_bytes()
    assert len(content) == 300_004
    assert content.strip(b"\0").split(b"\0") == [b"data", *[b""] * 99_995, b"data", *[b""] * 99_995, b"data"]


def test_reading_at_and_beyond_the_end(mount: Mount) -> None:
    path = theirs(mount, "f", b"0123456789")
    descriptor = os.open(path, os.O_RDONLY)
    assert os.pread(descriptor, 100, 8) == b"89"
    assert os.pread(descriptor, 100, 10) == b""
    assert os.pread(descriptor, 100, 1_000_000) == b""
    assert failure(lambda: os.write(descriptor, b"x")) == errno.EBADF
    os.close(descriptor)


def test_a_private_map_reads_the_file_and_keeps_writes_to_itself(mount: Mount) -> None:
    path = theirs(mount, "f", b"abc" * 5000)
    with path.open("r+b") as held, mmap.mmap(held.fileno(), 0, access=mmap.ACCESS_COPY) as mapped:
        assert mapped[6000:6003] == b"abc"
        mapped[0:3] = b"XYZ"
        assert mapped[0:6] == b"XYZabc"
    assert (mount.remote / "f").read_bytes() == b"abc" * 5000


def test_what_is_written_into_a_shared_map_reaches_the_cluster(mount: Mount) -> None:
    path = theirs(mount, "f", b"abc" * 5000)
    with path.open("r+b") as held, mmap.mmap(held.fileno(), 0) as mapped:
        mapped[6000:6003] = b"XYZ"
        mapped.flush()
        os.fsync(held.fileno())
        assert (mount.remote / "f").read_bytes()[5997:6006] == b"abcXYZabc"
        mapped[0:3] = b"end"
    assert mount.f7tfs("sync", str(mount.path)).returncode == 0
    wait_until(lambda: (mount.remote / "f").read_bytes()[:3] == b"end")
    assert path.read_bytes() == b"end" + b"abc" * 1999 + b"XYZ" + b"abc" * 2999


def test_a_shared_map_that_outlives_its_descriptor_is_sent_when_it_ends(mount: Mount) -> None:
    path = theirs(mount, "f", b"abc" * 5000)
    with path.open("r+b") as held:
        mapped = mmap.mmap(held.fileno(), 0)
    mapped[0:3] = b"late"[:3]
    mapped.close()
    wait_until(lambda: (mount.remote / "f").read_bytes()[:3] == b"lat")


def test_a_reader_sees_what_is_being_written(mount: Mount) -> None:
    with (mount.path / "f").open("wb", buffering=0) as writer, (mount.path / "f").open("rb", buffering=0) as reader:
        for index in range(20):
            writer.write(b"line %d\n" % index)
            assert reader.read() == b"line %d\n" % index
        assert (mount.path / "f").stat().st_size == writer.tell()


def test_an_open_file_that_is_replaced_on_the_cluster_is_read_whole_or_not_at_all(mount: Mount) -> None:
    """Nothing is mixed: one open reads one version, as far as it has been read."""
    path = theirs(mount, "f", b"old " * 50_000)
    with path.open("rb") as held:
        assert held.read(4) == b"old "
        (mount.remote / "new").write_bytes(b"NEW " * 50_000)
        (mount.remote / "new").rename(mount.remote / "f")
        assert set(held.read().split()) in ({b"old"}, {b"NEW"})
    mount.f7tfs("refresh", str(mount.path))
    wait_until(lambda: path.read_bytes() == b"NEW " * 50_000)


def test_an_unlinked_file_can_be_read_written_and_made_anew(mount: Mount) -> None:
    with (mount.path / "f").open("w+b", buffering=0) as held:
        held.write(b"first")
        os.unlink(mount.path / "f")
        assert os.fstat(held.fileno()).st_size == 5
        held.write(b" and more")
        (mount.path / "f").write_bytes(b"second")
        held.seek(0)
        assert held.read() == b"first and more"
        os.fsync(held.fileno())
    assert (mount.path / "f").read_bytes() == b"second"
    assert (mount.remote / "f").read_bytes() == b"second"
    assert os.listdir(mount.remote) == ["f"]


def test_a_file_that_was_replaced_while_open_is_still_the_old_one(mount: Mount) -> None:
    (mount.path / "f").write_bytes(b"old")
    with (mount.path / "f").open("rb", buffering=0) as held:
        (mount.path / "g").write_bytes(b"new")
        os.replace(mount.path / "g", mount.path / "f")
        assert held.read() == b"old"
    assert (mount.path / "f").read_bytes() == b"new"
    assert (mount.remote / "f").read_bytes() == b"new"


def test_an_empty_file_stays_one(mount: Mount) -> None:
    path = theirs(mount, "there", b"")
    assert path.read_bytes() == b""
    (mount.path / "here").touch()
    mount.f7tfs("refresh", str(mount.path))
    assert (mount.path / "here").read_bytes() == b""
    assert (mount.remote / "here").stat().st_size == 0


def test_fsync_of_a_file_and_of_its_directory(mount: Mount) -> None:
    with (mount.path / "f").open("wb") as held:
        held.write(b"content")
        held.flush()
        os.fdatasync(held.fileno())
        assert (mount.remote / "f").read_bytes() == b"content"
    directory = os.open(mount.path, os.O_RDONLY)
    os.fsync(directory)
    os.close(directory)


def test_a_directory_is_no_file_and_a_file_no_directory(mount: Mount) -> None:
    (mount.path / "d").mkdir()
    (mount.path / "f").touch()
    assert failure(lambda: os.open(mount.path / "d", os.O_WRONLY)) == errno.EISDIR
    assert failure(lambda: os.open(mount.path / "f", os.O_RDONLY | os.O_DIRECTORY)) == errno.ENOTDIR
    assert failure(lambda: os.open(mount.path / "f/x", os.O_RDONLY)) == errno.ENOTDIR
    assert failure(lambda: os.open(mount.path / "absent", os.O_RDONLY)) == errno.ENOENT
    assert failure(lambda: os.open(mount.path / "absent/x", os.O_CREAT | os.O_WRONLY)) == errno.ENOENT
    assert failure((mount.path / "d").unlink) in (errno.EISDIR, errno.EPERM)
    assert failure((mount.path / "f").rmdir) == errno.ENOTDIR


def test_preallocation_is_what_the_c_library_makes_of_it(mount: Mount) -> None:
    with (mount.path / "f").open("wb") as held:
        os.posix_fallocate(held.fileno(), 0, 10_000)
    assert (mount.remote / "f").stat().st_size == 10_000


def test_copy_file_range_and_seek_hole_work_by_the_kernels_own_means(mount: Mount) -> None:
    (mount.path / "f").write_bytes(b"0123456789")
    source, target = os.open(mount.path / "f", os.O_RDONLY), os.open(mount.path / "g", os.O_WRONLY | os.O_CREAT)
    assert os.lseek(source, 0, os.SEEK_DATA) == 0
    assert os.lseek(source, 0, os.SEEK_HOLE) == 10
    assert os.copy_file_range(source, target, 5, offset_src=2) == 5
    os.close(source)
    os.close(target)
    assert (mount.remote / "g").read_bytes() == b"23456"


def test_a_database_on_the_mount(mount: Mount) -> None:
    """Byte-range locks, journals that come and go, fsync: SQLite wants them all."""
    for name in ("one", "two", "three"):
        with contextlib.closing(sqlite3.connect(mount.path / "data.db")) as database:
            database.execute("CREATE TABLE IF NOT EXISTS names (name TEXT)")
            database.execute("INSERT INTO names VALUES (?)", (name,))
            database.commit()
    with contextlib.closing(sqlite3.connect(mount.remote / "data.db")) as database:
        assert database.execute("SELECT name FROM names").fetchall() == [("one",), ("two",), ("three",)]
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_direct_input_and_output(mount: Mount) -> None:
    mount.run("dd", "if=/dev/zero", "of=f", "bs=4096", "count=10", "oflag=direct", "status=none")
    mount.run("dd", "if=f", "of=g", "bs=4096", "iflag=direct", "status=none")
    assert (mount.remote / "g").read_bytes() == bytes(40960)
