"""What is to be mounted, as it is written on the command line: `SYSTEM:/path`, `SYSTEM:`, `SYSTEM:/` or a profile.

What is before the colon may be the name of a profile too; that is known only where profiles are read.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass

from f7tfs.mount.errors import MountError

_HOW = "write PROFILE:/path or SYSTEM:/path, or the name of a profile"


@dataclass(frozen=True, slots=True)
class Target:
    """A directory of a system, or a profile that names one."""

    profile: str | None = None
    system: str | None = None
    """What stands before the colon; None where it is left to FIRECREST_SYSTEM."""
    path: str | None = None
    """Absolute and normal; None is the user's own directory."""


def parse_target(text: str) -> Target:
    """Read a target. Raises MountError where it cannot be one.

    >>> parse_target("daint:/scratch//me/")
    Target(profile=None, system='daint', path='/scratch/me')
    """
    system, colon, path = text.partition(":")
    if "/" in system or any(character.isspace() or not character.isprintable() for character in system):
        raise MountError(f"{text!r} is not a remote directory", _HOW)
    if not colon:
        if not text:
            raise MountError("the remote directory is empty", _HOW)
        return Target(profile=text)
    return Target(system=system or None, path=parse_path(path))


def parse_path(path: str) -> str | None:
    """An absolute path made normal; None for an empty one. Raises MountError for a relative one."""
    if not path:
        return None
    if not path.startswith("/"):
        raise MountError(f"{path!r} is not an absolute path", f"write SYSTEM:/{path}")
    if "\0" in path or "\n" in path:
        raise MountError(f"{path!r} holds a character that the API cannot carry", "mount a directory above it")
    # normpath keeps two leading slashes, which POSIX lets mean something else.
    return "/" + posixpath.normpath(path).lstrip("/")
