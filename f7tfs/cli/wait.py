"""`f7tfs wait`: until what was written to some paths is on the cluster."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from f7tfs.cli.arguments import Json
from f7tfs.cli.output import show_json
from f7tfs.cli.places import no_mount
from f7tfs.cli.progress import drain_progress
from f7tfs.cli.remote import place_of
from f7tfs.mount.ask import ask
from f7tfs.mount.errors import MountError

_SILENCE_SECONDS = 120.0


def wait(
    paths: Annotated[
        list[str],
        typer.Argument(
            metavar="PATH...", help="Files and directories in a mount, or `SYSTEM:/path`, `PROFILE:/path`."
        ),
    ],
    timeout: Annotated[float | None, typer.Option(min=0, metavar="SECONDS", help="Wait no longer than this.")] = None,
    as_json: Json = False,
) -> None:
    """Wait until the cluster has what was written to these paths and below, and f7tfs cp, mv and rm there are done.

    What is still open for writing is waited for. Ends with 1 where something failed, or the time is over.
    """
    by_daemon: dict[Path, list[str]] = {}
    for place in map(place_of, paths):
        if place.daemon is None:
            raise no_mount(place.path)
        by_daemon.setdefault(place.daemon, []).append(place.path)
    end = None if timeout is None else time.monotonic() + timeout
    found: dict[str, Any] = {"left": [], "failed": {}, "late": False}
    with drain_progress() as progress:
        for daemon, places in by_daemon.items():
            seconds = None if end is None else max(0.0, end - time.monotonic())
            answer = ask(daemon, "settle", timeout=_SILENCE_SECONDS, progress=progress, paths=places, seconds=seconds)
            found["left"] += answer["left"]
            found["failed"] |= answer["failed"]
            found["late"] = found["late"] or answer["late"]
    if as_json:
        show_json(found)
    _judge(found)


def _judge(found: dict[str, Any]) -> None:
    if found["failed"]:
        path, error = next(iter(found["failed"].items()))
        raise MountError(f"{path}: {error}", "f7tfs status and f7tfs journal tell more")
    if found["late"]:
        raise MountError("the cluster does not have everything yet", "f7tfs status and f7tfs transfers tell more")
    if found["left"]:
        raise MountError(f"{found['left'][0]} waits for a change that failed", "f7tfs journal shows it")
