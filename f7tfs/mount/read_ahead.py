"""How much the kernel asks a mount for at once, ahead of a program that reads in order."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from f7tfs.mount.mountinfo import mount_at

KIB = 512
"""Instead of the kernel's 128. A program that says that it reads in order (`cp`, `cat`) gets twice that: the 1 MiB
that one request can carry. A fault of a mapped file brings so much as well: more would cost those who jump about."""
_DEVICES = Path("/sys/class/bdi")


def raise_read_ahead(mountpoint: Path) -> None:
    """Fewer and larger requests, where this user may say so: root may, unless /sys is read-only. Blocking.

    Each request costs Python some 70 microseconds, whatever its size.
    """
    with contextlib.suppress(OSError):
        # The kernel sets its own figure when it is first answered. This waits for that, and asks no cluster.
        os.statvfs(mountpoint)
        mount = mount_at(mountpoint)
        if mount is not None and mount.is_ours:
            (_DEVICES / mount.device / "read_ahead_kb").write_text(str(KIB))
