"""`mount.f7tfs`: what mount(8) runs for `mount -t f7tfs` and for a line of /etc/fstab.

mount.f7tfs SOURCE MOUNTPOINT [-sfnv] [-N NAMESPACE] [-t TYPE] [-o OPTIONS]
"""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from f7tfs.cli.app import run
from f7tfs.cli.output import complain
from f7tfs.mount.mountinfo import mount_at
from f7tfs.mount.runtime import absolute


@dataclass(slots=True)
class Wanted:
    """What mount(8) asks for."""

    source: str = ""
    mountpoint: str = ""
    options: list[str] = field(default_factory=list)
    profile: str = ""
    config: str = ""
    run_as: str = ""
    fake: bool = False


def main() -> None:
    """Mount, and end with the exit code that mount(8) expects: 1 wrongly called, 32 not mounted."""
    try:
        wanted = parse(sys.argv[1:])
        if wanted.fake:
            sys.exit(0)
        become(wanted.run_as, wanted.mountpoint)
    except (ValueError, OSError) as error:
        complain(str(error), "mount.f7tfs SOURCE MOUNTPOINT [-o OPTIONS]")
        sys.exit(1)
    if wanted.config:
        os.environ["F7TFS_CONFIG"] = wanted.config
    sys.argv = ["f7tfs", *arguments(wanted)]
    sys.exit(32 if run() else 0)


def parse(words: Sequence[str]) -> Wanted:
    """Read the arguments. Raises ValueError."""
    wanted, places, rest = Wanted(), [], iter(words)
    for word in rest:
        if word in ("-o", "-t", "-N"):
            value = next(rest, "")
            if word == "-o":
                _take_options(wanted, value)
        elif word.startswith("-") and set(word[1:]) <= set("sfnvrw"):
            wanted.fake = wanted.fake or "f" in word
            wanted.options += ["ro"] if "r" in word else []
        elif word.startswith("-"):
            raise ValueError(f"no such option: {word}")
        else:
            places.append(word)
    if len(places) != 2:
        raise ValueError("a source and a mount point are wanted")
    wanted.source, wanted.mountpoint = places
    return wanted


def _take_options(wanted: Wanted, text: str) -> None:
    for option in filter(None, text.split(",")):
        name, _, value = option.partition("=")
        if name in ("profile", "config", "run_as"):
            setattr(wanted, name, value)
        else:
            wanted.options.append(option)


def arguments(wanted: Wanted) -> list[str]:
    """The command line that does it."""
    words = ["mount", wanted.source, wanted.mountpoint]
    if wanted.options:
        words += ["-o", ",".join(wanted.options)]
    return words + (["--profile", wanted.profile] if wanted.profile else [])


def become(name: str, mountpoint: str) -> None:
    """Go on as another user, whose profiles, journal and log are used. Raises ValueError, OSError."""
    if not name:
        return
    try:
        user = pwd.getpwnam(name)
    except KeyError:
        raise ValueError(f"run_as={name}: no such user") from None
    _give(Path(mountpoint), user)
    os.initgroups(name, user.pw_gid)
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)
    for variable in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR"):
        os.environ.pop(variable, None)
    os.environ.update({"HOME": user.pw_dir, "USER": name, "LOGNAME": name})


def _give(mountpoint: Path, user: pwd.struct_passwd) -> None:
    """An ordinary user may mount only on a directory of their own; those that autofs makes are root's."""
    taken = mount_at(absolute(mountpoint))
    if taken is not None and taken.kind != "autofs":
        return
    # What is not as it should be is told by the mount itself.
    with suppress(OSError):
        directory = os.open(mountpoint, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            if not os.listdir(directory):  # noqa: PTH208 - a descriptor is no path
                os.fchown(directory, user.pw_uid, user.pw_gid)
        finally:
            os.close(directory)
