"""Counts the API calls of ordinary programs beside the fewest that are possible (`scripts/budgets.py`).

`python -m scripts.bench_budgets --write docs/explanation/few-calls.md` puts the table where that page has the last
one. Counts are those of the server (the sandbox), from the program's start until `f7tfs sync` returns.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from scripts.bench import Bench
from scripts.budgets import ROWS, Row
from scripts.pages import write_table

MODES = ("async", "auto")
LATENCY = 0.02
TABLE = "budgets"


def measured(api: str, mode: str, rows: Sequence[Row]) -> dict[str, int]:
    """Calls by row."""
    found: dict[str, int] = {}
    with tempfile.TemporaryDirectory(prefix="f7tfs-bench-") as directory:
        bench, local = Bench(api, Path(directory) / "bench"), Path(directory) / "local"
        with bench.running():
            bench.set_latency(LATENCY)
            # Made once, by the first archive of a user's first mount.
            (bench.sandbox.home / ".f7tfs").mkdir(mode=0o700)
            for row in rows:
                here = local / row.directory
                here.mkdir(parents=True)
                # Each by a mount of its own: what went before is no part of a walk.
                with bench.mounted("--write-mode", mode):
                    found[row.name] = calls(bench, row, here)
                print(api, mode, row.name, found[row.name], flush=True)
    return found


def calls(bench: Bench, row: Row, here: Path) -> int:
    """Of one row, in a directory of its own, which is known."""
    real = bench.sandbox.home / row.directory
    real.mkdir()
    row.prepare(real, here)
    bench.forget()
    at = bench.mnt / row.directory
    run(row.before or "ls", at, here)
    bench.f7tfs("sync", str(bench.mnt))
    bench.sandbox.reset_calls()
    run(row.command, at, here)
    bench.f7tfs("sync", str(bench.mnt))
    counted = {route: count for route, count in bench.sandbox.calls().items() if "token" not in route}
    print("    ", counted)
    return sum(counted.values())


def run(command: str, at: Path, here: Path) -> None:
    """As a shell at a prompt does: a process group of its own."""
    subprocess.run(
        ["bash", "-c", f"export HERE={here}; {command}"],
        cwd=at,
        check=True,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
    )


def table(apis: Sequence[str], rows: Sequence[Row]) -> str:
    """In Markdown: a line for each row; for each API the fewest, and what it costs in each mode."""
    results = {(api, mode): measured(api, mode, rows) for api in apis for mode in MODES}
    head = ["calls", *(f"{api}, {what}" for api in apis for what in ("fewest", *(f"`{mode}`" for mode in MODES)))]
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for row in rows:
        cells = [
            str(count)
            for api in apis
            for count in (row.least(api), *(results[api, mode][row.name] for mode in MODES))
        ]
        lines.append(f"| {' | '.join([row.name, *cells])} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--api", nargs="+", default=["v2", "v1"])
    parser.add_argument("--rows", nargs="+", help="words of the names of some; all unless given")
    parser.add_argument("--write", type=Path, help="the page that holds the table")
    arguments = parser.parse_args()
    wanted = arguments.rows or [""]
    text = table(arguments.api, [row for row in ROWS if any(word in row.name for word in wanted)])
    print(text)
    if arguments.write:
        write_table(arguments.write, TABLE, text)


if __name__ == "__main__":
    main()
