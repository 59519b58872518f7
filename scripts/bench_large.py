"""Large files on a mount against curl with the same ranges and parts in parallel, over a sandbox's object storage.

    python -m scripts.bench_large [MEGABYTES [ROUNDS]]

Ratios of one run on one machine: server, client and disk share its cores. What is compared takes turns, each time
with a file that nobody has read; the medians are told. As root, at a priority that other work disturbs little. The
object store is the sandbox's own. Prints a Markdown table.
"""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from f7tfs.sandbox.process import SandboxProcess
from scripts.large.place import MIB, READ, READS, STREAMS, Bench, processor, ratio, timed

Row = tuple[str, str, str, str]


def compared(what: str, ours: list[float], theirs: list[float], kind: str) -> Row:
    mine, other = statistics.median(ours), statistics.median(theirs)
    return what, f"{mine:.2f} s", f"{kind} {other:.2f} s", ratio(other, mine)


def prepare(bench: Bench, rounds: int) -> None:
    """A file to send, whole and in parts, and those that are to be read."""
    block = os.urandom(MIB)
    with (bench.base / "in").open("wb") as target:
        for _ in range(bench.size // MIB):
            target.write(block)
    os.utime(bench.base / "in", (1_600_000_000, 1_600_000_000))
    for number in range(rounds):
        # Nobody writes to them.
        (bench.sandbox.home / f"large{number}").hardlink_to(bench.base / "in")
    subprocess.run(["split", "-b", str(64 * MIB), "-d", "-a", "3", "in", "in"], cwd=bench.base, check=True)


@dataclass
class Read:
    """Seconds of one file's reading, and of processor time."""

    staging: float
    elsewhere: float
    mount: float
    daemon: float
    curl: float
    curl_processor: float
    official: float
    bare: float

    @property
    def floor(self) -> float:
        """First fetched to the disk, then read by way of a file system: both at once are to be no slower."""
        return self.curl + self.bare


def read_once(bench: Bench, name: str) -> Read:
    """To the first byte, to one elsewhere; for the rest by `cp`, by curl, by the official client, by no network."""
    large = bench.mountpoint / name
    with large.open("rb") as file:
        staging = timed(lambda: file.read(1))
        elsewhere = timed(lambda: os.pread(file.fileno(), 1, bench.size // 2))
        before = bench.processor()
        mount = timed(lambda: subprocess.run(["cp", large, bench.base / "out"], check=True))
        daemon = bench.processor() - before
    (bench.base / "out").unlink()
    url, before = bench.staged_url(name), processor()
    by_curl = timed(lambda: bench.curl_out(url))
    curl_processor = processor() - before
    for path in bench.base.glob("part*"):
        path.unlink()
    official = bench.official_out(name)
    return Read(staging, elsewhere, mount, daemon, by_curl, curl_processor, official, bench.bare_out())


def read(bench: Bench, rounds: int) -> list[Row]:
    """The bytes of staged files: by the mount, by curl from the same URL, by the official client."""
    times = [read_once(bench, f"large{number}") for number in range(rounds)]

    def all_of(what: str) -> list[float]:
        return [getattr(each, what) for each in times]

    return [
        ("first byte of a file, with its staging", f"{statistics.median(all_of('staging')):.2f} s", "", ""),
        ("first byte elsewhere in it, once staged", f"{statistics.median(all_of('elsewhere')):.3f} s", "", ""),
        compared(
            "out: `cp` from the mount, once staged", all_of("mount"), all_of("curl"), f"curl, {STREAMS} ranges:"
        ),
        compared("the same", all_of("mount"), all_of("official"), "pyFirecREST:"),
        compared("the same", all_of("mount"), all_of("floor"), "curl, then `cp` by way of FUSE:"),
        compared("its processor time, of the daemon", all_of("daemon"), all_of("curl_processor"), "curl:"),
    ]


def read_at_random(bench: Bench) -> Row:
    before = bench.cached()
    with (bench.mountpoint / "random").open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
        for index in range(READS):
            os.pread(file.fileno(), READ, (index * 7919 * 65537) % (bench.size - READ))
    fetched = bench.cached() - before
    return (
        f"{READS} random reads of 128 KiB: fetched, read",
        f"{fetched / MIB:.1f} MiB",
        f"{READS * READ / MIB:.1f} MiB",
        f"{fetched / READS / READ:.2f}",
    )


def spent(work: Callable[[], float]) -> tuple[float, float]:
    """What `work` returns, and the processor time that it took."""
    before = processor()
    return work(), processor() - before


def written(bench: Bench, rounds: int) -> list[Row]:
    """The bytes into object storage: as the mount sends them, by curl, by the official client; and a whole copy."""
    ours, curls, official, copied, sent, local, bare, synced = [], [], [], [], [], [], [], []
    for number in range(rounds):
        ours.append(spent(lambda: bench.upload(bench.put_by_f7tfs)))
        curls.append(spent(lambda: bench.upload(bench.put_by_curl)))
        official.append(bench.official_in())
        os.sync()
        began = time.monotonic()
        bench.copy(bench.mountpoint / f"new{number}")
        copied.append(time.monotonic() - began)
        bench.wait_until_sent()
        sent.append(time.monotonic() - began)
        bench.f7tfs("sync", str(bench.mountpoint))
        synced.append(time.monotonic() - began - sent[-1])
        local.append(timed(partial(bench.copy, bench.base / "local")))
        (bench.base / "local").unlink()
        bare.append(bench.bare_in() + curls[-1][0])
    (times, processors), (by_curl, curl_processors) = zip(*ours, strict=True), zip(*curls, strict=True)
    return [
        compared("in: the parts of an upload", [*times], [*by_curl], f"curl, {STREAMS} at once:"),
        compared("the same", [*times], official, "pyFirecREST:"),
        compared("its processor time", [*processors], [*curl_processors], "curl:"),
        compared("in: `cp` to the mount, until `close` returns", copied, local, "to the local disk:"),
        compared("`cp`, and until all parts are sent", sent, [*by_curl], "curl, the parts alone:"),
        compared("the same", sent, bare, "`cp` by way of FUSE, SHA-256, then curl:"),
        ("then until the cluster has it, by the server's jobs", f"{statistics.median(synced):.1f} s", "", ""),
    ]


def measure(bench: Bench, rounds: int) -> list[Row]:
    prepare(bench, rounds)
    bench.f7tfs("mount", f"{bench.sandbox.info.system}:", str(bench.mountpoint))
    try:
        rows = read(bench, rounds)
        (bench.sandbox.home / "large0").rename(bench.sandbox.home / "random")
        bench.f7tfs("refresh", str(bench.mountpoint))
        rows.append(read_at_random(bench))
        rows += written(bench, rounds)
        rows.append(("memory of the daemon, at most", f"{bench.memory()} MiB", "", ""))
    finally:
        bench.f7tfs("umount", str(bench.mountpoint))
    return rows


def main() -> None:
    size = int(sys.argv[1] if len(sys.argv) > 1 else "600") * MIB
    rounds = int(sys.argv[2] if len(sys.argv) > 2 else "3")
    with contextlib.suppress(PermissionError):
        os.nice(-10)
    with tempfile.TemporaryDirectory(prefix="f7tfs-bench-") as directory:
        base = Path(directory)
        os.environ |= {"TMPDIR": directory, "XDG_STATE_HOME": str(base / "state")}
        with SandboxProcess(base / "sandbox") as sandbox:
            rows = measure(Bench(sandbox, base, size), rounds)
    print(
        f"{size // MIB} MiB, medians of {rounds}; load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n"
    )
    print("| what | f7tfs | compared with | ratio |\n|---|---|---|---|")
    for row in rows:
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
