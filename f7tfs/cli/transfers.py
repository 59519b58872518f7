"""`f7tfs transfers`: large files on their way."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from f7tfs.cli.arguments import Json
from f7tfs.cli.output import console, duration, show_json, show_table, size, table
from f7tfs.cli.status import ask_one, running

_COLUMNS = ("direction", "path", "size", "phase", "done", "rate", "left")
_EMPTY = "no large file is on its way"


def transfers(
    mountpoint: Annotated[
        Path | None, typer.Argument(parser=Path, metavar="MOUNTPOINT", help="All of yours if not given.")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Look again each second, until Ctrl-C.")] = False,
    as_json: Json = False,
) -> None:
    """Show the staged transfers under way: where each is, how fast, and how long it will take."""
    if not watch:
        _show(_look(mountpoint), as_json=as_json)
        return
    try:
        if as_json or not console().is_terminal:
            while True:
                _show(_look(mountpoint), as_json=as_json)
                time.sleep(1.0)
        _live(mountpoint)
    except KeyboardInterrupt:
        return


def _look(mountpoint: Path | None) -> list[dict[str, Any]]:
    answers = running() if mountpoint is None else [ask_one(mountpoint)]
    return [
        {"mountpoint": answer["mountpoint"], **transfer}
        for answer in answers
        for transfer in answer.get("transfers", ())
    ]


def _show(found: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        show_json(found)
    else:
        show_table(_COLUMNS, [row(each) for each in found], empty=_EMPTY, named=("done", "left"))


def _live(mountpoint: Path | None) -> None:
    from rich.live import Live

    with Live(console=console(), auto_refresh=False) as live:
        while True:
            found = _look(mountpoint)
            live.update(table(_COLUMNS, [row(each) for each in found]) if found else _EMPTY, refresh=True)
            time.sleep(1.0)


def row(transfer: dict[str, Any]) -> tuple[str, ...]:
    """What a person wants to know of one."""
    rate, left = transfer["rate"], transfer["left"]
    share = 100 * transfer["done"] / transfer["size"] if transfer["size"] else 0.0
    return (
        transfer["direction"],
        transfer["path"],
        size(transfer["size"]),
        transfer["phase"],
        f"{share:.0f} %",
        f"{size(rate)}/s" if rate else "",
        duration(left) if left is not None else "",
    )
