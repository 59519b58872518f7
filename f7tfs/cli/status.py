"""`f7tfs status`: what is mounted, and what the cluster does not have yet."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from f7tfs.cli.arguments import Json
from f7tfs.cli.output import count, duration, lacking, moment, show, show_json, show_record, show_table, size, tell
from f7tfs.cli.places import control_of
from f7tfs.cli.trace import HITS, cache_rows
from f7tfs.mount.ask import NoDaemon, ask
from f7tfs.mount.errors import MountError
from f7tfs.mount.mountinfo import mounts
from f7tfs.mount.mountpoint import stale_or_stuck
from f7tfs.mount.runtime import control_sockets, state_base

_SECONDS = 10.0
_MOST_FAILED = 3


def status(
    mountpoint: Annotated[
        Path | None, typer.Argument(parser=Path, metavar="MOUNTPOINT", help="All of yours if not given.")
    ] = None,
    calls: Annotated[
        bool, typer.Option("--calls", help="The requests sent to the API, by endpoint, and what the caches had.")
    ] = False,
    metrics: Annotated[bool, typer.Option("--metrics", help="For Prometheus: its text format.")] = False,
    as_json: Json = False,
) -> None:
    """Show what is mounted and what is still to be sent, of what is not mounted now too."""
    answers = [ask_one(mountpoint)] if mountpoint is not None else with_kept(every())
    if metrics:
        # It loads the event loop.
        from f7tfs.mount.metrics import metrics as text

        show(text([answer for answer in answers if "problem" not in answer]).rstrip("\n"))
        return
    if calls and not as_json:
        rows = [
            (answer["mountpoint"], route, number)
            for answer in answers
            for route, number in sorted(answer.get("calls", {}).items(), key=lambda item: -item[1])
        ]
        show_table(("mount point", "endpoint", "calls"), rows, empty="no calls", named=("calls",))
        known = [(answer["mountpoint"], *row) for answer in answers for row in cache_rows(answer.get("caches", {}))]
        show_table(("mount point", "cache", *HITS), known, empty="", named=HITS)
        return
    if as_json:
        show_json(answers if mountpoint is None else answers[0])
        return
    if all(is_kept(answer) for answer in answers):
        tell("nothing is mounted")
    for answer in answers:
        if is_kept(answer):
            show_record(f"{answer['remote']}: not mounted", readable_kept(answer))
        else:
            show_record(f"{answer['mountpoint']}: {answer.get('remote', '')}", readable(answer))


def ask_one(mountpoint: Path) -> dict[str, Any]:
    """What the daemon at `mountpoint` says of itself."""
    return ask(control_of(mountpoint), "status", timeout=_SECONDS)


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


def every() -> list[dict[str, Any]]:
    """The mounts of this user, those too whose daemon has gone or does not answer."""
    answers = running()
    return [*answers, *_unserved({str(answer["mountpoint"]) for answer in answers})]


def with_kept(answers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """And what changes are kept of what is not mounted now."""
    # It loads SQLite.
    from f7tfs.mount.journals import kept_changes

    taken = {Path(answer["state_directory"]) for answer in answers if "state_directory" in answer}
    return [*answers, *kept_changes(state_base(), taken)]


def is_kept(answer: dict[str, Any]) -> bool:
    """Whether it is of a journal that is not mounted."""
    return answer["mountpoint"] is None


def what_to_do(answer: dict[str, Any]) -> str:
    """About changes that are kept of what is not mounted."""
    if "changes_left" not in answer:
        return str(answer["problem"])
    return "mount it again, and they are sent, or: f7tfs journal"


def readable_kept(answer: dict[str, Any]) -> dict[str, str]:
    """What a person wants to know of changes of what is not mounted."""
    if "changes_left" not in answer:
        return {"problem": answer["problem"]}
    return {
        "to be sent": _left(answer),
        "kept in": answer["state_directory"],
        **_failed(answer["failed"]),
        "to do": what_to_do(answer),
    }


def _left(answer: dict[str, Any]) -> str:
    return lacking(answer["changes_left"], answer.get("jobs_waiting", 0), f" ({size(answer['bytes_left'])})")


def _unserved(served: set[str]) -> list[dict[str, Any]]:
    """Mounts of f7tfs that are this user's, and that no daemon answers for."""
    own = [mount for mount in mounts() if mount.is_ours and mount.owner == os.geteuid()]
    return [
        {"mountpoint": str(mount.mountpoint), "remote": mount.source, "problem": problem}
        for mount in own
        if str(mount.mountpoint) not in served and (problem := stale_or_stuck(mount.mountpoint))
    ]


def readable(answer: dict[str, Any]) -> dict[str, str]:
    """What a person wants to know of one mount."""
    if "problem" in answer:
        return {"problem": answer["problem"]}
    left = _left(answer)
    if not answer["mounted"]:
        left += ", being sent; unmounted already"
    shown = {
        "site": f"{answer['url']} as {answer['user']}{_trouble(answer)}",
        "since": moment(answer["since"]),
        "token": _token(answer.get("token_age"), answer.get("token_good_for")),
        "to be sent": left,
        "API calls": str(sum(answer["calls"].values())),
        "cached": f"{size(answer['cache_bytes'])} in {answer['state_directory']}",
        "process": str(answer["pid"]),
    }
    if waiting := answer["waiting"]:
        shown["waiting"] = f"{waiting[0]['path']}: {waiting[0]['error']}"
    if large := answer.get("too_large"):
        shown["not listed"] = f"{', '.join(large)}: more entries than the API lists; they can be used by name"
    if hidden := answer.get("hidden"):
        shown["hidden"] = f"{', '.join(hidden)}: the jobs of the mount have that name; -o jobs_name= renames those"
    if failed := answer["failed"]:
        shown |= _failed(failed) | {"to do": "when the cause is gone: f7tfs journal retry"}
    return shown


def _failed(failed: list[dict[str, Any]]) -> dict[str, str]:
    """How many, and the first of them."""
    if not failed:
        return {}
    told = [f"{each['path']}: {each['error']}" for each in failed[:_MOST_FAILED]]
    if more := len(failed) - len(told):
        told.append(f"and {more} more: f7tfs journal")
    return {"FAILED": f"{count(len(failed), 'change')}: {'; '.join(told)}"}


def _trouble(answer: dict[str, Any]) -> str:
    """Why nothing goes to the site now, if so."""
    if not answer["reachable"]:
        since = answer.get("unreachable_since")
        return ", NOT REACHABLE now" + (f", since {moment(since)}: what is shown may be as old" if since else "")
    if refused := answer.get("credentials_refused"):
        return f", reachable, but CREDENTIALS REFUSED: {refused}; run f7tfs login"
    return ""


def _token(age: float | None, good_for: float | None) -> str:
    if age is None or good_for is None:
        return "none yet"
    return f"{duration(age)} old, fetched anew in {duration(good_for)}"
