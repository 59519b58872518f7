"""Reading files above the direct limit: what is fetched, what is staged, and how a wait ends."""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.mounted.conftest import Mount, wait_until

MIB = 2**20
STAGING = ("transfer/download", "xfer-external/download")


def sparse(path: Path, size: int) -> None:
    """A file of `size` bytes that tells at each MiB where it is; its time is long ago."""
    with path.open("wb") as file:
        file.truncate(size)
        for at in range(0, size, 64 * MIB):
            file.seek(at)
            file.write(f"at {at}\n".encode())
        file.seek(size - 5)
        file.write(b"end.\n")
    os.utime(path, (1_600_000_000, 1_600_000_000))


def stagings(mount: Mount) -> int:
    return sum(count for route, count in mount.sandbox.calls().items() if route.endswith(STAGING))


def read_ahead(mount: Mount) -> Path:
    """The kernel's knob, in KiB."""
    device = mount.path.stat().st_dev
    return Path(f"/sys/class/bdi/{os.major(device)}:{os.minor(device)}/read_ahead_kb")


def cached(mount: Mount) -> int:
    """Bytes in the content cache of a mount."""
    total = 0
    for directory in mount.state.rglob("content"):
        with contextlib.suppress(FileNotFoundError):
            total += sum(path.stat().st_blocks * 512 for path in directory.iterdir())
    return total


@pytest.mark.timeout(600)
def test_a_look_at_a_large_file_fetches_little_and_stages_once(own: Mount) -> None:
    size = 256 * MIB
    sparse(own.remote / "large", size)
    own.mount()
    own.sandbox.reset_calls()
    assert own.run("head", "-c", "5", "large") == "at 0\n"
    assert own.run("tail", "-c", "5", "large") == "end.\n"
    with (own.path / "large").open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as view:
        assert view[128 * MIB : 128 * MIB + 12] == b"at 134217728"
    assert cached(own) < 4 * MIB
    assert stagings(own) == 1
    knob = read_ahead(own)
    wait_until(lambda: int(knob.read_text()) == (512 if os.access(knob, os.W_OK) else 128))
    # Another mount of the same directory: the copy in object storage is still good.
    assert own.umount().returncode == 0
    own.sandbox.reset_calls()
    own.mount()
    assert own.run("tail", "-c", "5", "large") == "end.\n"
    assert stagings(own) == 0
    # Another version is staged anew.
    with (own.remote / "large").open("r+b") as there:
        there.write(b"changed")
    own.f7tfs("refresh", str(own.path))
    assert own.run("head", "-c", "7", "large") == "changed"
    assert stagings(own) == 1
    assert own.umount().returncode == 0


@pytest.mark.timeout(600)
def test_a_large_file_is_read_and_written_whole_through_a_symlink(own: Mount) -> None:
    """The site's own job would stage as much of it as the name of the link is long, rounded up."""
    content = os.urandom(6 * MIB)
    (own.remote / "large.h5").write_bytes(content)
    (own.remote / "link.h5").symlink_to("large.h5")
    own.mount()
    assert (own.path / "link.h5").read_bytes() == content
    (own.path / "link.h5").write_bytes(content[::-1])
    assert own.f7tfs("sync", str(own.path)).returncode == 0
    assert (own.remote / "link.h5").is_symlink()
    assert (own.remote / "large.h5").read_bytes() == content[::-1]


@pytest.mark.timeout(600)
def test_many_who_open_a_file_share_its_staging(own: Mount) -> None:
    sparse(own.remote / "large", 64 * MIB)
    own.mount()
    own.sandbox.reset_calls()
    readers = [
        subprocess.Popen(["tail", "-c", "5", str(own.path / "large")], stdout=subprocess.PIPE) for _ in range(8)
    ]
    assert [reader.communicate(timeout=120)[0] for reader in readers] == [b"end.\n"] * 8
    assert stagings(own) == 1


@pytest.mark.timeout(600)
def test_a_random_reader_costs_at_most_twice_what_it_reads(own: Mount) -> None:
    sparse(own.remote / "large", 64 * MIB)
    own.mount()
    offsets = [(index * 37 % 61) * MIB + 1000 * index for index in range(40)]
    with (own.path / "large").open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
        for offset in offsets:
            assert len(os.pread(file.fileno(), 131072, offset)) == 131072
    assert cached(own) <= 2 * 131072 * len(offsets)


def waiting_reader(mount: Mount) -> subprocess.Popen[bytes]:
    """A process that waits for bytes of a large file that do not come."""
    reader = subprocess.Popen(["cat", str(mount.path / "large")], stdout=subprocess.DEVNULL)
    wait_until(lambda: stagings(mount) > 0)
    return reader


def has_open(process: subprocess.Popen[bytes], path: Path) -> bool:
    for descriptor in Path(f"/proc/{process.pid}/fd").iterdir():
        # It may be closed by now.
        with contextlib.suppress(OSError):
            if os.readlink(descriptor) == str(path):
                return True
    return False


@pytest.mark.timeout(600)
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_reader_that_is_killed_holds_up_neither_itself_nor_the_unmount(own: Mount, number: signal.Signals) -> None:
    sparse(own.remote / "large", 16 * MIB)
    own.mount()
    own.sandbox.reset_calls()
    nothing_there = {"match": "GET", "status": 404, "count": None}
    own.sandbox.faults({"match": "GET .*(jobs|tasks)/", "delay": 600.0, "count": None}, s3_rules=[nothing_there])
    reader = waiting_reader(own)
    reader.send_signal(number)
    assert reader.wait(60) == -number
    assert own.umount().returncode == 0
    wait_until(lambda: not own.daemons())


@pytest.mark.timeout(600)
def test_a_reader_that_is_killed_while_a_file_is_staged_takes_the_copy_from_nobody(own: Mount) -> None:
    sparse(own.remote / "large", 16 * MIB)
    own.mount()
    own.sandbox.reset_calls()
    # Not a step further: jobs wait in the queue, tasks before their copy.
    own.sandbox.faults(hold_jobs=True, hold_tasks="116")
    killed = waiting_reader(own)
    with subprocess.Popen(["tail", "-c", "5", str(own.path / "large")], stdout=subprocess.PIPE) as other:
        wait_until(lambda: has_open(other, own.path / "large"))
        killed.kill()
        assert killed.wait(60) == -signal.SIGKILL
        own.sandbox.clear_faults()
        assert other.communicate(timeout=120)[0] == b"end.\n"
    assert stagings(own) == 1


@pytest.mark.timeout(600)
def test_a_copy_that_is_refused_is_made_anew_once_and_holds_nobody_up(own: Mount) -> None:
    sparse(own.remote / "large", 16 * MIB)
    own.mount()
    assert own.run("head", "-c", "5", "large") == "at 0\n"
    own.sandbox.reset_calls()
    # The URL is refused for as long as a new copy is not asked for.
    own.sandbox.faults(s3_rules=[{"match": "GET", "status": 403, "count": None}])
    descriptor = os.open(own.path / "large", os.O_RDONLY)
    with pytest.raises(OSError, match=os.strerror(errno.EHOSTUNREACH)):
        os.pread(descriptor, 10, 8 * MIB)
    own.sandbox.clear_faults()
    os.close(descriptor)
    # By another descriptor: what has failed is not tried again by the same one for a moment.
    assert own.run("tail", "-c", "5", "large") == "end.\n"
    started = time.monotonic()
    assert own.umount().returncode == 0
    assert time.monotonic() - started < 60


@pytest.mark.timeout(600)
def test_an_unmount_does_not_wait_for_a_staging_that_nobody_wants(own: Mount) -> None:
    sparse(own.remote / "large.h5", 16 * MIB)
    own.mount()
    own.sandbox.reset_calls()
    own.sandbox.faults(s3_rules=[{"match": "GET", "status": 404, "count": None}])
    descriptor = os.open(own.path / "large.h5", os.O_RDONLY)
    wait_until(lambda: stagings(own) > 0)
    os.close(descriptor)
    assert own.umount().returncode == 0
    wait_until(lambda: not own.daemons())


@pytest.mark.timeout(600)
def test_what_grew_after_the_listing_is_read_whole(own: Mount) -> None:
    """Staged and direct: a listing that is a moment old says less than the file has."""
    sparse(own.remote / "large", 16 * MIB)
    (own.remote / "small").write_text("one\n")
    own.mount()
    assert (own.path / "large").stat().st_size == 16 * MIB
    for name in ("large", "small"):
        with (own.remote / name).open("a") as file:
            file.write("more\n")
    large, small = (os.open(own.path / name, os.O_RDONLY) for name in ("large", "small"))
    os.pread(small, 100, 0)
    os.pread(large, 100, 16 * MIB - 100)
    own.f7tfs("refresh", str(own.path))
    assert os.pread(small, 100, 0) in (b"one\n", b"one\nmore\n")
    assert (own.path / "small").read_bytes() == b"one\nmore\n"
    with (own.path / "large").open("rb") as file:
        file.seek(16 * MIB - 5)
        assert file.read() == b"end.\nmore\n"
    os.close(large)
    os.close(small)
