"""Which mount a path on the command line means."""

from __future__ import annotations

from pathlib import Path

from f7tfs.mount.errors import MountError
from f7tfs.mount.mountinfo import mount_of
from f7tfs.mount.mountpoint import find_mountpoint
from f7tfs.mount.runtime import absolute, control_socket, control_sockets


def control_of(path: Path | None) -> Path:
    """The control socket of the daemon whose mount `path` lies in, or of the only one there is."""
    if path is not None:
        mount = mount_of(absolute(path))
        return control_socket(mount.mountpoint if mount is not None else find_mountpoint(path))
    running = control_sockets()
    if len(running) != 1:
        raise (
            MountError("there are several mounts", "say which is meant; f7tfs status shows them")
            if running
            else MountError("nothing is mounted", "f7tfs mount SYSTEM:/path MOUNTPOINT")
        )
    return running[0]


def mount_and_path(path: Path) -> tuple[Path, str]:
    """The mount point that `path` lies in, and where below it, as `/a/b`. MountError if it lies in none."""
    place = absolute(path)
    mount = mount_of(place)
    if mount is None:
        raise MountError(f"{place} is not in a mount of f7tfs", "f7tfs status shows the mounts")
    inside = place.relative_to(mount.mountpoint)
    return mount.mountpoint, "/" + "/".join(inside.parts)
