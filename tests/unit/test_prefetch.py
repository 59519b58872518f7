"""In which order `f7tfs prefetch` reads files."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from f7tfs.cli.prefetch import fetch
from f7tfs.mount.errors import MountError

LARGE = 10**7


def read_by_somebody(fifo: Path) -> int:
    """A descriptor for writing, as soon as somebody has it open for reading."""
    while True:
        try:
            return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            time.sleep(0.01)


def test_large_files_are_waited_for_together(tmp_path: Path) -> None:
    """Each is a FIFO that tells its content when all of them, and a small file, are open."""
    fifos = [tmp_path / name for name in ("a", "b", "c")]
    for fifo in fifos:
        os.mkfifo(fifo)
    (tmp_path / "small").write_bytes(b"12345")
    arrived: list[int] = []

    def note(more: int) -> None:
        arrived.append(more)
        if more == 5:  # the small one, read while the others wait
            for writer in [read_by_somebody(fifo) for fifo in fifos]:
                os.write(writer, b"1234567")
                os.close(writer)

    fetch([(fifos[0], LARGE), (tmp_path / "small", 5), (fifos[1], LARGE), (fifos[2], LARGE)], note)
    assert sorted(arrived) == [5, 7, 7, 7]


def test_more_large_files_than_are_read_at_once_are_all_read(tmp_path: Path) -> None:
    files = [tmp_path / str(number) for number in range(9)]
    for file in files:
        file.write_bytes(b"x")
    arrived: list[int] = []
    fetch([(file, LARGE) for file in files], arrived.append)
    assert len(arrived) == 9


def test_a_large_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(MountError, match="nosuch: No such file"):
        fetch([(tmp_path / "nosuch", LARGE)], lambda _: None)
