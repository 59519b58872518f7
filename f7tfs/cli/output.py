"""The one language of all commands.

Results go to standard output, everything else to standard error. A result is

- a table, `show_table(("job", "state"), rows, empty="no jobs")`: on a terminal with a heading and in colour; in a
  pipe one line for each row, without a heading, the cells parted by tabs (for `cut`, `awk` and `while read`);
  figures that say nothing without their heading have it before them there (`named=("hits", "misses")`);
- a record, `show_record(title, {"state": "running", …})`: a line with the title, an indented one for each value;
- with `--json` (`as_json: Json = False`, of cli/arguments.py) the whole value: `show_json(value)`; each
  command is called in its forms by tests/dayone/test_forms.py.

What only a person wants to know is said by `tell("…")`, and by cli/progress.py where somebody waits. An error is
raised, as `MountError(what, cure)` or another UserError; app.py prints its two lines. Exit codes: 0 done,
1 not done, 2 called wrongly, 130 interrupted. rich is loaded only where it draws something.
"""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from f7tfs.log import redact

if TYPE_CHECKING:
    import rich.console
    from rich.table import Table

_STYLES = (
    ("green", {"COMPLETED", "RUNNING", "ok", "mounted", "healthy", "done"}),
    ("yellow", {"PENDING", "CONFIGURING", "COMPLETING", "SUSPENDED", "warning", "waiting", "unmounted", "unhealthy"}),
    ("red", {"FAILED", "TIMEOUT", "OUT_OF_MEMORY", "NODE_FAIL", "CANCELLED", "failed", "problem", "stale"}),
)
"""Words that are shown in colour where they are a whole cell."""
_LONGEST_COMPLAINT = 2000


@functools.cache
def console(*, stderr: bool = False) -> rich.console.Console:
    """Where to draw; it knows whether that is a terminal, how wide it is, and NO_COLOR."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, markup=False)


def show(text: str) -> None:
    """A line of a result."""
    print(text, flush=True)  # noqa: T201 - never wrapped, and at once: a program may be reading


def tell(text: str) -> None:
    """A line for a person, on standard error."""
    print(redact(text), file=sys.stderr)  # noqa: T201 - as above


def complain(what: str, cure: str = "") -> None:
    """What happened and what to do, on a line each of standard error."""
    tell(f"f7tfs: {_shortened(_one_line(what))}")
    if cure:
        tell(f"       {_shortened(_one_line(cure))}")


def show_json(value: object) -> None:
    """A result for programs."""
    show(json.dumps(value, indent=2, default=str))


def show_table(
    columns: Sequence[str], rows: Sequence[Sequence[object]], *, empty: str, named: Collection[str] = ()
) -> None:
    """A result of several lines; `empty` is told where there are none. Numbers stand to the right.

    `named`: columns whose cells tell their heading in a pipe.
    """
    if not rows:
        if empty:
            tell(empty)
    elif console().is_terminal:
        console().print(table(columns, rows))
    else:
        leads = [f"{column} " if column in named else "" for column in columns]
        for row in rows:
            cells = [_one_line(str(cell)) for cell in row]
            show("\t".join(cell and lead + cell for lead, cell in zip(leads, cells, strict=True)))


def show_record(title: str, values: Mapping[str, object]) -> None:
    """A result about one thing."""
    width = max(map(len, values), default=0)
    if not console().is_terminal:
        show(title)
        for name, value in values.items():
            show(f"    {name:{width}} {_one_line(str(value))}")
        return
    from rich.text import Text

    console().print(Text(title, style="bold"))
    for name, value in values.items():
        console().print(Text.assemble("    ", (f"{name:{width}}", "cyan"), " ", _cell(value)))


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    """A table for a terminal."""
    from rich.table import Table

    drawn = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for index, title in enumerate(columns):
        numbers = all(isinstance(row[index], int | float) for row in rows)
        drawn.add_column(title, justify="right" if numbers else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*(_cell(cell) for cell in row))
    return drawn


def _cell(value: object) -> Any:
    from rich.text import Text

    text = str(value)
    return Text(text, style=next((style for style, words in _STYLES if text in words), ""))


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _shortened(text: str) -> str:
    half = _LONGEST_COMPLAINT // 2
    return text if len(text) <= _LONGEST_COMPLAINT else f"{text[:half]} … {text[-half:]}"


# -- how values are written ----------------------------------------------------------------------


def count(number: int, noun: str) -> str:
    """`1 change`, `2 changes`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def lacking(changes: int, jobs: int, more: str = "") -> str:
    """`3 changes and 1 job to be submitted`; `more` follows the changes."""
    told = f"{count(jobs, 'job')} to be submitted" if jobs else ""
    changed = f"{count(changes, 'change')}{more}" if changes or not jobs else ""
    return " and ".join(filter(None, (changed, told)))


def size(number: float) -> str:
    """Bytes, as `17 B` or `1.4 MiB`."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if number < 1024:
            return f"{number:.0f} B" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1024
    return f"{number:.1f} TiB"


def duration(seconds: float) -> str:
    """`12 s`, `3 min`, `2 h 5 min`, `4 d 3 h`."""
    minutes, hours, days = (int(seconds // each) for each in (60, 3600, 86400))
    if days:
        return f"{days} d {hours % 24} h"
    if hours:
        return f"{hours} h {minutes % 60} min"
    return f"{minutes} min" if minutes else f"{seconds:.0f} s"


def moment(epoch: float) -> str:
    """A time here, with its zone."""
    return datetime.fromtimestamp(epoch).astimezone().isoformat(" ", "seconds")
