"""Taking a mount out of the kernel's table."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

from f7tfs.mount.errors import MountError

_SECONDS = 30.0
_UNSEEN_SECONDS = 3.0
"""Who looks at a mount (`df`, another program's list of mounts) makes it busy for that moment, with no file open."""
_PAUSE = 0.1


def unmount(mountpoint: Path, *, lazy: bool = False) -> None:
    """Unmount; with `lazy` also while it is in use. Raises MountError that says why not.

    Blocks while the kernel works, at most half a minute: call it from a thread.
    """
    until = time.monotonic() + _UNSEEN_SECONDS
    while reason := _refusal(mountpoint, lazy=lazy):
        if "busy" not in reason:
            raise MountError(f"cannot unmount {mountpoint}: {reason}")
        users = processes_using(mountpoint)
        if users or time.monotonic() > until:
            by = f": used by {', '.join(users)}" if users else ""
            raise MountError(f"{mountpoint} is busy{by}", "close what uses it, or give --lazy")
        time.sleep(_PAUSE)


def _refusal(mountpoint: Path, *, lazy: bool) -> str:
    """Ask once; the reason why it was refused, nothing where it was done."""
    try:
        done = subprocess.run(
            _command(mountpoint, lazy=lazy),
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
            # The reason is read by the caller.
            env={**os.environ, "LC_ALL": "C"},
        )
    except subprocess.TimeoutExpired:
        raise MountError(
            f"{mountpoint}: the unmount did not end within {_SECONDS:.0f} s", "f7tfs umount --lazy does not wait"
        ) from None
    return "" if done.returncode == 0 else (done.stderr.strip().splitlines() or ["no reason given"])[-1]


def _command(mountpoint: Path, *, lazy: bool) -> list[str]:
    if os.geteuid() != 0 and shutil.which("fusermount3"):
        return ["fusermount3", "-u", *(["-z"] if lazy else []), "--", str(mountpoint)]
    return ["umount", *(["--lazy"] if lazy else []), "--", str(mountpoint)]


def processes_using(mountpoint: Path) -> list[str]:
    """Processes of this user that have a file or their working directory below `mountpoint`: `vim (12)`."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            places = [process / "cwd", *(process / "fd").iterdir()]
            if any(_is_below(place, mountpoint) for place in places):
                name = (process / "comm").read_text(encoding="utf-8", errors="replace").strip()
                found.append(f"{name} ({process.name})")
        except OSError:
            # It has ended, or is another user's.
            continue
    return found


def _is_below(link: Path, mountpoint: Path) -> bool:
    try:
        return link.readlink().is_relative_to(mountpoint)
    except OSError:
        return False
