"""Calls and times of programs that look at a growing log, with windows and without, and of a log all by windows.

    python scripts/bench_windows.py [MEGABYTES]

Over a sandbox whose calls take 0.1 s more, as those of a site do. Prints a Markdown table.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import trio

from f7tfs.cluster.connect import connect
from f7tfs.firecrest.auth import ClientCredentials
from f7tfs.sandbox.process import SandboxProcess

MIB = 2**20
WINDOW = 2 * MIB
LATENCY = 0.1
LINE = "{:09} energy -76.0263 converged\n"
LOOKS = (
    ("tail -n 10", ("tail", "-n", "10")),
    ("grep through all of it", ("grep", "-c", "converged")),
)


class Bench:
    """One sandbox, one log in its home."""

    def __init__(self, sandbox: SandboxProcess, base: Path, size: int) -> None:
        self.sandbox, self.base, self.size = sandbox, base, size
        self.log = sandbox.home / "run.log"
        self.log.write_text("".join(LINE.format(number) for number in range(size // len(LINE.format(0)))))

    def f7tfs(self, api: str, *arguments: str) -> None:
        settings = {
            **self.sandbox.info.variables(api),
            "HOME": str(self.base),
            "XDG_STATE_HOME": str(self.base / "state"),
        }
        subprocess.run([sys.executable, "-m", "f7tfs", *arguments], env={**os.environ, **settings}, check=True)

    def calls(self) -> int:
        return sum(count for route, count in self.sandbox.calls().items() if "token" not in route)

    def looks(self, api: str, *options: str) -> list[tuple[str, int, float]]:
        """(what, calls, seconds) of each look at the log, before and after it has grown."""
        mountpoint = self.base / "mnt"
        mountpoint.mkdir(exist_ok=True)
        self.f7tfs(api, "mount", f"{self.sandbox.info.system}:", str(mountpoint), *options)
        found = []
        for when in ("", ", after it has grown"):
            for what, command in LOOKS:
                self.f7tfs(api, "refresh", str(mountpoint / "run.log"))
                self.sandbox.reset_calls()
                started = time.monotonic()
                # Not to /dev/null: grep would stop at its first match.
                subprocess.run([*command, str(mountpoint / "run.log")], check=True, stdout=subprocess.PIPE)
                found.append((what + when, self.calls(), time.monotonic() - started))
            with self.log.open("a") as file:
                file.write(LINE.format(0) * 100)
        self.f7tfs(api, "umount", str(mountpoint))
        return found

    def all_by_windows(self) -> tuple[str, int, float]:
        info = self.sandbox.info
        authorization = ClientCredentials(info.client_id, info.client_secret, info.token_url)
        size = self.log.stat().st_size

        async def use() -> float:
            async with connect(info.url_v2, authorization, info.system) as cluster:
                self.sandbox.reset_calls()
                started, at = time.monotonic(), 0
                while at < size:
                    at += len(await cluster.read_window(f"{info.home}/run.log", at, min(at + WINDOW, size), size))
                return time.monotonic() - started

        seconds = trio.run(use)
        return "all of it by windows", self.calls(), seconds


def main(size: int) -> None:
    print("| | API | calls, windows | s | calls, staged | s |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as base, SandboxProcess(Path(base) / "root") as sandbox:
        bench = Bench(sandbox, Path(base), size)
        sandbox.faults(latency=LATENCY)
        for api in ("v2", "v1"):
            windows, staged = bench.looks(api), bench.looks(api, "-o", "nowindows")
            for (what, calls, seconds), (_, other_calls, other_seconds) in zip(windows, staged, strict=True):
                print(f"| {what} | {api} | {calls} | {seconds:.1f} | {other_calls} | {other_seconds:.1f} |")
        what, calls, seconds = bench.all_by_windows()
        print(f"| {what} | v2 | {calls} | {seconds:.1f} | | |")


if __name__ == "__main__":
    main(int(sys.argv[1] if len(sys.argv) > 1 else 200) * MIB)
