"""`f7tfs cp`, `mv` and `rm`: done by the cluster itself where both sides are there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from f7tfs.cli.arguments import Json
from f7tfs.cli.output import count, show_json, show_table, tell
from f7tfs.cli.places import no_mount
from f7tfs.cli.progress import moving_progress
from f7tfs.cli.remote import Place, place_of
from f7tfs.mount.ask import ask
from f7tfs.mount.errors import MountError

_SILENCE_SECONDS = 120.0
_AT_ONCE = 100
"""So many paths are told to a daemon in one request."""
_DONE = {"copy": "copied", "move": "moved", "remove": "removed", "upload": "sent", "download": "fetched"}

Recursive = Annotated[bool, typer.Option("--recursive", "-r", help="Directories too, with all below them.")]
NoWait = Annotated[
    bool, typer.Option("--no-wait", help="Return when the cluster has the job; f7tfs wait PATH waits for it.")
]
_WHERE = "Paths in a mount, or `SYSTEM:/path` or `PROFILE:/path` where anything of it is mounted."


def cp(
    paths: Annotated[list[str], typer.Argument(metavar="SOURCE... TARGET", help=_WHERE + " One side may be here.")],
    recursive: Recursive = False,
    no_wait: NoWait = False,
    as_json: Json = False,
) -> None:
    """Copy on the cluster, without the data passing through here; or one file of any size to or from the cluster.

    What was written here to these paths is sent first. Between here and the cluster the data does not pass the cache;
    the same command again goes on with an upload that was interrupted.
    """
    sources, target = _split(paths)
    remote = {source.daemon is not None for source in sources}
    if len(remote) != 1:
        raise MountError("some sources are here, and some on the cluster", "copy them by two commands")
    if remote == {True} and target.daemon is not None:
        _run("copy", sources, target, recursive=recursive, leave=no_wait, as_json=as_json)
        return
    if no_wait:
        raise MountError("what comes from here, or goes here, is waited for", "leave out --no-wait")
    if target.daemon is not None:
        _check_files(sources)
        _run("upload", sources, target, as_json=as_json)
    elif remote == {True}:
        _run("download", sources, _local_target(sources, target), as_json=as_json)
    else:
        raise MountError("nothing of this is on a cluster", "cp copies what is here")


def mv(
    paths: Annotated[list[str], typer.Argument(metavar="SOURCE... TARGET", help=_WHERE)],
    no_wait: NoWait = False,
    as_json: Json = False,
) -> None:
    """Move on the cluster, between its file systems too, without the data passing through here."""
    sources, target = _split(paths)
    if target.daemon is None or any(source.daemon is None for source in sources):
        raise MountError("only what is on the cluster is moved, and only there", "f7tfs cp, or mv, for the rest")
    _run("move", sources, target, recursive=True, leave=no_wait, as_json=as_json)


def rm(
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", help=_WHERE)],
    recursive: Recursive = False,
    no_wait: NoWait = False,
    as_json: Json = False,
) -> None:
    """Remove on the cluster: a tree in one call, or by one job where that takes too long."""
    places = [place_of(path) for path in paths]
    if any(place.daemon is None for place in places):
        raise MountError("some of these paths are not in a mount of f7tfs", "rm removes what is here")
    _run("remove", places, None, recursive=recursive, leave=no_wait, as_json=as_json)


# -- what they have in common --------------------------------------------------------------------


def _split(paths: Sequence[str]) -> tuple[list[Place], Place]:
    if len(paths) < 2:
        raise typer.BadParameter("a source and a target are needed")
    *sources, target = [place_of(path) for path in paths]
    return sources, target


def _check_files(sources: Sequence[Place]) -> None:
    for source in sources:
        if not Path(source.path).is_file():
            raise MountError(f"{source.path} is no file", "cp -r copies directories through the mount")


def _local_target(sources: Sequence[Place], target: Place) -> Place:
    if Path(target.path).is_dir():
        return Place(f"{target.path}/{sources[0].path.rpartition('/')[2]}" if len(sources) == 1 else target.path)
    if len(sources) > 1:
        raise MountError(f"{target.path} is not a directory", "give one that is here")
    return target


def _run(
    kind: str,
    sources: Sequence[Place],
    target: Place | None,
    *,
    recursive: bool = False,
    leave: bool = False,
    as_json: bool,
) -> None:
    asked = target if target is not None and target.daemon is not None else sources[0]
    _check_one_cluster([*(source for source in sources if source.daemon is not None), asked])
    others = [source for source in sources if source.daemon not in {None, asked.daemon}]
    for other in others:
        ask(_daemon(other), "settle", timeout=_SILENCE_SECONDS, paths=[other.path])
    found: list[dict[str, Any]] = []
    with moving_progress(kind) as progress:
        for start in range(0, len(sources), _AT_ONCE):
            paths = [source.path for source in sources[start : start + _AT_ONCE]]
            answer = ask(
                _daemon(asked),
                "errand",
                timeout=_SILENCE_SECONDS,
                progress=progress,
                kind=kind,
                sources=paths,
                target="" if target is None else target.path,
                recursive=recursive,
                leave=leave,
            )
            found += answer["errands"]
    for other in others:
        if other.inside is not None:
            ask(_daemon(other), "refresh", timeout=_SILENCE_SECONDS, path=other.inside)
    _tell(kind, found, as_json=as_json)


def _check_one_cluster(places: Sequence[Place]) -> None:
    if len({place.cluster for place in places}) > 1:
        raise MountError("these paths are on different clusters", "cp, without f7tfs, copies through this machine")


def _daemon(place: Place) -> Path:
    if place.daemon is None:  # pragma: no cover -- the callers have looked
        raise no_mount(place.path)
    return place.daemon


def _tell(kind: str, found: Sequence[dict[str, Any]], *, as_json: bool) -> None:
    failed = [each for each in found if each["state"] == "failed"]
    running = [each for each in found if each["state"] == "running"]
    done = len(found) - len(failed) - len(running)
    if as_json:
        show_json(found)
    else:
        rows = [(each["job"], each["state"], each["source"], each["target"] or "-") for each in running]
        if rows:
            show_table(("job", "state", "source", "target"), rows, empty="")
        if done:
            tell(f"{count(done, 'path')} {_DONE[kind]}")
    if failed:
        more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
        directory = "is a directory" in failed[0]["error"] and kind in {"copy", "remove"}
        raise MountError(f"{failed[0]['error']}{more}", "give -r" if directory else "f7tfs log tells more")
