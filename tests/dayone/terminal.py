"""A program on a terminal of its own, talked to as a person would."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import sys
import termios
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

PATIENCE = 120.0


def converse(
    arguments: Sequence[str], env: Mapping[str, str], cwd: Path, exchanges: Sequence[tuple[str, str]] = ()
) -> tuple[int, str]:
    """Run `f7tfs ARGUMENTS`, type each answer after its question; returns the exit code and what was shown."""
    with warnings.catch_warnings():
        # The child does nothing but become another program.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid, terminal = pty.fork()
    if pid == 0:
        fcntl.ioctl(pty.STDIN_FILENO, termios.TIOCSWINSZ, struct.pack("HHHH", 100, 200, 0, 0))
        # The size is that of this terminal, not of the one that the tests were started from.
        its = {name: value for name, value in env.items() if name not in {"COLUMNS", "LINES"}}
        os.chdir(cwd)
        os.execve(sys.executable, [sys.executable, "-m", "f7tfs", *arguments], {**its, "TERM": "xterm"})  # noqa: S606
    shown = seen = ""
    try:
        for question, answer in exchanges:
            deadline = time.monotonic() + PATIENCE
            while question not in seen:
                piece = _read(terminal)
                never = f"{question!r} was never asked: {shown[-8000:]}"
                assert piece, never
                assert time.monotonic() < deadline, never
                shown, seen = shown + piece, seen + piece
            seen = seen.partition(question)[2]
            os.write(terminal, answer.encode())
        while piece := _read(terminal):
            shown += piece
    finally:
        os.close(terminal)
        _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status), shown


def _read(terminal: int) -> str:
    """What is there next; nothing once the program has closed its end."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 1.0)[0]:
            try:
                return os.read(terminal, 65536).decode(errors="replace")
            except OSError:
                # EIO: the other end was closed.
                return ""
    raise AssertionError("the program says nothing and does not end")
