"""Files of a middle size by every route that can carry them, beside the one that is chosen, over a sandbox.

    chrt -r 1 .venv/bin/python -m scripts.bench_middle --write

puts the table into docs/explanation/large-files.md. What servers, scheduler and line take are waits of the sandbox,
of the length that was seen on real ones (`scripts/middle/waits.py`): so another load of the machine changes little.
All of it takes about 20 minutes. Seconds are those until the content is there; calls are counted until nothing of it
is left behind. Each file is compared afterwards.
"""

from __future__ import annotations

import argparse
import filecmp
import os
import random
import re
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from f7tfs.cluster.connect import connect
from f7tfs.cluster.errors import ClusterError
from f7tfs.cluster.port import Cluster
from f7tfs.firecrest.auth import ClientCredentials
from f7tfs.sandbox.process import SandboxProcess
from scripts.middle import waits
from scripts.middle.routes import Place, Way, carried, chosen, pieces_of, work
from scripts.middle.table import Cell, Row, table
from scripts.pages import write_table
from scripts.peers.delay import HOST, delayed

MB = 1_000_000
SIZES = (1, 4, 8, 20, 64, 120, 200)
TEXTS = (8, 20, 64)
PAGE = Path(__file__).parents[1] / "docs/explanation/large-files.md"
TABLE = "middle sizes"


def write_file(path: Path, size: int, text: bool) -> None:
    """Random bytes, or the log of a program: a tenth of it is left when it is compressed."""
    source = random.Random(size)  # noqa: S311 - a file, and the same one each time
    with path.open("wb") as out:
        while out.tell() < size:
            block = _log(source, out.tell()) if text else source.randbytes(MB)
            out.write(block[: size - out.tell()])


def _log(source: random.Random, start: int) -> bytes:
    numbers = ((start + n, source.randrange(9999)) for n in range(9999))
    return "".join(f"step {n:012} energy -76.02{energy:04} converged to 1e-8\n" for n, energy in numbers).encode()


class Bench:
    """One sandbox for one API, some way off."""

    def __init__(self, api: str, sandbox: SandboxProcess, cluster: Cluster, base: Path) -> None:
        self.api, self.sandbox, self.cluster, self.base = api, sandbox, cluster, base
        self._number = 0

    async def rows(self, size: int, text: bool, lines: Sequence[float | None]) -> AsyncIterator[Row]:
        """Of one size: in over each of the lines, and out."""
        local = self.base / "local"
        write_file(local, size, text)
        for way, line in [*((Way.IN, line) for line in lines), (Way.OUT, None)]:
            routes = carried(way, self.api, size, self.cluster.limits, text)
            cells = {route: await self.cell(way, route, local, line) for route in routes}
            taken = chosen(way, self.api, size, self.cluster.limits, self.cluster.features, text)
            row = Row(way.value, self.api, line, text, size // MB, cells, taken)
            print(row, flush=True)
            yield row

    async def cell(self, way: Way, route: str, local: Path, line: float | None) -> Cell:
        """One file by one route."""
        place = self.place(way, local)
        size = (await trio.Path(local).stat()).st_size
        biggest, at_once = pieces_of(way, route, size, self.cluster.limits, place)
        api_rules = waits.api(self.api, biggest, at_once, line)
        s3_rules = waits.storage(self.api, size, line)
        self.sandbox.faults(*api_rules, s3_rules=s3_rules, staging_delay=waits.staging(size))
        self.sandbox.reset_calls()
        began = trio.current_time()
        try:
            await work(way, route)(self.cluster, place)
            seconds = trio.current_time() - began
            await self.cluster.tidy()
        except ClusterError as error:
            return Cell(0.0, 0, re.sub(r"(?<!^)(?=[A-Z])", " ", type(error).__name__).lower())
        finally:
            self.sandbox.clear_faults()
        if not filecmp.cmp(place.here if way is Way.OUT else place.real, local, shallow=False):
            raise RuntimeError(f"{route}: what has come is not what was sent")
        calls = sum(count for name, count in self.sandbox.calls().items() if "token" not in name)
        return Cell(seconds, calls)

    def place(self, way: Way, local: Path) -> Place:
        """A directory of its own on the cluster, with the file in it if it is to be read."""
        self._number += 1
        directory = f"{self.sandbox.info.home}/run{self._number}"
        there = self.sandbox.real(directory)
        there.mkdir()
        if way is Way.IN:
            return Place(directory, local, there / "result", self.base / "archive.tar.gz")
        # Nobody writes to it.
        (there / "result").hardlink_to(local)
        return Place(directory, self.base / "fetched", there / "result", self.base / "archive.tar.gz")


@asynccontextmanager
async def bench(api: str, base: Path) -> AsyncIterator[Bench]:
    """Connected, and with what a user's first session makes on the cluster."""
    (base / "root").mkdir()
    with (
        SandboxProcess(base / "root", **waits.SETTINGS[api]) as sandbox,
        delayed(sandbox.info.port, waits.ROUND_TRIP) as port,
    ):
        info = sandbox.info
        login = ClientCredentials(info.client_id, info.client_secret, f"http://{HOST}:{port}/auth/token")
        (sandbox.home / ".f7tfs").mkdir(mode=0o700)
        async with connect(f"http://{HOST}:{port}/{api}", login, info.system) as cluster:
            await cluster.identity()
            ready = Bench(api, sandbox, cluster, base)
            # What is asked once in a session is no part of a transfer.
            write_file(base / "first", 1000, text=True)
            await work(Way.IN, "archive")(cluster, ready.place(Way.IN, base / "first"))
            yield ready


async def measured(api: str, sizes: Sequence[int], texts: Sequence[int]) -> list[Row]:
    """All sizes, one after the other."""
    rows: list[Row] = []
    lines: tuple[float | None, ...] = (None, waits.SLOW_LINE) if api == "v2" else (None,)
    with tempfile.TemporaryDirectory(prefix="f7tfs-bench-") as directory:
        async with bench(api, Path(directory)) as ready:
            for size in sizes:
                rows += [row async for row in ready.rows(size * MB, text=False, lines=lines)]
            for size in texts:
                rows += [row async for row in ready.rows(size * MB, text=True, lines=(None,))]
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--api", nargs="+", default=["v2", "v1"])
    parser.add_argument("--sizes", nargs="*", type=int, default=SIZES, help="MB of random bytes")
    parser.add_argument("--texts", nargs="*", type=int, default=TEXTS, help="MB of text")
    parser.add_argument("--write", type=Path, nargs="?", const=PAGE, help="the page that holds the table")
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    rows = [row for api in arguments.api for row in trio.run(measured, api, arguments.sizes, arguments.texts)]
    told = f"Load average {load:.0f} at the start, {os.getloadavg()[0]:.0f} at the end, {os.cpu_count()} cores."
    text = f"{table(rows)}\n{told}\n"
    print(text)
    if arguments.write:
        write_table(arguments.write, TABLE, text)


if __name__ == "__main__":
    main()
