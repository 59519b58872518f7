"""Private places on the local disk that are keyed by the mount point: the control socket, the log."""

from __future__ import annotations

import hashlib
import os
import re
import socket
import stat
from pathlib import Path

import platformdirs

from f7tfs import log
from f7tfs.mount.errors import MountError


def state_base() -> Path:
    """Where f7tfs keeps what must outlive a reboot."""
    return platformdirs.user_state_path("f7tfs")


def absolute(path: Path) -> Path:
    """`path` with its parents' symlinks resolved, the way the kernel names a mount point.

    The last component is not looked at: on a stale or a stuck mount every look fails or waits.
    """
    path = Path(os.path.abspath(path))  # noqa: PTH100  Path.resolve would look at the last component
    return path.parent.resolve() / path.name


def key_of(mountpoint: Path) -> str:
    """A file name for a mount point on this host, readable and without clashes."""
    slug = re.sub(r"[^A-Za-z0-9]+", "-", mountpoint.name).strip("-")[:20] or "root"
    # A home directory may be shared by several hosts, which have mounts of their own in the same place.
    digest = hashlib.sha256(f"{socket.gethostname()}:{mountpoint}".encode(errors="surrogateescape")).hexdigest()
    return f"{slug}-{digest[:10]}"


def control_socket(mountpoint: Path) -> Path:
    """The address of the control socket of the daemon that serves `mountpoint`.

    Not in XDG_RUNTIME_DIR: that is emptied when the user logs out, and a mount outlives that.
    """
    return private_directory(state_base() / "run") / key_of(mountpoint)


def log_file(mountpoint: Path) -> Path:
    """Where the daemon of `mountpoint` logs."""
    return log.log_file(key_of(mountpoint))


def log_file_of(control_socket: Path) -> Path:
    """Where the daemon with that control socket logs, or logged."""
    return log.log_file(control_socket.name)


def latest_log() -> Path | None:
    """The log that was written to last."""
    logs = list(log.log_file("").parent.glob("*.log"))
    return max(logs, key=lambda file: file.stat().st_mtime, default=None)


def private_directory(directory: Path) -> Path:
    """Make a directory that only its owner may enter. Raises MountError when it is, or may be, another's."""
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        found = directory.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            raise MountError(f"{directory} is not a directory of yours", "set XDG_STATE_HOME to a place of your own")
        directory.chmod(0o700)
    except OSError as error:
        raise MountError(
            f"cannot use {directory}: {error.strerror}", "set XDG_STATE_HOME to a place that you can write"
        ) from None
    return directory


def control_sockets() -> list[Path]:
    """The control sockets of this user's daemons; there may be one left of a daemon that was killed."""
    directory = private_directory(state_base() / "run")
    return sorted(each for each in directory.iterdir() if each.is_socket())
