"""One file, and everything that a program can do to its bytes, at random, beside a copy in memory."""

from __future__ import annotations

import mmap
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.mounted.conftest import APIS, Mount
from tests.mounted.figures import note

pytestmark = pytest.mark.usefixtures("quiet_log")

LARGEST, LONGEST = 300_000, 70_000
STEPS = 400


class Exerciser:
    """`file` is the copy. Two descriptors may be open at a time, one of them for reading only."""

    def __init__(self, path: Path, seed: int) -> None:
        self.random = random.Random(seed)
        self.path = path
        self.file = bytearray()
        self.log: list[str] = []
        self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
        self.reader = os.open(path, os.O_RDONLY)

    def close(self) -> None:
        os.close(self.descriptor)
        os.close(self.reader)

    def span(self, largest: int = LARGEST) -> tuple[int, int]:
        """An offset and a length; often at the end, or at the edge of a page."""
        rand = self.random
        offset = rand.choice([rand.randrange(largest), len(self.file), rand.randrange(largest) // 4096 * 4096])
        length = rand.choice([rand.randrange(1, 100), rand.randrange(1, LONGEST), 4096])
        return min(offset, largest - 1), min(length, largest - min(offset, largest - 1))

    def pattern(self, length: int) -> bytes:
        return bytes([self.random.randrange(1, 256)]) * length

    def expect(self, got: bytes, offset: int, length: int) -> None:
        wanted = bytes(self.file[offset : offset + length])
        assert got == wanted, f"{len(got)} bytes at {offset} of {len(self.file)} differ after\n" + "\n".join(self.log)

    # -- what is done ----------------------------------------------------------------------------

    def write(self) -> str:
        offset, length = self.span()
        data = self.pattern(length)
        assert os.pwrite(self.descriptor, data, offset) == length
        self.file.extend(bytes(max(0, offset - len(self.file))))
        self.file[offset : offset + length] = data
        return f"write {offset} {length}"

    def append(self) -> str:
        data = self.pattern(self.random.randrange(1, 5000))
        if len(self.file) + len(data) > LARGEST:
            return self.truncate()
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND)
        try:
            os.write(descriptor, data)
        finally:
            os.close(descriptor)
        self.file += data
        return f"append {len(data)}"

    def read(self) -> str:
        offset, length = self.span()
        for descriptor in (self.descriptor, self.reader):
            self.expect(os.pread(descriptor, length, offset), offset, length)
        return f"read {offset} {length}"

    def map_read(self) -> str:
        if not self.file:
            return "nothing to map"
        with mmap.mmap(self.reader, len(self.file), prot=mmap.PROT_READ) as mapped:
            offset, length = self.span(len(self.file))
            self.expect(mapped[offset : offset + length], offset, length)
        return f"map read {offset} {length}"

    def map_write(self) -> str:
        if not self.file:
            return "nothing to map"
        offset, length = self.span(len(self.file))
        data = self.pattern(length)
        with mmap.mmap(self.descriptor, len(self.file)) as mapped:
            mapped[offset : offset + length] = data
            if self.random.random() < 0.5:
                mapped.flush()
        self.file[offset : offset + length] = data
        return f"map write {offset} {length}"

    def truncate(self) -> str:
        size = self.random.choice([0, self.random.randrange(LARGEST), len(self.file) // 2])
        if self.random.random() < 0.5:
            os.ftruncate(self.descriptor, size)
        else:
            os.truncate(self.path, size)
        del self.file[size:]
        self.file.extend(bytes(size - len(self.file)))
        return f"truncate {size}"

    def reopen(self) -> str:
        flags = os.O_RDWR | (os.O_TRUNC if self.random.random() < 0.1 else 0)
        self.close()
        self.descriptor = os.open(self.path, flags)
        self.reader = os.open(self.path, os.O_RDONLY)
        if flags & os.O_TRUNC:
            self.file.clear()
        return f"reopen {flags:o}"

    def copy_range(self) -> str:
        source, length = self.span(max(1, len(self.file)))
        target = self.random.randrange(LARGEST - length)
        if abs(source - target) < length:
            return "overlapping"
        copied = os.copy_file_range(self.descriptor, self.descriptor, length, source, target)
        data = self.file[source : source + copied]
        if copied:
            self.file.extend(bytes(max(0, target - len(self.file))))
            self.file[target : target + copied] = data
        return f"copy {source} {target} {copied}"

    def sync(self) -> str:
        os.fsync(self.descriptor)
        return "fsync"

    def rename(self) -> str:
        target = self.path.with_name(self.random.choice(["file", "other", "third.tmp"]))
        os.rename(self.path, target)
        self.path = target
        return f"rename {target.name}"

    def replace(self) -> str:
        """Write a new one beside it, and rename that over it; the old descriptors keep the old bytes."""
        new = self.path.with_name("new")
        data = self.pattern(self.random.randrange(1, 20_000))
        new.write_bytes(data)
        os.rename(new, self.path)
        self.expect(os.pread(self.reader, LARGEST, 0), 0, LARGEST)
        self.file = bytearray(data)
        self.reopen()
        return f"replace {len(data)}"

    def look(self) -> str:
        assert {self.path.stat().st_size, os.fstat(self.descriptor).st_size} == {len(self.file)}, self.log
        return f"size {len(self.file)}"

    def run(self, steps: int) -> None:
        often = [self.write, self.read, self.map_write, self.map_read, self.truncate, self.append, self.copy_range]
        seldom = [self.reopen, self.sync, self.rename, self.replace, self.look]
        for _ in range(steps):
            step = self.random.choice(often * 2 + seldom)
            self.log = [*self.log[-30:], step.__name__]
            self.log[-1] = step()
            self.look()
        self.expect(os.pread(self.reader, LARGEST, 0), 0, LARGEST)


def exercise(mount: Mount, seed: int, steps: int = STEPS) -> None:
    exerciser = Exerciser(mount.path / "file", seed)
    try:
        exerciser.run(steps)
    finally:
        exerciser.close()
    assert mount.f7tfs("sync", str(mount.path)).returncode == 0
    remote = mount.remote / exerciser.path.name
    assert remote.read_bytes() == exerciser.file
    assert [path.name for path in mount.remote.iterdir() if not path.name.startswith(".f7t")] == [remote.name]
    note(f"random operations on one file ({mount.api}):", steps)


def test_the_bytes_of_a_file_are_those_that_a_program_made_them(mount: Mount) -> None:
    exercise(mount, 1)


@pytest.mark.parametrize("mode", ["auto", "async", "sync"])
@pytest.mark.parametrize("api", APIS)
def test_so_they_are_in_bursts_and_in_the_other_write_modes(
    new_mount: Callable[..., Mount], api: str, mode: str
) -> None:
    mount = new_mount(api, "--write-mode", mode, settings={"job_start_seconds": 0.0}, bursts=True)
    mount.mount()
    exercise(mount, 3, STEPS // 2)
    assert mount.umount().returncode == 0


@pytest.mark.long
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("mode", ["auto", "async", "sync"])
@pytest.mark.parametrize("api", APIS)
def test_so_they_are_after_thousands_of_operations(new_mount: Callable[..., Mount], api: str, mode: str) -> None:
    mount = new_mount(api, "--write-mode", mode, settings={"job_start_seconds": 0.0}, bursts=True)
    mount.mount()
    for seed in range(int(os.environ.get("F7TFS_SEEDS", "10"))):
        (mount.path / str(seed)).mkdir()
        exercise(mount.inside(mount.path / str(seed)), 100 + seed, 3000)
    assert mount.umount().returncode == 0
