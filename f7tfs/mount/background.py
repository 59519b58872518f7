"""Starting the daemon as a process of its own, and hearing from it whether the mount is usable.

A new process instead of a fork: threads and an event loop do not survive one. The daemon inherits the environment,
so no secret stands in its arguments. It reports by one line of JSON on a pipe, `{"ready": REMOTE}` or
`{"error": TEXT, "cure": TEXT}`; a pipe that closes without one means that it died.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from f7tfs import log
from f7tfs.errors import UserError
from f7tfs.mount.errors import MountError


class Report:
    """The daemon's end of the pipe; with no descriptor it says nothing."""

    def __init__(self, descriptor: int | None) -> None:
        self._descriptor = descriptor
        if descriptor is not None:
            os.set_inheritable(descriptor, False)

    def ready(self, remote: str) -> None:
        """The mount is usable: from now on the daemon belongs to nobody's terminal.

        Not earlier: autofs lets only processes of its own group into the directory where something is to be mounted.
        """
        if self._descriptor is not None:
            os.setsid()
        self._send({"ready": remote})

    def failed(self, error: UserError) -> None:
        """There will be no mount."""
        self._send({"error": str(error), "cure": error.cure})

    def _send(self, message: dict[str, str]) -> None:
        if self._descriptor is None:
            return
        # The starter may have been interrupted and gone.
        with suppress(BrokenPipeError):
            os.write(self._descriptor, json.dumps(message).encode() + b"\n")
        os.close(self._descriptor)
        self._descriptor = None


def start(arguments: Sequence[str], log_file: Path, seconds: float) -> str:
    """Run `f7tfs ARGUMENTS --ready-fd N` as a daemon; returns what it mounted.

    Raises MountError with what the daemon said, or when it died or says nothing for `seconds`.
    """
    receiving, sending = os.pipe()
    output = log.open_private(log_file)
    logged = os.fstat(output).st_size
    try:
        daemon = subprocess.Popen(  # it outlives this process
            # -P: the directory this was called from is no place to import from.
            [sys.executable, "-P", "-m", "f7tfs", *arguments, "--ready-fd", str(sending)],
            pass_fds=[sending],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    finally:
        os.close(sending)
        os.close(output)
    try:
        return _await_report(receiving, log_file, logged, seconds)
    except BaseException:
        _end(daemon)
        raise
    finally:
        os.close(receiving)


def _await_report(receiving: int, log_file: Path, logged: int, seconds: float) -> str:
    """`logged`: bytes that were in the log before."""
    # One line, written at once and shorter than a pipe's buffer: one read takes it.
    ready, _, _ = select.select([receiving], [], [], seconds)
    if not ready:
        raise MountError(
            f"the daemon did not get ready within {seconds:.0f} s",
            f"its log tells more: {log_file}"
            if log_file.stat().st_size > logged
            else "it has logged nothing: this machine may be too busy; try again, or with --foreground --debug",
        )
    line = os.read(receiving, 65536)
    if not line:
        raise MountError("the daemon ended before the mount was usable", f"its log tells why: {log_file}")
    message = json.loads(line)
    if "error" in message:
        raise MountError(message["error"], message.get("cure", ""))
    return str(message["ready"])


def _end(daemon: subprocess.Popen[bytes]) -> None:
    """End a daemon that made no mount, and reap it."""
    with suppress(ProcessLookupError):
        daemon.send_signal(signal.SIGTERM)
    try:
        daemon.wait(5)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.wait()
