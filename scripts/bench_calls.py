"""Counts the API calls of programs that write many small files, in the write modes `auto` and `async`.

`scripts/bench_calls.py --write docs/explanation/few-calls.md` puts the table where that page has the last one. Counts
are those of the server (the sandbox), from the program's start until `f7tfs sync` returns.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from scripts.bench import Bench, plant
from scripts.pages import write_table

MODES = ("auto", "async")
FILES = 1000
REPOSITORY_FILES = 300
LATENCY = 0.02
TABLE = "calls of writers"


def repository(top: Path) -> Path:
    """A git repository of many files in some directories."""
    for index in range(REPOSITORY_FILES):
        directory = top / f"d{index % 30 // 5}/e{index % 30}"
        directory.mkdir(parents=True, exist_ok=True)
        (directory / f"f{index}").write_text(f"line {index}\n" * 40)
    git = ["git", "-C", str(top), "-c", "user.name=f7tfs", "-c", "user.email=f7tfs@localhost"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "all"]):
        subprocess.run([*git, *command], check=True)
    return top


def tasks(local: Path) -> dict[str, Callable[[Bench], None]]:
    """Each makes a directory of its own, which is not there before."""
    tree = plant(local / "tree")
    archive = local / "tree.tar"
    subprocess.run(["tar", "cf", str(archive), "-C", str(local), "tree"], check=True)
    source = f"file://{repository(local / 'repository')}"

    def untar(bench: Bench) -> None:
        (bench.mnt / "untar").mkdir()
        bench.run("tar", "xf", str(archive), "-C", "untar")

    return {
        f"`cp -r` of {FILES:,} files": lambda bench: bench.run("cp", "-r", str(tree), "copy"),
        "`tar x` of them": untar,
        f"`git clone`, {REPOSITORY_FILES} files": lambda bench: bench.run("git", "clone", "-q", source, "clone"),
        f"`rsync -a` of {FILES:,} files": lambda bench: bench.run("rsync", "-a", f"{tree}/", "synced/"),
        "`rsync -a` again": lambda bench: bench.run("rsync", "-a", f"{tree}/", "synced/"),
    }


def measured(api: str, mode: str) -> dict[str, tuple[int, float]]:
    """Calls and seconds by task."""
    found: dict[str, tuple[int, float]] = {}
    with tempfile.TemporaryDirectory(prefix="f7tfs-bench-") as directory:
        bench, local = Bench(api, Path(directory) / "bench"), Path(directory) / "local"
        local.mkdir()
        with bench.running(), bench.mounted("--write-mode", mode):
            bench.set_latency(LATENCY)
            for what, task in tasks(local).items():
                bench.run("ls")
                found[what] = _one(bench, task)
                print(api, mode, what, *found[what], flush=True)
            shutil.rmtree(local)
    return found


def _one(bench: Bench, task: Callable[[Bench], None]) -> tuple[int, float]:
    bench.sandbox.reset_calls()
    start = time.perf_counter()
    task(bench)
    bench.f7tfs("sync", str(bench.mnt))
    seconds = time.perf_counter() - start
    calls = {route: count for route, count in bench.sandbox.calls().items() if "token" not in route}
    print("    ", calls)
    return sum(calls.values()), seconds


def table(apis: Sequence[str], modes: Sequence[str]) -> str:
    """In Markdown: a line for each task, a column for each API and mode."""
    columns = [(api, mode) for api in apis for mode in modes]
    results = {column: measured(*column) for column in columns}
    head = "| calls | " + " | ".join(f"{api}, `{mode}`" for api, mode in columns) + " |"
    rows = [
        f"| {what} | " + " | ".join(str(results[column][what][0]) for column in columns) + " |"
        for what in results[columns[0]]
    ]
    lines = [head, "|---|" + "---|" * len(columns), *rows]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--api", nargs="+", default=["v2", "v1"])
    parser.add_argument("--mode", nargs="+", default=MODES)
    parser.add_argument("--write", type=Path, help="the page that holds the table")
    arguments = parser.parse_args()
    text = table(arguments.api, arguments.mode)
    print(text)
    if arguments.write:
        write_table(arguments.write, TABLE, text)


if __name__ == "__main__":
    main()
