"""Is this a place where a mount can be made? Checked before anything is asked of the site."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import subprocess
from pathlib import Path

from f7tfs.mount.ask import is_listening
from f7tfs.mount.errors import MountError
from f7tfs.mount.mountinfo import mount_at
from f7tfs.mount.runtime import absolute, control_socket
from f7tfs.mount.unmount import unmount

_DEVICE = Path("/dev/fuse")
_FUSE_CONFIGURATION = Path("/etc/fuse.conf")


def prepare_mountpoint(mountpoint: Path) -> Path:
    """The mount point as the kernel will name it, ready to be mounted on.

    A mount of ours that its daemon left behind is cleared away. Raises MountError that says what is in the way.
    """
    path = absolute(mountpoint)
    # Where a daemon answers, the mount is alive: a look at it could have to wait for the cluster.
    if not is_listening(control_socket(path)) and is_stale(path):
        unmount(path, lazy=True)
    _require_free(path)
    path = path.resolve()
    _require_free(path)
    _require_empty_directory(path)
    return path


def _require_free(path: Path) -> None:
    taken = mount_at(path)
    if taken and taken.is_ours:
        raise MountError(f"{path}: already mounted ({taken.source})", f"f7tfs umount {path}")
    # Where autofs, or systemd's x-systemd.automount, waits for somebody to look, the mount goes on top.
    if taken and taken.kind != "autofs":
        raise MountError(f"{path}: busy: {taken.source} ({taken.kind}) is mounted there", "choose another directory")


def is_stale(path: Path) -> bool:
    """Whether a FUSE mount is there whose daemon has gone ("Transport endpoint is not connected")."""
    try:
        # The kernel may answer lstat by itself, but this only its daemon can.
        os.statvfs(path)
    except OSError as error:
        return error.errno == errno.ENOTCONN
    return False


def stale_or_stuck(path: Path, seconds: float = 2.0) -> str | None:
    """What is wrong with the mount at `path`, if anything, in words.

    Looked at by another process: whoever looks at a mount whose daemon was stopped cannot even be killed.
    """
    looking = subprocess.Popen(
        ["stat", "--file-system", "--", str(path)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, "LC_ALL": "C"},
    )
    try:
        _, said = looking.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        return "its daemon does not answer: f7tfs umount --lazy"
    return "its daemon has gone: f7tfs umount" if b"not connected" in said else None


def _require_empty_directory(path: Path) -> None:
    try:
        if not stat.S_ISDIR(path.stat().st_mode):
            raise MountError(f"{path}: not a directory", "choose an empty directory")
        with os.scandir(path) as entries:
            if next(entries, None) is not None:
                raise MountError(f"{path}: not empty; a mount would hide what is in it", "choose an empty directory")
    except FileNotFoundError:
        raise MountError(f"{path}: no such directory", f"mkdir -p {path}") from None
    except OSError as error:
        raise MountError(f"{path}: {error.strerror}", "choose an empty directory of your own") from None
    if os.geteuid() != 0 and not os.access(path, os.W_OK):
        raise MountError(f"{path}: not writable", "an ordinary user can mount only on a directory of their own")


def require_fuse(*, allow_other: bool) -> None:
    """Raise MountError when this user cannot make a FUSE mount here."""
    try:
        os.close(os.open(_DEVICE, os.O_RDWR | os.O_CLOEXEC))
    except FileNotFoundError:
        raise MountError(
            f"no FUSE: {_DEVICE} is missing",
            f"modprobe fuse; in a container: --device {_DEVICE} --cap-add SYS_ADMIN",
        ) from None
    except OSError as error:
        raise MountError(f"no FUSE: {_DEVICE}: {error.strerror}", f"as root: chmod 666 {_DEVICE}") from None
    if os.geteuid() == 0:
        return
    if not shutil.which("fusermount3"):
        raise MountError("no FUSE: fusermount3 is missing", "Debian and Ubuntu: apt-get install fuse3")
    if allow_other and not _user_allow_other():
        raise MountError(
            f"allow_other: {_FUSE_CONFIGURATION} has no line user_allow_other",
            f"as root: echo user_allow_other >> {_FUSE_CONFIGURATION}",
        )


def _user_allow_other() -> bool:
    try:
        lines = _FUSE_CONFIGURATION.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    return any(line.strip() == "user_allow_other" for line in lines)


def find_mountpoint(path: Path) -> Path:
    """The mount point that a user means by `path`, which may be a symlink to it."""
    place = absolute(path)
    if mount_at(place) is None and place.is_symlink():
        return place.resolve()
    return place
