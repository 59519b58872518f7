"""What was measured, as a table, and what it says of the choice. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

ROUTES = ("direct", "archive", "windows", "pieces", "staged")
EQUAL, EQUAL_SECONDS = 1.1, 0.5
"""What takes so many times as long, or seconds more, is as fast: then calls decide."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One file by one route. `failed`: why it did not come."""

    seconds: float
    calls: int
    failed: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One file by all routes that can carry it. `line`: bytes a second; `chosen`: the route that f7tfs takes."""

    way: str
    api: str
    line: float | None
    text: bool
    megabytes: int
    cells: Mapping[str, Cell]
    chosen: str


def best(row: Row) -> str:
    """The fastest route; of those that are as fast the one with the fewest calls, the chosen one before others."""
    cells = {route: cell for route, cell in row.cells.items() if not cell.failed}
    fastest = min(cell.seconds for cell in cells.values())
    bound = max(fastest * EQUAL, fastest + EQUAL_SECONDS)
    near = {route: cell for route, cell in cells.items() if cell.seconds <= bound}
    return min(near, key=lambda route: (near[route].calls, route != row.chosen, near[route].seconds))


def table(rows: Sequence[Row]) -> str:
    """In Markdown; the chosen route is bold."""
    head = ["", "MB", *ROUTES, "best"]
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for row in sorted(rows, key=lambda row: (row.way, row.api != "v2", row.text, row.line or 0, row.megabytes)):
        cells = [_told(row, route) for route in ROUTES]
        verdict = "" if best(row) == row.chosen else best(row)
        lines.append(f"| {' | '.join([_what(row), str(row.megabytes), *cells, verdict])} |")
    return "\n".join(lines) + "\n"


def _what(row: Row) -> str:
    words = [row.way, row.api]
    if row.line:
        words.append(f"{row.line * 8 / 1e6:.0f} Mbit/s")
    if row.text:
        words.append("text")
    return ", ".join(words)


def _told(row: Row, route: str) -> str:
    if route not in row.cells:
        return ""
    cell = row.cells[route]
    told = cell.failed or f"{cell.seconds:.1f} s ({cell.calls})"
    return f"**{told}**" if route == row.chosen else told
