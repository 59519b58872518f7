"""Mount namespaces of tests' own: what is mounted there, or done to devices, no other test meets."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator

_UNSHARE = ("unshare", "--mount", "--propagation", "private")
FUSE_FOR_ALL = """
mount -t tmpfs none /mnt && mknod -m 666 /mnt/fuse c 10 229 && mount --bind /mnt/fuse /dev/fuse && umount --lazy /mnt
"""
"""Makes /dev/fuse as the udev rule of Debian's fuse3 does; machines without udev have it for root alone."""


def alone(script: str, *, processes: bool = False) -> list[str]:
    """A command that runs a script in a mount namespace of its own, where no mount of another test is.

    With `processes` its processes are in a namespace too, and end with it.
    """
    more = ("--pid", "--fork", "--kill-child", "--mount-proc") if processes else ()
    return [*_UNSHARE, *more, "bash", "-c", f"umount -alt fuse.f7tfs\n{script}"]


@contextlib.contextmanager
def with_fuse_for_all() -> Iterator[tuple[str, ...]]:
    """A mount namespace where everybody may use FUSE; yields the prefix that runs a program in it, in `/`.

    Where we are not root, it is the namespace that we are in.
    """
    if os.getuid() != 0:
        yield ()
        return
    script = f"{FUSE_FOR_ALL.strip()} && echo ready && read -r _"
    with subprocess.Popen(alone(script), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "ready\n"
        # It ends when its standard input is closed, and what still runs in the namespace keeps that.
        yield ("nsenter", f"--mount=/proc/{holder.pid}/ns/mnt")


def as_user(uid: int, gid: int) -> tuple[str, ...]:
    """A prefix that runs a program as somebody who is not root; nothing where we are not root ourselves.

    The one capability it keeps lets it reach an interpreter or a checkout below root's own home; mounting is not
    among what that permits.
    """
    if os.getuid() != 0:
        return ()
    kept = ["--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search"]
    return ("setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups", *kept)
