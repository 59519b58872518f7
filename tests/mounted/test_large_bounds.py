"""Large files: the daemon's memory while they move, and a size that no 32-bit number holds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.mounted.conftest import Mount
from tests.mounted.figures import note
from tests.mounted.test_large import MB, make_file, sha256
from tests.mounted.test_large_reading import MIB, cached, sparse

MEMORY = 150 * MIB
FIVE_GIB = 5 * 2**30 + 4321
LONG = 1200.0


def peak(mount: Mount) -> int:
    """The most memory that the daemon has had, in bytes."""
    (daemon,) = mount.daemons()
    return int(Path(f"/proc/{daemon}/status").read_text().split("VmHWM:")[1].split()[0]) * 1024


def go_in_and_come_out(mount: Mount, local: Path) -> Path:
    """Copy a local file in and, under a name that nobody has read, out again; where that lies."""
    mount.run("cp", str(local), "new.bin", timeout=LONG)
    mount.run("sync", "new.bin", timeout=LONG)
    (mount.remote / "new.bin").rename(mount.remote / "old.bin")
    assert mount.f7tfs("refresh", str(mount.path)).returncode == 0
    mount.run("cp", "old.bin", str(local.with_name("out")), timeout=LONG)
    return local.with_name("out")


@pytest.mark.timeout(1200)
def test_the_daemon_stays_small_while_pieces_go_out_and_a_staged_copy_comes_in(own: Mount, tmp_path: Path) -> None:
    own.mount()
    digest = make_file(tmp_path / "in", 120 * MB)
    assert sha256(go_in_and_come_out(own, tmp_path / "in")) == digest
    most = peak(own)
    note(f"most memory of the daemon ({own.api}), MiB:", round(most / MIB, 1))
    assert most < MEMORY
    assert own.umount().returncode == 0


@pytest.mark.long
@pytest.mark.timeout(7200)
def test_a_sparse_file_of_five_gigabytes(new_mount: Callable[..., Mount], tmp_path: Path) -> None:
    mount = new_mount("v2")
    mount.mount()
    sparse(tmp_path / "in", FIVE_GIB)
    digest = sha256(tmp_path / "in")
    out = go_in_and_come_out(mount, tmp_path / "in")
    assert sha256(mount.remote / "old.bin") == digest
    assert sha256(out) == digest
    assert mount.run("tail", "-c", "5", "old.bin") == "end.\n"
    assert peak(mount) < MEMORY
    # Elsewhere in it, of a copy that is not here: beyond what 32 bits hold.
    out.unlink()
    assert mount.umount().returncode == 0
    (mount.remote / "old.bin").rename(mount.remote / "again.bin")
    mount.mount()
    before = cached(mount)
    with (mount.path / "again.bin").open("rb") as file:
        file.seek(4608 * MIB)
        assert file.readline() == b"at 4831838208\n"
    assert cached(mount) - before < MIB
    assert mount.umount().returncode == 0
