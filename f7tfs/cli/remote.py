"""Where a path on the command line is: here, in a mount, or on the cluster of one (`SYSTEM:/path`, `PROFILE:…`)."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from f7tfs.cli.places import mount_and_path
from f7tfs.cli.status import running
from f7tfs.config import config_file, read_profiles
from f7tfs.mount.ask import ask
from f7tfs.mount.errors import MountError
from f7tfs.mount.mountinfo import mount_of
from f7tfs.mount.runtime import absolute, control_socket
from f7tfs.mount.target import parse_path

_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Place:
    """`path` is absolute: on the cluster where there is a `daemon` to ask, else here."""

    path: str
    daemon: Path | None = None
    cluster: tuple[str, str, str] = ("", "", "")
    """URL, system and user."""
    root: str = ""
    """What the daemon has mounted."""

    @property
    def inside(self) -> str | None:
        """Where it is in the mount, as `/a/b`; None where it is outside."""
        top = self.root.rstrip("/")
        return self.path[len(top) :] or "/" if f"{self.path}/".startswith(f"{top}/") else None


def place_of(text: str) -> Place:
    """Raises MountError for a system of which nothing is mounted."""
    system, colon, path = text.partition(":")
    if colon and "/" not in system and (not path or path.startswith("/")):
        return _on_system(system, path)
    local = absolute(Path(text))
    if mount_of(local) is None:
        return Place(str(local))
    mountpoint, inside = mount_and_path(local)
    status = _status(control_socket(mountpoint))
    return _place(status, str(status["root"]).rstrip("/") + inside)


def _on_system(system: str, path: str) -> Place:
    url, meant = _profile(system)
    for status in running():
        if str(status.get("system", "")).lower() == meant.lower() and url in ("", status["url"]):
            return _place(status, parse_path(path) or str(status["root"]))
    raise MountError(f"nothing of the system {system} is mounted", f"f7tfs mount {system}: MOUNTPOINT")


def _profile(name: str) -> tuple[str, str]:
    """The site and the system of the profile of that name; without one it is a system, of any site."""
    profile = read_profiles(config_file())[0].get(name)
    if not isinstance(profile, dict):
        return "", name
    return str(profile.get("url", "")).rstrip("/"), str(profile.get("system", name))


@functools.cache
def _status(daemon: Path) -> dict[str, Any]:
    return ask(daemon, "status", timeout=_SECONDS)


def _place(status: dict[str, Any], path: str) -> Place:
    return Place(
        path.rstrip("/") or "/",
        control_socket(Path(status["mountpoint"])),
        (status["url"], status["system"], status["user"]),
        status["root"],
    )
