"""`f7tfs status`: what is mounted, and what the cluster does not have yet."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from f7tfs.cli.output import out
from f7tfs.cli.places import control_of
from f7tfs.mount.ask import NoDaemon, ask
from f7tfs.mount.errors import MountError
from f7tfs.mount.mountinfo import mounts
from f7tfs.mount.mountpoint import is_stale
from f7tfs.mount.runtime import control_sockets

_SECONDS = 10.0


def status(
    mountpoint: Annotated[Path | None, typer.Argument(help="One mount; all of yours if not given.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Show what is mounted and what is still to be sent."""
    answers = [ask_one(mountpoint)] if mountpoint is not None else [*running(), *stale()]
    if as_json:
        out.out(json.dumps(answers if mountpoint is None else answers[0], indent=2))
    elif not answers:
        out.print("nothing is mounted")
    else:
        for answer in answers:
            _show(answer)


def ask_one(mountpoint: Path) -> dict[str, Any]:
    """What the daemon at `mountpoint` says of itself."""
    try:
        return ask(control_of(mountpoint), "status", timeout=_SECONDS)
    except NoDaemon:
        raise MountError(f"{mountpoint}: no mount of yours is served there") from None


def running() -> list[dict[str, Any]]:
    """What every daemon of this user says of itself, those too that only send what was written."""
    answers = []
    for address in control_sockets():
        try:
            answers.append(ask(address, "status", timeout=_SECONDS))
        except NoDaemon:
            continue
        except MountError as error:
            answers.append({"mountpoint": f"({address.name})", "problem": str(error)})
    return answers


def stale() -> list[dict[str, Any]]:
    """Mounts of f7tfs whose daemon has gone."""
    return [
        {"mountpoint": str(mount.mountpoint), "remote": mount.source, "problem": "its daemon has gone: f7tfs umount"}
        for mount in mounts()
        if mount.is_ours and is_stale(mount.mountpoint)
    ]


def _show(answer: dict[str, Any]) -> None:
    out.print(f"{answer['mountpoint']}: {answer.get('remote', '')}")
    for name, value in answer.items():
        if name not in {"mountpoint", "remote"}:
            text = value if isinstance(value, str) else json.dumps(value)
            out.print(f"    {name.replace('_', ' ')}: {text}")
