"""A lock that one process holds while it lives, and that says who holds it."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from f7tfs.mount.errors import MountError


@contextmanager
def exclusive(file: Path, mountpoint: Path, message: str) -> Iterator[None]:
    """Hold `file`. While another process has it: MountError with `message` and what that process serves."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise MountError(
                f"{message}{_holder(descriptor)}", "f7tfs status shows it; f7tfs umount ends it"
            ) from None
        except OSError as error:
            raise MountError(
                f"cannot lock {file}: {error.strerror}", "set XDG_STATE_HOME to a disk that has locks"
            ) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps({"pid": os.getpid(), "mountpoint": str(mountpoint)}).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def is_held(file: Path) -> bool:
    """Whether a process holds `file`, without writing into it."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _holder(descriptor: int) -> str:
    with suppress(ValueError, KeyError, TypeError):
        holder = json.loads(os.pread(descriptor, 65536, 0))
        return f" (process {holder['pid']}, {holder['mountpoint']})"
    return ""
