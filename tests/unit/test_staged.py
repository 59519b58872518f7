"""Which staged copies are used again."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path

import pytest
import trio

from f7tfs.cluster.model import StagedObject
from f7tfs.vfs.content import Content
from f7tfs.vfs.nodes import Version
from f7tfs.vfs.staged import StagedCopies, write_private

OLD = Version("2026-01-01T00:00:00", 10)


def content(version: Version | None = OLD) -> Content:
    return Content(Path("/nowhere"), 10, version)


def copy(path: str = "/a", seconds: float = 3600.0) -> StagedObject:
    return StagedObject(path, "https://s3.test/a?signature", 10, time.time() + seconds, "7")


def add(copies: StagedCopies, owner: Content, staged: StagedObject) -> list[StagedObject]:
    return trio.run(copies.add, staged.path, owner, staged)


def test_a_copy_is_used_again_after_a_restart_for_the_same_version_only(tmp_path: Path) -> None:
    staged = copy()
    add(StagedCopies(tmp_path / "staged"), content(), staged)
    again = StagedCopies(tmp_path / "staged")
    assert again.find("/a", content(Version("2026-01-01T00:00:01", 10))) is None
    assert again.find("/a", content(None)) is None
    assert again.find("/b", content()) is None
    assert again.find("/a", content()) == staged
    assert stat.S_IMODE((tmp_path / "staged").stat().st_mode) == 0o600


def test_a_version_that_may_still_change_unseen_proves_nothing_to_others(tmp_path: Path) -> None:
    copies = StagedCopies(tmp_path / "staged")
    owner = content(Version("2026-01-01T00:00:00", 10, settled=False))
    add(copies, owner, copy())
    assert copies.find("/a", owner) is not None
    assert copies.find("/a", content()) is None
    assert StagedCopies(tmp_path / "staged").find("/a", content()) is None


def test_a_copy_is_not_used_shortly_before_it_expires(tmp_path: Path) -> None:
    copies, owner = StagedCopies(tmp_path / "staged"), content()
    add(copies, owner, copy(seconds=30))
    assert copies.find("/a", owner) is None


def test_a_new_copy_gives_back_the_old_one(tmp_path: Path) -> None:
    copies, owner = StagedCopies(tmp_path / "staged"), content()
    first, second = copy(), copy()
    assert add(copies, owner, first) == []
    assert add(copies, owner, second) == [first]
    assert trio.run(copies.drop, owner) is second
    assert trio.run(copies.drop, owner) is None


@pytest.mark.parametrize("text", ["", "{", "[1]", '[{"staged": {}, "version": {}}]'])
def test_a_spoilt_memory_is_no_obstacle(tmp_path: Path, text: str) -> None:
    (tmp_path / "staged").write_text(text)
    assert StagedCopies(tmp_path / "staged").find("/a", content()) is None


def test_what_is_written_down_is_on_the_disk_before_and_after_it_takes_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, synced = tmp_path / "record", []

    def fsync(descriptor: int) -> None:
        synced.append((Path(os.readlink(f"/proc/self/fd/{descriptor}")).name, place.exists()))

    monkeypatch.setattr(os, "fsync", fsync)
    write_private(place, "text")
    assert (synced, place.read_text()) == ([("record.new", False), (tmp_path.name, True)], "text")
