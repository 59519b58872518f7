"""The content cache keeps to its size, and the local disk to its reserve; neither loses what was written."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.mounted.conftest import APIS, Mount, wait_until
from tests.mounted.test_posix_content import failure, theirs

pytestmark = pytest.mark.usefixtures("quiet_log")

SIZE, FILES, QUOTA = 300_000, 8, 1024 * 1024
MORE_THAN_ANY_DISK = str(2**62)


def cached(mount: Mount) -> int:
    """Bytes that the content files take on the local disk."""
    return sum(file.stat().st_blocks * 512 for place in mount.state.rglob("content") for file in place.iterdir())


def content(index: int) -> bytes:
    return bytes([index]) * SIZE


@pytest.mark.parametrize("api", APIS)
def test_what_was_read_and_sent_makes_room_for_what_follows(new_mount: Callable[..., Mount], api: str) -> None:
    mount = new_mount(api, "-o", f"cache_size={QUOTA}")
    mount.mount()
    names = [theirs(mount, f"read{index}", content(index)).name for index in range(FILES)]
    for index in range(FILES):
        (mount.path / f"written{index}").write_bytes(content(index))
        assert (mount.path / names[index]).read_bytes() == content(index)
        assert cached(mount) <= QUOTA + 2 * SIZE
    for index in range(FILES):
        assert (mount.path / f"written{index}").read_bytes() == content(index)
        assert (mount.remote / f"written{index}").read_bytes() == content(index)
    assert mount.umount().returncode == 0


@pytest.mark.expects_log("is not on the cluster yet|cannot be reached|is away")
@pytest.mark.parametrize("api", APIS)
def test_what_waits_is_kept_whatever_the_quota(new_mount: Callable[..., Mount], api: str) -> None:
    mount = new_mount(api, "-o", f"cache_size={QUOTA}", "--write-mode", "async", "--deadline", "8")
    mount.mount()
    (mount.path / "before").write_bytes(content(1))
    assert mount.f7tfs("sync", str(mount.path)).returncode == 0
    mount.sandbox.kill()
    for index in range(FILES):
        (mount.path / f"f{index}").write_bytes(content(index))
    assert [(mount.path / f"f{index}").read_bytes() == content(index) for index in range(FILES)] == [True] * FILES
    mount.sandbox.start()
    assert mount.umount().returncode == 0
    assert [(mount.remote / f"f{index}").read_bytes() == content(index) for index in range(FILES)] == [True] * FILES


@pytest.mark.expects_log("is not on the cluster yet")
@pytest.mark.parametrize("api", APIS)
def test_a_full_local_disk_refuses_what_is_new_and_loses_nothing(new_mount: Callable[..., Mount], api: str) -> None:
    mount = new_mount(api, "--write-mode", "async")
    mount.mount()
    (mount.path / "f").write_bytes(content(1))
    mount.sandbox.faults({"match": "(POST|PUT|DELETE) (?!/auth).*", "status": 503, "count": None})
    (mount.path / "waits").write_bytes(content(2))
    (mount.path / "f").write_bytes(content(3))
    (daemon,) = mount.daemons()
    os.kill(daemon, signal.SIGKILL)
    wait_until(mount.stale)
    mount.options = (*mount.options, "-o", f"cache_reserve={MORE_THAN_ANY_DISK}")
    mount.mount()
    full: list[Callable[[], object]] = [
        lambda: (mount.path / "new").write_bytes(b"x"),
        lambda: append(mount.path / "waits"),
        lambda: os.truncate(mount.path / "f", SIZE + 1),
    ]
    assert [failure(operation) for operation in full] == [errno.ENOSPC] * 3
    assert (mount.path / "waits").read_bytes() == content(2)
    assert (mount.path / "f").read_bytes() == content(3)
    mount.sandbox.clear_faults()
    assert mount.umount().returncode == 0
    assert (mount.remote / "waits").read_bytes() == content(2)
    assert (mount.remote / "f").read_bytes() == content(3)


def append(path: Path) -> None:
    with path.open("ab") as held:
        held.write(b"x")
