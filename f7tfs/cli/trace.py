"""`f7tfs trace`: what a command costs."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from f7tfs.cli.arguments import Json
from f7tfs.cli.output import count, show_json, show_table, tell
from f7tfs.cli.places import control_of
from f7tfs.cli.progress import drain_progress
from f7tfs.mount.ask import ask
from f7tfs.mount.errors import MountError
from f7tfs.mount.mountinfo import mount_of
from f7tfs.mount.runtime import absolute

_SECONDS = 10.0
_SILENCE_SECONDS = 120.0

HITS = ("hits", "misses")
"""Of a cache: the columns after its name."""

Figures = Mapping[str, Any]
"""Of `calls` (endpoint -> number) and `caches` (name -> hits and misses)."""


def trace(
    command: Annotated[list[str], typer.Argument(metavar="COMMAND...", help="What to run, with its arguments.")],
    mount: Annotated[
        Path | None,
        typer.Option("--of", parser=Path, metavar="MOUNTPOINT", help="The mount, if the command does not say which."),
    ] = None,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="Count until the command ends, not until the cluster has what it wrote.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Run a command and tell how many calls of the API it costs, and how often the caches had what it asked for.

    What others do in the mount meanwhile is counted too. With --json, the command's output goes to standard error.
    """
    address = control_of(mount or _mentioned(command))
    if not no_wait:
        _drain(address)
    before, began = _figures(address), time.monotonic()
    code = _run(command, quiet=as_json)
    ended = time.monotonic()
    left = ask(address, "status", timeout=_SECONDS)["changes_left"] if no_wait else _drain(address)
    found = {
        "command": command,
        "code": code,
        "seconds": round(ended - began, 3),
        "seconds_until_sent": None if no_wait else round(time.monotonic() - began, 3),
        "changes_left": left,
        **difference(before, _figures(address)),
    }
    if as_json:
        show_json(found)
    else:
        _show(found)
    raise typer.Exit(code)


def _mentioned(command: Sequence[str]) -> Path | None:
    """The mount that the command's arguments, or the directory it is run in, lie in; None where that is not one."""
    mounts = {mount.mountpoint for word in (".", *command) if (mount := mount_of(absolute(Path(word)))) is not None}
    return mounts.pop() if len(mounts) == 1 else None


def _drain(address: Path) -> int:
    """Wait until the cluster has what is in the journal; returns how many changes it refuses."""
    with drain_progress() as progress:
        return int(ask(address, "drain", timeout=_SILENCE_SECONDS, progress=progress)["left"])


def _figures(address: Path) -> Figures:
    return ask(address, "status", timeout=_SECONDS)


def _run(command: Sequence[str], *, quiet: bool) -> int:
    """Its exit code, as a shell tells it."""
    try:
        done = subprocess.run(command, check=False, stdout=sys.stderr if quiet else None)
    except OSError as error:
        raise MountError(f"{command[0]}: {error.strerror}", "f7tfs trace runs a program; for a line: sh -c") from None
    return done.returncode if done.returncode >= 0 else 128 - done.returncode


def difference(before: Figures, after: Figures) -> dict[str, Any]:
    """What was counted between two looks."""
    calls = {route: number - before["calls"].get(route, 0) for route, number in after["calls"].items()}
    caches = {
        name: {kind: number - before["caches"][name][kind] for kind, number in counted.items()}
        for name, counted in after["caches"].items()
    }
    return {"calls": {route: number for route, number in calls.items() if number}, "caches": caches}


def _show(found: Mapping[str, Any]) -> None:
    calls = sorted(found["calls"].items(), key=lambda item: -item[1])
    rows = [*calls, ("in all", sum(number for _, number in calls))]
    show_table(("endpoint", "calls"), rows, empty="", named=("calls",))
    show_table(("cache", *HITS), cache_rows(found["caches"]), empty="", named=HITS)
    until = found["seconds_until_sent"]
    sent = "" if until is None else f"; {until:.1f} s until the cluster had it"
    tell(f"{found['seconds']:.1f} s{sent}")
    if left := found["changes_left"]:
        tell(f"the cluster does not have {count(left, 'change')} yet: f7tfs status")


def cache_rows(caches: Mapping[str, Mapping[str, int]]) -> list[tuple[str, int, int]]:
    """Name, hits, misses."""
    return [(name, counted["hits"], counted["misses"]) for name, counted in caches.items()]
