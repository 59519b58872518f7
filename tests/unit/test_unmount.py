"""A mount that is busy for a moment is waited for; one that somebody uses is not."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

import f7tfs.mount.unmount as module
from f7tfs.cli.app import app
from f7tfs.mount.errors import MountError

command = sys.modules["f7tfs.cli.umount"]


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Time goes on in pauses only."""
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    monkeypatch.setattr(time, "monotonic", lambda: sum(pauses))
    return pauses


def refuse(monkeypatch: pytest.MonkeyPatch, *reasons: str) -> None:
    left = list(reasons)
    monkeypatch.setattr(module, "_refusal", lambda *_, **__: left.pop(0) if len(left) > 1 else left[0])


def test_one_that_was_only_looked_at_is_unmounted(
    tmp_path: Path, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse(monkeypatch, "target is busy.", "target is busy.", "")
    module.unmount(tmp_path)
    assert len(pauses) == 2


def test_one_that_stays_busy_is_told(tmp_path: Path, pauses: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(monkeypatch, "target is busy.")
    with pytest.raises(MountError, match=r"is busy$"):
        module.unmount(tmp_path)
    assert 3.0 <= sum(pauses) < 4.0


def test_who_uses_it_is_told_at_once(tmp_path: Path, pauses: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(monkeypatch, "target is busy.")
    with (tmp_path / "held").open("w"), pytest.raises(MountError, match="is busy: used by "):
        module.unmount(tmp_path)
    assert pauses == []


def test_another_reason_is_told_at_once(tmp_path: Path, pauses: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    refuse(monkeypatch, "not mounted.")
    with pytest.raises(MountError, match=r"cannot unmount .*: not mounted"):
        module.unmount(tmp_path)
    assert pauses == []


@pytest.mark.parametrize("arguments", [["umount", "."], ["umount", "--all"]])
def test_the_command_does_not_hold_the_mount_that_it_is_called_in(
    tmp_path: Path, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    asked: list[tuple[Path, Path]] = []

    def ended(place: Path, **_options: object) -> None:
        asked.append((place, Path.cwd()))

    monkeypatch.setattr(command, "_one", ended)
    monkeypatch.setattr(command, "every", lambda: [{"mountpoint": str(tmp_path), "remote": "daint:/x"}])
    app(arguments, standalone_mode=False)
    assert asked == [(tmp_path, Path("/"))]
