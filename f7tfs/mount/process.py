"""Waiting for a process that is not a child."""

from __future__ import annotations

import os
import select
from contextlib import suppress


def wait_for_end(pid: int, seconds: float) -> bool:
    """Wait until a process has ended, for `seconds` at most; whether it has."""
    with suppress(ProcessLookupError):
        descriptor = os.pidfd_open(pid)
        try:
            return bool(select.select([descriptor], [], [], seconds)[0])
        finally:
            os.close(descriptor)
    return True
