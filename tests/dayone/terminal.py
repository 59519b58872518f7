"""A program on a terminal of its own, talked to as a person would."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
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
        # As a shell on a terminal starts it: who runs the tests in the background has Ctrl-C ignored.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.chdir(cwd)
        os.execve(sys.executable, [sys.executable, "-m", "f7tfs", *arguments], {**env, "TERM": "xterm"})  # noqa: S606
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
    shown = seen = ""
    try:
        for question, answer in exchanges:
            while question not in seen:
                piece = _read(terminal)
                assert piece, f"{question!r} was never asked: {shown}"
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
