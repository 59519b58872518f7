"""Large files on a mount against curl with the same ranges and parts in parallel, over a sandbox's object storage.

    python scripts/bench_large.py [MEGABYTES]

Ratios of one run on one machine: server, client and disk share its cores. Prints a Markdown table.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import trio

from f7tfs.cluster.connect import connect
from f7tfs.cluster.model import StagedObject
from f7tfs.firecrest.auth import ClientCredentials
from f7tfs.firecrest.client_v2 import FirecrestV2
from f7tfs.firecrest.s3 import ObjectStorage, plan_parts
from f7tfs.sandbox.process import SandboxProcess

MIB = 2**20
STREAMS = 8
READS, READ = 100, 131072


def timed(work: Callable[[], object]) -> float:
    started = time.monotonic()
    work()
    return time.monotonic() - started


def ratio(theirs: float, ours: float) -> str:
    """Above 1 where f7tfs is faster."""
    return f"{theirs / ours:.2f}"


def curl(jobs: list[list[str]]) -> None:
    """Run curl with each list of arguments, STREAMS at once."""
    left = list(jobs)
    running: list[subprocess.Popen[bytes]] = []
    while left or running:
        while left and len(running) < STREAMS:
            running.append(subprocess.Popen(["curl", "-sf", *left.pop(0)]))
        if running.pop(0).wait():
            raise RuntimeError("curl failed")


class Bench:
    """One sandbox, one mount of its home by v2."""

    def __init__(self, sandbox: SandboxProcess, base: Path, size: int) -> None:
        self.sandbox, self.base, self.size = sandbox, base, size
        self.mountpoint = base / "mnt"
        self.mountpoint.mkdir()
        info = sandbox.info
        self.authorization = ClientCredentials(info.client_id, info.client_secret, info.token_url)
        self.environment = {
            **os.environ,
            **info.variables(),
            "HOME": str(base),
            "XDG_STATE_HOME": str(base / "state"),
        }

    def f7tfs(self, *arguments: str) -> None:
        subprocess.run([sys.executable, "-m", "f7tfs", *arguments], env=self.environment, check=True)

    def stage(self, name: str) -> StagedObject:
        async def use() -> StagedObject:
            async with connect(self.sandbox.info.url_v2, self.authorization, self.sandbox.info.system) as cluster:
                return await cluster.stage_out(f"{self.sandbox.info.home}/{name}")

        return trio.run(use)

    def curl_out(self, url: str) -> None:
        """The whole object by parallel ranges into files."""
        step = -(-self.size // STREAMS)
        curl(
            [
                ["-r", f"{start}-{min(start + step, self.size) - 1}", "-o", str(self.base / f"part{start}"), url]
                for start in range(0, self.size, step)
            ]
        )

    def upload(self, put: Callable[[list[str], int], None]) -> float:
        """Time that `put` takes for the parts of one upload."""

        async def urls() -> tuple[list[str], int]:
            async with FirecrestV2(self.sandbox.info.url_v2, self.authorization) as client:
                answer = await client.transfer_upload(
                    self.sandbox.info.system, f"{self.sandbox.info.home}/unused", self.size
                )
                told = answer["transferDirectives"]
                return list(told["partsUploadUrls"]), int(told["maxPartSize"])

        parts, largest = trio.run(urls)
        return timed(lambda: put(parts, largest))

    def put_by_curl(self, urls: list[str], _largest: int) -> None:
        curl([["-T", str(self.base / f"in{index:03d}"), url] for index, url in enumerate(urls)])

    def put_by_f7tfs(self, urls: list[str], largest: int) -> None:
        async def put() -> None:
            async with ObjectStorage() as storage:
                await storage.put_parts(self.base / "in", plan_parts(urls, largest, self.size), lambda _: None)

        trio.run(put)

    def cached(self) -> int:
        return sum(path.stat().st_blocks * 512 for path in self.base.rglob("state/**/content/*"))

    def memory(self) -> int:
        """Peak of the daemon, in MiB."""
        for process in Path("/proc").glob("[0-9]*"):
            words = (process / "cmdline").read_bytes().split(b"\0")
            if str(self.mountpoint).encode() in words and b"mount" in words:
                status = (process / "status").read_text()
                return int(status.split("VmHWM:")[1].split()[0]) // 1024
        return 0


def measure(bench: Bench) -> list[tuple[str, str, str, str]]:
    size, home = bench.size, bench.sandbox.home
    block = os.urandom(MIB)
    for path in (bench.base / "in", home / "large", home / "random"):
        with path.open("wb") as target:
            for _ in range(size // MIB):
                target.write(block)
    subprocess.run(["split", "-b", str(64 * MIB), "-d", "-a", "3", "in", "in"], cwd=bench.base, check=True)
    for name in ("large", "random"):
        os.utime(home / name, (1_600_000_000, 1_600_000_000))
    rows = []
    bench.f7tfs("mount", f"{bench.sandbox.info.system}:", str(bench.mountpoint))
    large, random = bench.mountpoint / "large", bench.mountpoint / "random"
    with large.open("rb") as file:
        staging = timed(lambda: file.read(1))
        first = timed(lambda: os.pread(file.fileno(), 1, size // 2))
    rows.append(("first byte of a file: staging", f"{staging:.1f} s", "", ""))
    rows.append(("first byte elsewhere in it, once staged", f"{first:.3f} s", "", ""))
    out = timed(lambda: subprocess.run(["cp", str(large), str(bench.base / "out")], check=True))
    past = timed(lambda: bench.f7tfs("cp", str(random), str(bench.base / "past")))
    (bench.base / "past").unlink()
    url = bench.stage("large").url
    by_curl = timed(lambda: bench.curl_out(url))
    rows.append(
        ("out: `cp` from the mount, curl by ranges", f"{out:.1f} s", f"{by_curl:.1f} s", f"{by_curl / out:.2f}")
    )
    rows.append(
        (
            "out: `f7tfs cp`, with its start, the staging and an fsync",
            f"{past:.1f} s",
            f"{by_curl:.1f} s",
            f"{by_curl / past:.2f}",
        )
    )
    before = bench.cached()
    with random.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
        for index in range(READS):
            os.pread(file.fileno(), READ, (index * 7919 * 65537) % (size - READ))
    fetched = bench.cached() - before
    rows.append(
        (
            f"{READS} random reads of 128 KiB: fetched, read",
            f"{fetched / MIB:.1f} MiB",
            f"{READS * READ / MIB:.1f} MiB",
            f"{fetched / READS / READ:.2f}",
        )
    )
    ours, theirs = bench.upload(bench.put_by_f7tfs), bench.upload(bench.put_by_curl)
    rows.append(("parts of an upload: f7tfs, curl", f"{ours:.1f} s", f"{theirs:.1f} s", ratio(theirs, ours)))
    copied = timed(lambda: subprocess.run(["cp", str(bench.base / "in"), str(bench.mountpoint / "new")], check=True))
    synced = timed(lambda: bench.f7tfs("sync", str(bench.mountpoint)))
    rows.append(("in: `cp` to the mount, until the cluster has it", f"{copied:.1f} s", f"+ {synced:.1f} s", ""))
    rows.append(("memory of the daemon, at most", f"{bench.memory()} MiB", "", ""))
    bench.f7tfs("umount", str(bench.mountpoint))
    return rows


def main() -> None:
    size = int(sys.argv[1] if len(sys.argv) > 1 else "600") * MIB
    with tempfile.TemporaryDirectory(prefix="f7tfs-bench-") as directory:
        base = Path(directory)
        with SandboxProcess(base / "sandbox") as sandbox:
            rows = measure(Bench(sandbox, base, size))
    print(f"{size // MIB} MiB; load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n")
    print("| what | f7tfs | compared with | ratio |\n|---|---|---|---|")
    for row in rows:
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
