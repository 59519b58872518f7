"""Files above the direct limit: staged through object storage."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from tests.mounted.conftest import Mount

pytestmark = pytest.mark.usefixtures("quiet_log")

MB = 1_000_000


def make_file(path: Path, size: int) -> str:
    """Random bytes (a block of them, repeated with a counter); returns the SHA-256."""
    block, digest = os.urandom(MB), hashlib.sha256()
    with path.open("wb") as out:
        for index in range(size // MB):
            piece = index.to_bytes(8, "big") + block[8:]
            out.write(piece)
            digest.update(piece)
    return digest.hexdigest()


def sha256(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("megabytes", [60, 600])
def test_a_large_file_goes_in_and_comes_out_unchanged(mount: Mount, tmp_path: Path, megabytes: int) -> None:
    digest = make_file(tmp_path / "in", megabytes * MB)
    mount.run("cp", str(tmp_path / "in"), "large.bin", timeout=300)
    assert (mount.path / "large.bin").stat().st_size == megabytes * MB
    synced = mount.f7tfs("sync", str(mount.path))
    assert synced.returncode == 0, synced.stderr
    assert sha256(mount.remote / "large.bin") == digest
    # Under another name, so that nothing of it is in the content cache.
    (mount.remote / "large.bin").rename(mount.remote / "other.bin")
    mount.f7tfs("refresh", str(mount.path))
    mount.run("cp", "other.bin", str(tmp_path / "out"), timeout=300)
    assert sha256(tmp_path / "out") == digest
    (mount.remote / "other.bin").unlink()


@pytest.mark.timeout(600)
def test_the_head_of_a_large_file_needs_no_whole_download(mount: Mount) -> None:
    make_file(mount.remote / "large.bin", 60 * MB)
    mount.f7tfs("refresh", str(mount.path))
    with (mount.path / "large.bin").open("rb") as large:
        assert int.from_bytes(large.read(8), "big") == 0
        large.seek(42 * MB)
        assert int.from_bytes(large.read(8), "big") == 42
        large.seek(-MB, os.SEEK_END)
        assert int.from_bytes(large.read(8), "big") == 59


@pytest.mark.timeout(600)
def test_a_large_file_is_replaced_and_keeps_its_mode(mount: Mount, tmp_path: Path) -> None:
    make_file(mount.remote / "large.bin", 8 * MB)
    (mount.remote / "large.bin").chmod(0o600)
    (mount.remote / "large.bin.1").write_text("not to be harmed")
    mount.f7tfs("refresh", str(mount.path))
    digest = make_file(tmp_path / "in", 9 * MB)
    mount.run("cp", str(tmp_path / "in"), "large.bin")
    assert mount.f7tfs("sync", str(mount.path)).returncode == 0
    assert sha256(mount.remote / "large.bin") == digest
    assert (mount.remote / "large.bin").stat().st_mode & 0o777 == 0o600
    assert (mount.remote / "large.bin.1").read_text() == "not to be harmed"


@pytest.mark.timeout(600)
def test_a_large_file_with_an_odd_name(mount: Mount, tmp_path: Path) -> None:
    digest = make_file(tmp_path / "in", 7 * MB)
    mount.run("cp", str(tmp_path / "in"), "a large file")
    assert mount.f7tfs("sync", str(mount.path)).returncode == 0
    assert sha256(mount.remote / "a large file") == digest
    (mount.remote / "a large file").rename(mount.remote / "another large file")
    mount.f7tfs("refresh", str(mount.path))
    mount.run("cp", "another large file", str(tmp_path / "out"))
    assert sha256(tmp_path / "out") == digest


@pytest.mark.timeout(600)
def test_appending_to_a_large_file(mount: Mount) -> None:
    make_file(mount.remote / "log", 6 * MB)
    before = sha256(mount.remote / "log")
    mount.f7tfs("refresh", str(mount.path))
    mount.sh("echo the end >> log")
    assert mount.f7tfs("sync", str(mount.path)).returncode == 0
    data = (mount.remote / "log").read_bytes()
    assert hashlib.sha256(data[: 6 * MB]).hexdigest() == before
    assert data[6 * MB :] == b"the end\n"


@pytest.mark.timeout(600)
def test_a_file_between_the_two_limits_can_be_written_and_read(mount: Mount, tmp_path: Path) -> None:
    """What one upload takes, one download does not give back."""
    digest = make_file(tmp_path / "in", 5 * MB)
    mount.run("cp", str(tmp_path / "in"), "middle")
    assert mount.f7tfs("sync", str(mount.path)).returncode == 0
    (mount.remote / "middle").rename(mount.remote / "again")
    mount.f7tfs("refresh", str(mount.path))
    assert sha256(mount.path / "again") == digest
