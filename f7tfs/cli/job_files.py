"""The files of a job, read as they come: output that grows, and an end that is waited for."""

from __future__ import annotations

import json
import select
import sys
import time
from collections.abc import Callable
from pathlib import Path

_PIECE = 2**17
_PAUSE_SECONDS = 1.0


def wait_for_end(job: Path, tell_state: Callable[[str], None]) -> str:
    """The last line of a job's `status`, once it has ended; `tell_state` hears each second how it is."""
    with (job / "wait").open("rb", buffering=0) as wait:
        poll = select.poll()
        poll.register(wait, select.POLLIN)
        while not poll.poll(_PAUSE_SECONDS * 1000):
            tell_state((job / "status").read_text().split("\t")[0])
        return (wait.read() or b"").decode().rstrip("\n")


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
