"""The table and the pictures in docs/explanation."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path

from scripts.peers.contenders import ALL, COST, Contender
from scripts.peers.measure import Cell
from scripts.peers.picture import Bar, picture
from scripts.peers.tasks import Task

INTRODUCTION = """# Beside sshfs, rclone and pyFirecREST

Made by `python -m scripts.bench_peers`: the same tasks by sshfs and rclone, over SFTP to an SSH server of its
own; by pyFirecREST, one call after the other as a script would do it; and by f7tfs in its modes `auto` and `async`.
All servers are on one machine ({machine}) and serve one directory. Each is behind a TCP proxy that adds the
round trip shown; a call of the sandbox takes, besides that, as long as real servers took ({cost}), of
which SSH has nothing. Each figure is of one measurement, by a mount made for it, so that nothing is cached.

Seconds until the command returned, and after an arrow until the cluster had it all, where that was later; in brackets
the calls of the API. A task was stopped after {bound}. *Times sshfs* is how many times as fast f7tfs was (v2, the
better of its modes), until the cluster had it. The load of the machine was {load} (2 are both cores
busy).{note}

Versions: {versions}. rclone with `--vfs-cache-mode full --vfs-fast-fingerprint`, all else
as by default.
"""


def page(cells: Sequence[Cell], tasks: Sequence[Task], pictures: dict[float, str], note: str) -> str:
    """All of the measured delays, one table each."""
    loads = [cell.load for cell in cells]
    bounds = sorted({cell.bound for cell in cells})
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}"
    cost = ", ".join(f"{api} {seconds * 1000:.0f} ms" for api, seconds in sorted(COST.items(), reverse=True))
    parts = [
        INTRODUCTION.format(
            machine=machine,
            cost=cost,
            bound=" or ".join(f"{bound:g} s" for bound in bounds),
            load=f"{min(loads):.1f} to {max(loads):.1f}",
            note=f"\n\n{note}" if note else "",
            versions=versions(),
        )
    ]
    for delay in sorted({cell.delay for cell in cells}):
        parts += [f"## {delay * 1000:.0f} ms", table([c for c in cells if c.delay == delay], tasks)]
        parts.append(f"![The same as bars]({pictures[delay]})")
    missing = [task.title for task in tasks if not any(cell.task == task.key for cell in cells)]
    if missing:
        parts.append(f"Not measured this time: {', '.join(missing)}.")
    return "\n\n".join(part.rstrip() for part in parts) + "\n"


def table(cells: Sequence[Cell], tasks: Sequence[Task]) -> str:
    """Of one delay; only who took part has a column."""
    columns = [contender for contender in ALL if any(cell.contender == str(contender) for cell in cells)]
    head = ["task", *map(str, columns), "times sshfs"]
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for task in tasks:
        found = {cell.contender: cell for cell in cells if cell.task == task.key}
        if found:
            row = [told(found.get(str(contender))) for contender in columns]
            lines.append(f"| {' | '.join([task.title, *row, ratio(found)])} |")
    return "\n".join(lines)


def told(cell: Cell | None) -> str:
    if cell is None:
        return "–"
    if cell.failed:
        return f"failed: {cell.failed}"
    text = seconds_told(cell.seconds, cell.bound)
    if cell.seconds is not None and (cell.there is None or cell.there > 1.05 * cell.seconds + 0.05):
        text += f" → {seconds_told(cell.there, cell.bound)}"
    return text if cell.calls is None else f"{text} ({cell.calls:,})"


def seconds_told(seconds: float | None, bound: float) -> str:
    if seconds is None:
        return f"over {bound:g}"
    return f"{seconds:.2f}" if seconds < 10 else f"{seconds:.0f}"


def ratio(found: dict[str, Cell]) -> str:
    """How many times as fast as sshfs; a bound of it where that took too long."""
    peer = found.get("sshfs")
    ours = [found[name] for name in ("f7tfs v2 auto", "f7tfs v2 async") if name in found]
    took = [cell.there for cell in ours if cell.there is not None and not cell.failed]
    if peer is None or peer.failed or not took:
        return "–"
    if peer.there is None:
        return f"over {peer.bound / min(took):.1f}"
    return f"{peer.there / min(took):.1f}"


def drawn(cells: Sequence[Cell], tasks: Sequence[Task], delay: float) -> str:
    """The columns that compare: both peers, the official client and f7tfs on v2."""
    series = [c for c in ALL if c.api != "v1"]
    here = [cell for cell in cells if cell.delay == delay]
    groups = [(task.title.partition(" over ")[0], _bars(here, task, series)) for task in tasks]
    bound = max(cell.bound for cell in here)
    title = f"Seconds until the cluster has it, {delay * 1000:.0f} ms round trip (logarithmic)"
    return picture(title, [str(c) for c in series], [(name, bars) for name, bars in groups if bars], bound)


def _bars(cells: Sequence[Cell], task: Task, series: Sequence[Contender]) -> list[Bar]:
    found = {cell.contender: cell for cell in cells if cell.task == task.key and not cell.failed}
    return [Bar(place, found[str(c)].there) for place, c in enumerate(series) if str(c) in found]


def versions() -> str:
    told = []
    for command in (
        ["sshfs", "--version"],
        ["rclone", "version"],
        ["ssh", "-V"],
        ["git", "version"],
        ["rsync", "--version"],
    ):
        try:
            done = subprocess.run(command, check=False, capture_output=True, text=True)
        except OSError:
            continue
        lines = [line for line in (done.stdout + done.stderr).splitlines() if "fuse" not in line.lower()[:8]]
        told.append(" ".join(lines[0].split()[:3]).rstrip(","))
    return ", ".join(told)


def write(cells: Sequence[Cell], tasks: Sequence[Task], target: Path, note: str) -> None:
    """The page and its pictures."""
    pictures = {}
    for delay in {cell.delay for cell in cells}:
        name = f"{target.stem}-{delay * 1000:.0f}ms.svg"
        (target.parents[1] / "pictures" / name).write_text(drawn(cells, tasks, delay))
        pictures[delay] = f"../pictures/{name}"
    target.write_text(page(cells, tasks, pictures, note))
