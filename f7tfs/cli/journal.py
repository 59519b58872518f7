"""`f7tfs journal`: the changes that the cluster does not have, and what to do about those that it refuses."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from f7tfs.cli.arguments import Json
from f7tfs.cli.output import count, duration, lacking, show_json, show_table, size, tell
from f7tfs.cli.places import mount_here
from f7tfs.mount.errors import MountError
from f7tfs.mount.mountinfo import mount_of
from f7tfs.mount.runtime import absolute, state_base

if TYPE_CHECKING:
    from f7tfs.mount.journals import OneJournal

Place = Annotated[
    str | None,
    typer.Option("--of", metavar="PLACE", help="A path in a mount, or SYSTEM:/path of what is not mounted now."),
]
Base = Annotated[
    Path | None, typer.Option("--cache-dir", parser=Path, metavar="DIRECTORY", help="As it was given to mount.")
]
Number = Annotated[int, typer.Argument(metavar="ID", help="As f7tfs journal shows it.")]

journal = typer.Typer(
    help="Changes that the cluster does not have yet: list, retry, export, drop.", invoke_without_command=True
)


@journal.callback()
def _default(context: typer.Context, as_json: Json = False) -> None:
    if context.invoked_subcommand is None:
        show(as_json=as_json)


@journal.command("list")
def show(place: Place = None, base: Base = None, as_json: Json = False) -> None:
    """List what the cluster does not have, of all mounts, and of what was mounted before."""
    found = _journals(place, base)
    told = [
        {"remote": each.remote, "mountpoint": each.mountpoint, **entry} for each in found for entry in each.entries()
    ]
    if as_json:
        show_json(told)
        return
    columns = ("id", "change", "state", "size", "for", "of", "error")
    show_table(columns, [_row(entry) for entry in told], empty="the cluster has every change", named=("for",))
    for each in found:
        if each.jobs:
            tell(f"{each.mountpoint or each.remote}: {lacking(0, each.jobs)}: f7tfs jobs list")


def _row(entry: dict[str, Any]) -> Sequence[object]:
    change = f"{entry['kind']} {entry['path']}" + (f" to {entry['new_path']}" if entry["new_path"] else "")
    where = entry["mountpoint"] or f"{entry['remote']} (not mounted)"
    age = duration(max(0.0, time.time() - entry["since"]))
    return (entry["id"], change, entry["state"], size(entry["bytes"]), age, where, entry["error"] or "")


@journal.command()
def retry(place: Place = None, base: Base = None) -> None:
    """Try now what the cluster refused, and what waits out a pause."""
    retried = [(each, each.retry()) for each in _journals(place, base)]
    for each, number in retried:
        if number is None:
            tell(f"{each.remote} is not mounted: everything is tried when it is mounted again")
        elif number:
            tell(f"{each.mountpoint}: {count(number, 'failed change')} tried again; f7tfs sync waits for them")
    if not any(number is None or number for _, number in retried):
        tell("no change has failed; what waits is tried now")


@journal.command()
def export(
    number: Number,
    file: Annotated[Path, typer.Argument(parser=Path, metavar="FILE", help="A new local file.")],
    place: Place = None,
    base: Base = None,
) -> None:
    """Copy a content that waits into a local file; it waits on."""
    _the_one(place, base).export(number, file)


@journal.command()
def drop(number: Number, place: Place = None, base: Base = None) -> None:
    """Give a change up for good: afterwards all is as the cluster has it."""
    _the_one(place, base).drop(number)


def _journals(place: str | None, base: Path | None) -> list[OneJournal]:
    from f7tfs.mount.journals import kept_journals, mounted_journals

    mounted = mounted_journals()
    kept = kept_journals(base.absolute() if base else state_base(), {each.state for each in mounted})
    found: list[OneJournal] = [*mounted, *kept]
    if place is None:
        return found
    mount = mount_of(absolute(Path(place)))
    where = str(mount.mountpoint) if mount else str(absolute(Path(place)))
    chosen = [each for each in found if each.remote == place or each.mountpoint == where]
    if not chosen:
        raise MountError(f"no journal of {place} holds anything", "f7tfs journal lists all of them")
    return chosen


def _the_one(place: str | None, base: Path | None) -> OneJournal:
    journals = _journals(place, base)
    here = mount_here()
    if len(journals) > 1 and here is not None:
        journals = [each for each in journals if each.mountpoint == str(here)] or journals
    if len(journals) > 1:
        raise MountError("there are several journals", "say which is meant by --of; f7tfs journal shows them")
    if not journals:
        raise MountError("no journal holds anything", "f7tfs status shows the mounts")
    return journals[0]
