"""What the ten-thousandth small file costs against the first ones, written and read, in write mode `async`.

    python scripts/bench_many.py [THOUSANDS]

Ratios of the daemon's processor time in one run. Prints a Markdown table.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from f7tfs.sandbox.process import SandboxProcess

SMALL = b"x" * 100
AT_ONCE = 1000


def daemon_of(mountpoint: Path) -> int:
    """The process that serves a mount."""
    for process in Path("/proc").glob("[0-9]*"):
        words = (process / "cmdline").read_bytes().split(b"\0") if (process / "cmdline").exists() else []
        if str(mountpoint).encode() in words and b"f7tfs" in words:
            return int(process.name)
    raise RuntimeError(f"nobody serves {mountpoint}")


def processor_seconds(pid: int) -> float:
    """User and system time of a process so far."""
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


class Bench:
    """One sandbox, and one mount of its home by v2."""

    def __init__(self, sandbox: SandboxProcess, base: Path) -> None:
        self.mountpoint = base / "mnt"
        self.mountpoint.mkdir()
        info = sandbox.info
        self.environment = {
            **os.environ,
            **info.variables(),
            "HOME": str(base),
            "XDG_STATE_HOME": str(base / "state"),
        }
        self.f7tfs("mount", f"{info.system}:", str(self.mountpoint), "--write-mode", "async")
        self.daemon = daemon_of(self.mountpoint)

    def f7tfs(self, *arguments: str) -> None:
        subprocess.run([sys.executable, "-m", "f7tfs", *arguments], env=self.environment, check=True)

    def cost(self, work: Callable[[], object]) -> float:
        """Milliseconds of the daemon's processor time for each of AT_ONCE files."""
        before = processor_seconds(self.daemon)
        work()
        return (processor_seconds(self.daemon) - before) * 1000 / AT_ONCE

    def write(self, number: int) -> None:
        directory = self.mountpoint / f"d{number}"
        directory.mkdir()
        for name in range(AT_ONCE):
            (directory / f"f{name}").write_bytes(SMALL)

    def read(self, number: int) -> None:
        for name in range(AT_ONCE):
            if (self.mountpoint / f"d{number}" / f"f{name}").read_bytes() != SMALL:
                raise RuntimeError("what was read is not what was written")


def main() -> None:
    thousands = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    with tempfile.TemporaryDirectory() as directory, SandboxProcess(Path(directory) / "sandbox") as sandbox:
        bench = Bench(sandbox, Path(directory))
        try:
            writes = [bench.cost(partial(bench.write, number)) for number in range(thousands)]
            drain = bench.cost(lambda: bench.f7tfs("sync", str(bench.mountpoint))) * AT_ONCE / 1000
            reads = [bench.cost(partial(bench.read, number)) for number in range(thousands)]
        finally:
            bench.f7tfs("umount", str(bench.mountpoint))
    title = f"{thousands},000 files of {len(SMALL)} bytes, ms of the processor for each"
    print(f"| {title} | first thousand | last | ratio |")
    print("|---|---|---|---|")
    for name, costs in (("written", writes), ("read", reads)):
        print(f"| {name} | {costs[0]:.2f} | {costs[-1]:.2f} | {costs[-1] / costs[0]:.1f} |")
    print(f"\nWhat had not travelled by then took {drain:.1f} s of the processor more.")


if __name__ == "__main__":
    main()
