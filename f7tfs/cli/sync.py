"""`f7tfs sync`: wait until the cluster has every change."""

from __future__ import annotations

from typing import Annotated

import typer

from f7tfs.cli.arguments import Json, OneMountpoint
from f7tfs.cli.output import lacking, show_json
from f7tfs.cli.places import control_of
from f7tfs.cli.progress import drain_progress
from f7tfs.mount.ask import ask
from f7tfs.mount.errors import MountError

_SILENCE_SECONDS = 120.0


def sync(
    mountpoint: OneMountpoint = None,
    wait: Annotated[float | None, typer.Option(min=0, metavar="SECONDS", help="Wait no longer than this.")] = None,
    as_json: Json = False,
) -> None:
    """Wait until the cluster has every change that was made in a mount."""
    address = control_of(mountpoint)
    with drain_progress() as progress:
        answer = ask(address, "drain", timeout=_SILENCE_SECONDS, progress=progress, seconds=wait)
    left, jobs = answer["left"], answer.get("jobs_left", 0)
    if as_json:
        show_json({"left": left, "jobs_left": jobs})
    if left or jobs:
        raise MountError(f"the cluster does not have {lacking(left, jobs)} yet", "f7tfs status tells what and why")
