"""How a command fails: with an exit status and a text on stderr."""

from __future__ import annotations

import errno
import os


class CommandFailed(Exception):
    """A command ended with a non-zero status. `stderr` has no final newline."""

    def __init__(self, status: int, stderr: str) -> None:
        super().__init__(stderr)
        self.status = status
        self.stderr = stderr


class CommandStalled(Exception):
    """A command that would never end by itself."""


class CommandTimedOut(Exception):
    """A command that worked until its time was up."""


class OutputTooLarge(Exception):
    """A command wrote more than the server takes."""


class ShellError(CommandFailed):
    """The shell could not even parse the command line."""


def reason(error: OSError | int) -> str:
    """What the C library says of an errno: `No such file or directory`."""
    code = error if isinstance(error, int) else error.errno or errno.EIO
    return os.strerror(code)
