"""What the descriptors of a process tell of its intentions."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from f7tfs.vfs.holders import puts_into


@pytest.mark.parametrize(
    ("name", "flags", "puts"),
    [
        ("", os.O_PATH | os.O_DIRECTORY, True),
        ("", os.O_RDONLY | os.O_DIRECTORY, False),
        (".run.sh.swp", os.O_RDWR | os.O_CREAT, True),
        ("run.sh", os.O_RDWR | os.O_CREAT, False),
    ],
    ids=["cp", "ls", "vim", "cat"],
)
def test_who_is_about_to_put_something_into_a_directory_is_seen(
    tmp_path: Path, name: str, flags: int, *, puts: bool
) -> None:
    descriptor = os.open(tmp_path / name, flags)
    try:
        assert puts_into(os.getpid(), str(tmp_path), lambda scratch: scratch.startswith(".")) is puts
        assert not puts_into(os.getpid(), str(tmp_path / "other"), lambda _scratch: True)
        assert not puts_into(0, str(tmp_path), lambda _scratch: True)
    finally:
        os.close(descriptor)
