"""Copying a file that grows."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

_PIECE = 2**17
_PAUSE_SECONDS = 1.0
_ACTIVE = frozenset(
    {"PENDING", "CONFIGURING", "RUNNING", "COMPLETING", "SUSPENDED", "REQUEUED", "RESIZING", "STOPPED"}
)


def copy_log(log: Path, info: Path | None) -> None:
    """Write a job's output to standard output; with its `info`, go on until that says that the job has ended."""
    offset = 0
    while True:
        # Before the copy: what is written until the job's end is in it.
        finished = info is None or json.loads(info.read_text())["finished"]
        offset = _copy(log, offset)
        if finished:
            return
        time.sleep(_PAUSE_SECONDS)


def _copy(log: Path, offset: int) -> int:
    with log.open("rb") as file:
        file.seek(offset)
        while piece := file.read(_PIECE):
            offset += len(piece)
            sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()
    return offset
