"""`f7tfs log`: what the daemon of a mount wrote down."""

from __future__ import annotations

import io
import os
import time
from collections import deque
from pathlib import Path
from typing import Annotated

import typer

from f7tfs.cli.arguments import OneMountpoint
from f7tfs.cli.output import show
from f7tfs.cli.places import control_of
from f7tfs.mount.errors import MountError
from f7tfs.mount.runtime import latest_log, log_file_of

_PAUSE = 0.2


def log(
    mountpoint: OneMountpoint = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on showing what comes.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="So many of the last lines.")] = 50,
) -> None:
    """Show the log of a mount; of the last one where nothing is mounted."""
    file = _file(mountpoint)
    try:
        with file.open(encoding="utf-8", errors="replace") as stream:
            for line in deque(stream, lines):
                show(line.rstrip("\n"))
            if follow:
                _follow(file, stream)
    except FileNotFoundError:
        raise MountError(
            f"there is no log of that mount: {file}",
            "one that runs in the foreground or as a service logs there: journalctl --user -u 'f7tfs-*'",
        ) from None


def _file(mountpoint: Path | None) -> Path:
    try:
        return log_file_of(control_of(mountpoint))
    except MountError:
        latest = latest_log() if mountpoint is None else None
        if latest is None:
            raise
        return latest


def _follow(file: Path, stream: io.TextIOBase) -> None:
    """For ever; on to the new file where the daemon began one."""
    while True:
        while line := stream.readline():
            show(line.rstrip("\n"))
        time.sleep(_PAUSE)
        try:
            rotated = file.stat().st_ino != os.fstat(stream.fileno()).st_ino
        except FileNotFoundError:
            continue
        if rotated:
            stream.close()
            stream = file.open(encoding="utf-8", errors="replace")
