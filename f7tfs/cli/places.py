"""Which mount a path on the command line means."""

from __future__ import annotations

from pathlib import Path

from f7tfs.mount.ask import is_listening
from f7tfs.mount.errors import MountError
from f7tfs.mount.mountinfo import mount_of
from f7tfs.mount.mountpoint import find_mountpoint
from f7tfs.mount.runtime import absolute, control_socket, control_sockets


def control_of(path: Path | None) -> Path:
    """The control socket of the daemon whose mount `path` lies in. MountError where it lies in none.

    Without a path the mount is meant that we are in, else the only one.
    """
    if path is not None:
        mount = mount_of(absolute(path))
        address = control_socket(mount.mountpoint if mount is not None else find_mountpoint(path))
        # One that was unmounted, and still sends, goes by its former place.
        if mount is None and not is_listening(address):
            raise no_mount(path)
        return address
    here = mount_here()
    if here is not None:
        return control_socket(here)
    running = control_sockets()
    if len(running) != 1:
        raise (
            MountError("there are several mounts", "go into one, or say which is meant; f7tfs mounts shows them")
            if running
            else MountError("nothing is mounted", "f7tfs mount SYSTEM:/path MOUNTPOINT")
        )
    return running[0]


def mount_here() -> Path | None:
    """The mount point of the mount that the working directory lies in."""
    try:
        mount = mount_of(absolute(Path()))
    except FileNotFoundError:
        # The directory is gone.
        return None
    return None if mount is None else mount.mountpoint


def no_mount(path: Path | str) -> MountError:
    """What is said of a path where a mount was meant."""
    return MountError(f"{path} is not in a mount of f7tfs", "f7tfs mounts shows what is mounted")


def mount_and_path(path: Path) -> tuple[Path, str]:
    """The mount point that `path` lies in, and where below it, as `/a/b`. MountError if it lies in none."""
    place = absolute(path)
    mount = mount_of(place)
    if mount is None:
        raise no_mount(place)
    inside = place.relative_to(mount.mountpoint)
    return mount.mountpoint, "/" + "/".join(inside.parts)
