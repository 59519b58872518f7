"""`f7tfs umount`: send what was written, then unmount."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from f7tfs.cli.output import complain, count, lacking, tell
from f7tfs.cli.places import no_mount
from f7tfs.cli.progress import drain_progress
from f7tfs.cli.status import every
from f7tfs.mount.ask import NoDaemon, ask
from f7tfs.mount.errors import MountError
from f7tfs.mount.mountinfo import mount_at, mount_of
from f7tfs.mount.mountpoint import find_mountpoint, is_stale
from f7tfs.mount.process import wait_for_end
from f7tfs.mount.runtime import control_socket
from f7tfs.mount.unmount import unmount

_SILENCE_SECONDS = 120.0
"""The daemon says something every few seconds, unless it hangs."""
_END_SECONDS = 30.0


def umount(
    mountpoint: Annotated[
        Path | None, typer.Argument(parser=Path, metavar="MOUNTPOINT", help="Where it is mounted.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", "-a", help="All of yours, stale ones too.")] = False,
    lazy: Annotated[
        bool,
        typer.Option("--lazy", "-z", help="At once, even if in use; what was written is sent in the background."),
    ] = False,
    wait: Annotated[
        float | None, typer.Option(min=0, metavar="SECONDS", help="Wait no longer for what was written (3600).")
    ] = None,
) -> None:
    """Wait until the cluster has every change, then unmount."""
    place = None if mountpoint is None else find_mountpoint(mountpoint)
    # `f7tfs umount .`: the command itself must not be what keeps the mount busy.
    os.chdir("/")
    if every:
        _all(lazy=lazy, wait=wait)
    elif place is None:
        raise MountError("no mount point is named", "f7tfs umount MOUNTPOINT, or --all; f7tfs mounts shows them")
    else:
        _one(place, lazy=lazy, wait=wait)


def _all(*, lazy: bool, wait: float | None) -> None:
    """One after the other; what goes wrong with one is told, and the others go on."""
    places = [Path(str(each["mountpoint"])) for each in every() if "remote" in each]
    failed = []
    for place in places:
        try:
            _one(place, lazy=lazy, wait=wait)
            tell(f"{place} is unmounted")
        except MountError as error:
            complain(str(error), error.cure)
            failed.append(place)
    if failed:
        raise MountError(f"{count(len(failed), 'mount')} of {len(places)} did not end as it should", "see above")


def _one(place: Path, *, lazy: bool, wait: float | None) -> None:
    try:
        with drain_progress() as progress:
            answer = ask(
                control_socket(place),
                "unmount",
                timeout=_SILENCE_SECONDS,
                progress=progress,
                lazy=lazy,
                seconds=wait,
            )
    except NoDaemon:
        _without_daemon(place, lazy=lazy)
        return
    if lazy:
        _tell_lazy(answer)
    else:
        wait_for_end(int(answer["pid"]), _END_SECONDS)
        _tell_left(answer)


def _without_daemon(place: Path, *, lazy: bool) -> None:
    mount = mount_at(place)
    if mount is None and not is_stale(place):
        around = mount_of(place)
        if around is None:
            raise no_mount(place)
        raise MountError(f"{place} lies in a mount, and is none itself", f"f7tfs umount {around.mountpoint}")
    if mount is not None and not mount.is_ours:
        raise MountError(f"{place} is not a mount of f7tfs ({mount.kind})", f"umount {place}")
    stale = is_stale(place)
    unmount(place, lazy=lazy or stale)
    if stale:
        tell(f"{place}: its daemon had gone; cleared away. What was not sent is sent at the next mount.")


def _tell_lazy(answer: dict[str, Any]) -> None:
    if left := _left(answer):
        tell(f"process {answer['pid']} goes on sending {left}")


def _tell_left(answer: dict[str, Any]) -> None:
    if left := _left(answer):
        raise MountError(
            f"unmounted, but the cluster does not have {left} yet: kept in {answer['state_directory']}",
            f"mount {answer['remote']} again, and they are sent; f7tfs journal shows them",
        )


def _left(answer: dict[str, Any]) -> str:
    changes, jobs = answer["left"], answer.get("jobs_left", 0)
    return lacking(changes, jobs) if changes or jobs else ""
