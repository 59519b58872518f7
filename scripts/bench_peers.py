"""Measures f7tfs beside sshfs, rclone and pyFirecREST, each behind the same added delay, and writes the table.

`scripts/setup.sh peers` installs what `python -m scripts.bench_peers` needs. All of it takes hours; `--delay 40` and
`--tasks ls find` choose a part, and `--keep DIRECTORY` adds parts up, in one file for each delay and API (or peer
without one): what is in them already is not measured again, and several may be measured at the same time.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from f7tfs.sandbox.process import SandboxProcess
from scripts.peers import page
from scripts.peers.contenders import ALL, Contender, Site, missing
from scripts.peers.measure import Cell, measured
from scripts.peers.sshd import found as sshd_found
from scripts.peers.sshd import sshd
from scripts.peers.tasks import Task, near_files, package_here, tasks

TARGET = Path(__file__).parents[1] / "docs/explanation/peers.md"


def chosen(arguments: argparse.Namespace) -> list[tuple[float, Task, Contender]]:
    """What is to be measured, in the order of the table: those who are compared come one after the other."""
    return [
        (delay / 1000, task, contender)
        for delay in arguments.delay
        for task in tasks(arguments.files)
        for contender in ALL
        if (not arguments.tasks or task.key in arguments.tasks)
        and (not arguments.peers or contender.name in arguments.peers)
        and (not contender.api or contender.api in arguments.api)
        and (contender.is_mount or task.official)
    ]


@contextmanager
def servers(wants_ssh: bool) -> Iterator[Site]:
    """The sandbox, and an SSH server where somebody needs it. No delay yet."""
    with tempfile.TemporaryDirectory(prefix="f7tfs-peers-") as directory, ExitStack() as stack:
        base = Path(directory)
        (base / "root").mkdir()
        sandbox = stack.enter_context(SandboxProcess(base / "root", token_seconds=86400.0))
        yield Site(sandbox, stack.enter_context(sshd(base / "ssh")) if wants_ssh else None, 0.0)


def measure(wanted: Sequence[tuple[float, Task, Contender]], files: int, bound: float) -> Iterator[Cell]:
    """One after the other."""
    package = package_here()
    with (
        servers(any(not contender.api for _, _, contender in wanted)) as site,
        tempfile.TemporaryDirectory(prefix="f7tfs-peers-near-") as near,
    ):
        near_files(Path(near), files, package)
        for delay, task, contender in wanted:
            here = Site(site.sandbox, site.sshd, delay)
            cell = measured(here, contender, task, Path(near), package, bound)
            print(f"{delay * 1000:.0f} ms  {task.key:12} {contender!s:16} {page.told(cell)}", flush=True)
            yield cell


def piece(keep: Path, delay: float, contender: Contender) -> Path:
    """The file that has what was measured of one delay by one API, or by one of those that use none."""
    return keep / f"{delay * 1000:.0f}ms-{contender.api or contender.name}.json"


def kept(path: Path) -> list[Cell]:
    return [Cell(**each) for each in json.loads(path.read_text())] if path.exists() else []


def measure_what_is_missing(
    wanted: Sequence[tuple[float, Task, Contender]], keep: Path, arguments: argparse.Namespace
) -> None:
    """What is kept already is not measured again."""
    known = {(cell.delay, cell.task, cell.contender) for path in keep.glob("*.json") for cell in kept(path)}
    missing_yet = [each for each in wanted if (each[0], each[1].key, str(each[2])) not in known]
    files = {(delay, str(contender)): piece(keep, delay, contender) for delay, _, contender in wanted}
    for cell in measure(missing_yet, arguments.files, arguments.bound):
        path = files[cell.delay, cell.contender]
        path.write_text(json.dumps([each.as_json() for each in [*kept(path), cell]], indent=1))


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--delay", nargs="+", type=float, default=[0, 20, 40, 100], help="milliseconds, a round trip")
    parser.add_argument("--tasks", nargs="+", choices=[task.key for task in tasks(1)], help="all unless given")
    parser.add_argument("--peers", nargs="+", choices=sorted({c.name for c in ALL}), help="all unless given")
    parser.add_argument("--api", nargs="+", choices=["v1", "v2"], default=["v1", "v2"])
    parser.add_argument("--files", type=int, default=1000, help="of the tree")
    parser.add_argument("--bound", type=float, default=300.0, help="seconds, after which a task is stopped")
    parser.add_argument("--keep", type=Path, help="a directory of figures, which are read and added to")
    parser.add_argument("--write", type=Path, nargs="?", const=TARGET, help="write the page, to docs unless told")
    parser.add_argument("--note", default="", help="a sentence for the page, of how it was measured")
    return parser.parse_args()


def main() -> None:
    arguments = parsed()
    wanted = chosen(arguments)
    lacking = {missing(contender) for _, _, contender in wanted} - {""}
    lacking |= {"sshd"} if sshd_found() is None and any(not c.api for _, _, c in wanted) else set()
    if lacking:
        raise SystemExit(f"not installed: {', '.join(sorted(lacking))}; scripts/setup.sh peers")
    with ExitStack() as stack:
        keep = arguments.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="f7tfs-peers-kept-")))
        keep.mkdir(exist_ok=True)
        measure_what_is_missing(wanted, keep, arguments)
        if arguments.write:
            cells = [cell for path in sorted(keep.glob("*.json")) for cell in kept(path)]
            page.write(cells, tasks(arguments.files), arguments.write, arguments.note)


if __name__ == "__main__":
    main()
