"""Which mount a command means, and what it says where there is none."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from f7tfs.cli import journal as journals
from f7tfs.cli import places
from f7tfs.cli.output import console
from f7tfs.mount.address import bind
from f7tfs.mount.errors import MountError
from f7tfs.mount.mountinfo import Mount, mount_of
from f7tfs.mount.runtime import control_socket


@pytest.fixture
def mounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Path, Path]]:
    """Two mounts, whose daemons listen."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    one, two = tmp_path / "one", tmp_path / "two"
    table = [
        Mount(mountpoint=place, kind="fuse.f7tfs", source="cluster:/x", owner=0, device="0:50")
        for place in (one, two)
    ]
    monkeypatch.setattr(places, "mount_of", lambda path: mount_of(path, table))
    with daemon(one), daemon(two):
        yield one, two


@contextmanager
def daemon(place: Path) -> Iterator[None]:
    (place / "project").mkdir(parents=True)
    with closing(socket.socket(socket.AF_UNIX)) as listener:
        bind(listener, control_socket(place))
        listener.listen()
        yield


def test_the_mount_that_one_is_in_is_meant(mounts: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    for place in mounts:
        monkeypatch.chdir(place / "project")
        assert places.control_of(None) == control_socket(place)
    assert places.control_of(mounts[0] / "project") == control_socket(mounts[0])


def test_outside_of_several_mounts_one_has_to_be_named(
    mounts: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MountError, match="several mounts"):
        places.control_of(None)


def test_a_path_that_is_in_no_mount_is_told(mounts: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(MountError, match="elsewhere is not in a mount of f7tfs") as caught:
        places.control_of(tmp_path / "elsewhere")
    assert caught.value.cure == "f7tfs mounts shows what is mounted"


class Journal:
    """As one of a mount, in which so many changes had failed."""

    remote = "cluster:/x"

    def __init__(self, mountpoint: str, failed: int) -> None:
        self.mountpoint = mountpoint
        self._failed = failed

    def retry(self) -> int:
        return self._failed


@pytest.mark.parametrize(
    ("failed", "told"),
    [
        ((0, 2), "/b: 2 failed changes tried again; f7tfs sync waits for them\n"),
        ((0, 0), "no change has failed; what waits is tried now\n"),
    ],
)
def test_a_retry_tells_of_the_mounts_that_have_failed_changes(
    failed: tuple[int, int], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    console.cache_clear()
    found = [Journal(place, number) for place, number in zip(("/a", "/b"), failed, strict=True)]
    monkeypatch.setattr(journals, "_journals", lambda *_: found)
    done = CliRunner().invoke(journals.journal, ["retry"])
    assert (done.exit_code, done.stderr) == (0, told)
