"""`f7tfs top`: the mounts, live."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from f7tfs.cli.mounts import state_of
from f7tfs.cli.output import console, duration, show_table, size, tell
from f7tfs.cli.status import ask_one, every
from f7tfs.cli.trace import cache_rows

if TYPE_CHECKING:
    from rich.console import Group

_COLUMNS = ("mount point", "state", "calls", "calls/s", "to be sent", "failed", "cached", "hits", "misses", "jobs")
_MOST_ROUTES = 12
_MOST_JOBS = 8


def top(
    mountpoint: Annotated[
        Path | None, typer.Argument(parser=Path, metavar="MOUNTPOINT", help="All of yours if not given.")
    ] = None,
    interval: Annotated[float, typer.Option(min=0.1, metavar="SECONDS", help="Look again after this.")] = 1.0,
) -> None:
    """Show the mounts as they are now, until Ctrl-C; in a pipe once."""
    if not console().is_terminal:
        show_table(_COLUMNS, _rows(_look(mountpoint), {}, interval), empty="nothing is mounted", named=_COLUMNS[2:])
        return
    from rich.live import Live

    before = _look(mountpoint)
    if not before:
        tell("nothing is mounted")
        return
    try:
        with Live(_drawn(before, {}, interval), console=console(), screen=True, auto_refresh=False) as live:
            while True:
                time.sleep(interval)
                now = _look(mountpoint)
                live.update(_drawn(now, before, interval), refresh=True)
                before = now
    except KeyboardInterrupt:
        return


def _look(mountpoint: Path | None) -> dict[str, dict[str, Any]]:
    """What every mount, or the one, says of itself, by mount point."""
    answers = every() if mountpoint is None else [ask_one(mountpoint)]
    return {str(answer["mountpoint"]): answer for answer in answers}


def _rows(
    now: Mapping[str, dict[str, Any]], before: Mapping[str, dict[str, Any]], interval: float
) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for place, answer in now.items():
        if "problem" in answer:
            rows.append((place, state_of(answer), *[""] * (len(_COLUMNS) - 2)))
            continue
        calls = sum(answer["calls"].values())
        earlier = before.get(place, answer)
        seconds = max(answer["now"] - earlier.get("now", 0.0), interval)
        rate = (calls - sum(earlier.get("calls", answer["calls"]).values())) / seconds
        left = f"{answer['changes_left']} ({size(answer['bytes_left'])})"
        caches = answer["caches"].values()
        rows.append(
            (
                place,
                state_of(answer),
                calls,
                f"{rate:.1f}",
                left,
                len(answer["failed"]),
                size(answer["cache_bytes"]),
                sum(each["hits"] for each in caches),
                sum(each["misses"] for each in caches),
                sum(not job["finished"] for job in answer.get("jobs_known", ())),
            )
        )
    return rows


def _drawn(now: Mapping[str, dict[str, Any]], before: Mapping[str, dict[str, Any]], interval: float) -> Group:
    from rich.console import Group

    from f7tfs.cli.output import table

    routes = sorted(
        ((count, route, place) for place, answer in now.items() for route, count in answer.get("calls", {}).items()),
        reverse=True,
    )
    waiting = [
        (place, each["path"], each["error"])
        for place, answer in now.items()
        for each in (*answer.get("failed", ()), *answer.get("waiting", ()))
    ]
    transfers = [
        (
            each["path"],
            each["direction"],
            each["phase"],
            f"{size(each['done'])} of {size(each['size'])}",
            rate_of(each),
        )
        for answer in now.values()
        for each in answer.get("transfers", ())
    ]
    # Each mount tells those first that have not ended: the terminal ends somewhere.
    jobs = sorted((job for answer in now.values() for job in _jobs(answer)), key=lambda row: not row[-1])
    # What grows longest comes last, for the same reason.
    shown = (
        (_COLUMNS, _rows(now, before, interval)),
        (("transfer", "", "phase", "so far", "rate"), transfers),
        (("job", "name", "state", "seen"), jobs[:_MOST_JOBS]),
        (("cache", "hits", "misses", "by"), _caches(now)),
        (("mount point", "not sent yet", "why"), waiting[:_MOST_ROUTES]),
        (("calls", "of the API", "by"), routes[:_MOST_ROUTES]),
    )
    return Group(*(each for columns, rows in shown if rows for each in (table(columns, rows), "")))


def _caches(now: Mapping[str, dict[str, Any]]) -> list[tuple[object, ...]]:
    return [
        (*row, place) for place, answer in now.items() for row in cache_rows(answer.get("caches", {})) if any(row[1:])
    ]


def _jobs(answer: Mapping[str, Any]) -> list[tuple[object, ...]]:
    """What the mount knows of its jobs, without a call. What has ended does not change any more."""
    return [
        (
            job["id"] or "-",
            job["name"],
            job["state"],
            "" if job["finished"] else f"{duration(max(answer['now'] - job['seen'], 0.0))} ago",
        )
        for job in answer.get("jobs_known", ())
    ]


def rate_of(transfer: Mapping[str, Any]) -> str:
    """`3.1 MiB/s`; nothing while nothing moves."""
    return f"{size(transfer['rate'])}/s" if transfer.get("rate") else ""
