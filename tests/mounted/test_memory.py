"""The daemon's memory stays bounded, however many operations there are."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.mounted.conftest import Mount
from tests.mounted.figures import note

MIB = 2**20
BOUND = 24 * MIB


def resident(pid: int) -> int:
    """Bytes of memory that a process has."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def operate(top: Path, count: int, rand: random.Random) -> int:
    """Do operations that need no call of the API, under ever new names; returns how many requests that were."""
    done = 0
    while done < count:
        name = f"{rand.getrandbits(64):x}"
        assert not (top / name).exists()
        (top / f".{name}.swp").write_bytes(name.encode() * 10)
        (top / f".{name}.swp").rename(top / f".{name}.swo")
        assert (top / f".{name}.swo").read_bytes() == name.encode() * 10
        (top / f".{name}.swo").unlink()
        assert len(os.listdir(top)) == 1
        assert (top / "kept").read_bytes() == b"kept"
        done += 14
    return done


def grow(mount: Mount, count: int) -> None:
    mount.mount()
    (mount.path / "kept").write_bytes(b"kept")
    os.utime(mount.path / "kept", (1_600_000_000, 1_600_000_000))
    (daemon,) = mount.daemons()
    rand = random.Random(5)
    operate(mount.path, count // 4, rand)
    before = resident(daemon)
    done = operate(mount.path, count, rand)
    grown = resident(daemon) - before
    note(f"memory after {done} operations, MiB:", round(resident(daemon) / MIB, 1))
    note(f"grown in {done} operations, MiB:", round(grown / MIB, 1))
    assert grown < BOUND
    assert mount.umount().returncode == 0


@pytest.mark.timeout(900)
def test_memory_is_bounded(new_mount: Callable[..., Mount]) -> None:
    grow(new_mount("v2", "-o", "attribute_timeout=600"), 8000)


@pytest.mark.long
@pytest.mark.timeout(14400)
def test_memory_is_bounded_for_long(new_mount: Callable[..., Mount]) -> None:
    grow(new_mount("v2", "-o", "attribute_timeout=600"), int(os.environ.get("F7TFS_OPERATIONS", "1000000")))
