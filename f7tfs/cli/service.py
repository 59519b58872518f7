"""`f7tfs service`: a mount that comes with the user's session, or with the machine, by systemd."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import platformdirs
import typer

from f7tfs.cli.output import show, tell
from f7tfs.cli.progress import waiting
from f7tfs.config import config_file, read_profiles
from f7tfs.config.profiles import HINT
from f7tfs.mount.errors import MountError
from f7tfs.mount.runtime import absolute

DRAIN_SECONDS = 240
"""How long the end of the service waits until the cluster has everything; what is left goes at the next start."""

service = typer.Typer(help="Mount by systemd: at log-in, or when the machine starts.", no_args_is_help=True)


@service.command("install")
def install(
    profile: Annotated[str, typer.Argument(metavar="PROFILE", help="A profile of f7tfs login.")],
    mountpoint: Annotated[Path, typer.Argument(parser=Path, metavar="MOUNTPOINT", help="Made if need be.")],
    option: Annotated[list[str] | None, typer.Option("-o", metavar="OPTIONS", help="As for f7tfs mount.")] = None,
    now: Annotated[bool, typer.Option("--now", help="Start it too.")] = False,
    only_print: Annotated[bool, typer.Option("--print", help="Show the unit, and write nothing.")] = False,
) -> None:
    """Write a systemd user unit that mounts a profile at log-in, and enable it."""
    if profile not in read_profiles(config_file())[0]:
        raise MountError(f"no profile {profile!r}", HINT)
    text = unit(program(), profile, absolute(mountpoint), option or [])
    if only_print:
        show(text.rstrip("\n"))
        return
    mountpoint.mkdir(parents=True, exist_ok=True)
    file = unit_file(profile)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    tell(f"wrote {file}")
    _systemctl("daemon-reload")
    _systemctl("enable", *(["--now"] if now else []), file.name)
    tell("as root, to have it without anybody logged in: loginctl enable-linger USER")


@service.command("remove")
def remove(
    profile: Annotated[str, typer.Argument(metavar="PROFILE", help="As it was installed.")],
) -> None:
    """Stop the unit of a profile, which unmounts, and remove it."""
    file = unit_file(profile)
    if not file.exists():
        raise MountError(f"there is no {file}", "f7tfs service install PROFILE MOUNTPOINT writes it")
    _systemctl("disable", "--now", file.name)
    file.unlink()
    _systemctl("daemon-reload")


def unit_file(profile: str) -> Path:
    """Where the user's own units are."""
    return platformdirs.user_config_path("systemd") / "user" / f"f7tfs-{profile}.service"


def program() -> str:
    """The command that this is, for a unit file: the one beside the interpreter."""
    beside = Path(sys.executable).parent / "f7tfs"
    return str(beside) if beside.exists() else shutil.which("f7tfs") or "f7tfs"


def unit(command: str, profile: str, mountpoint: Path, options: list[str]) -> str:
    """A unit file: systemd hears by sd_notify when the mount can be used, and tries again where there is none."""
    words = [command, "mount", profile, str(mountpoint), "--foreground", "-o", f"drain_timeout={DRAIN_SECONDS}"]
    words += [word for each in options for word in ("-o", each)]
    return f"""[Unit]
Description=f7tfs: {_escaped(profile)} on {_escaped(str(mountpoint))}
Documentation=man:f7tfs(1)
StartLimitIntervalSec=0

[Service]
Type=notify
ExecStart={" ".join(_quoted(word) for word in words)}
# The end of the mount waits until the cluster has everything, and 3 says that something is left for the next start.
TimeoutStopSec={DRAIN_SECONDS + 60}
TimeoutStartSec=120
SuccessExitStatus=3
Restart=on-failure
RestartSec=15

[Install]
WantedBy=default.target
"""


def _escaped(text: str) -> str:
    return text.replace("%", "%%")


def _quoted(word: str) -> str:
    text = _escaped(word).replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    return f'"{text}"' if any(character in text for character in " \t'\"\\;") else text


def _systemctl(*arguments: str) -> None:
    """Tell the user's service manager, where one runs; the unit file is there anyway."""
    try:
        with waiting(f"systemctl --user {' '.join(arguments)}"):
            done = subprocess.run(
                ["systemctl", "--user", *arguments], capture_output=True, text=True, timeout=300, check=False
            )
        reason = done.stderr.strip() if done.returncode else ""
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = str(error)
    if reason:
        tell(f"systemctl --user {' '.join(arguments)} did not work here: {' '.join(reason.split())}")
