"""Large files on a mount against curl with the same ranges and parts in parallel, over a sandbox's object storage.

    python scripts/bench_large.py [MEGABYTES [ROUNDS]]

Ratios of one run on one machine: server, client and disk share its cores. What is compared takes turns, each time
with a file that nobody has read; the medians are told. As root, at a priority that other work disturbs little. The
object store is the sandbox's own. Prints a Markdown table.
"""

from __future__ import annotations

import contextlib
import json
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

import firecrest
import trio

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


def processor() -> float:
    """Seconds of processor time that this process and those that it waited for have used."""
    return sum(os.times()[:4])


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

    def staged_url(self, name: str) -> str:
        """Where the mount reads a file from."""
        (known,) = self.base.rglob("state/**/staged.json")
        found = [each["staged"] for each in json.loads(known.read_text())]
        return next(str(each["url"]) for each in found if each["path"].endswith(f"/{name}"))

    def official(self) -> firecrest.v2.Firecrest:
        info = self.sandbox.info
        login = firecrest.ClientCredentialsAuth(info.client_id, info.client_secret, info.token_url)
        return firecrest.v2.Firecrest(info.url_v2, login)

    def official_out(self, name: str) -> float:
        """Time that the official client takes for the bytes, once they are staged."""
        target = self.base / "official"
        place = f"{self.sandbox.info.home}/{name}"
        transfer = self.official().download(self.sandbox.info.system, place, str(target), blocking=False)
        assert transfer is not None
        transfer.wait_for_transfer_job()
        taken = timed(transfer.download_file_from_stage)
        target.unlink()
        return taken

    def official_in(self) -> float:
        """Time that the official client takes for the bytes into object storage."""
        info = self.sandbox.info
        transfer = self.official().upload(
            info.system, str(self.base / "in"), info.home, f"official-{time.monotonic_ns()}", blocking=False
        )
        assert transfer is not None
        return timed(transfer.upload_file_to_stage)

    def curl_out(self, url: str) -> None:
        """The whole object by parallel ranges into files."""
        step = -(-self.size // STREAMS)
        curl(
            [
                ["-r", f"{start}-{min(start + step, self.size) - 1}", "-o", str(self.base / f"part{start}"), url]
                for start in range(0, self.size, step)
            ]
        )

    def bare_out(self) -> float:
        """Time that `cp` takes for a file of the local disk by way of a file system that does nothing with it."""
        place = self.base / "bare"
        place.mkdir(exist_ok=True)
        script = Path(__file__).with_name("bench_bare.py")
        serving = subprocess.Popen([sys.executable, str(script), str(place), str(self.base / "in")])
        try:
            while not (place / "large").exists():
                time.sleep(0.05)
            taken = timed(lambda: subprocess.run(["cp", place / "large", self.base / "out"], check=True))
        finally:
            subprocess.run(["umount", place], check=True)
            serving.wait()
        (self.base / "out").unlink()
        return taken

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
        # The object store makes its directory here; these parts are never made a file of.
        (store,) = self.base.glob("f7tfs-sandbox-s3-*")
        before = set(store.iterdir())
        taken = timed(lambda: put(parts, largest))
        for part in set(store.iterdir()) - before:
            part.unlink()
        return taken

    def put_by_curl(self, urls: list[str], _largest: int) -> None:
        curl([["-T", str(self.base / f"in{index:03d}"), url] for index, url in enumerate(urls)])

    def put_by_f7tfs(self, urls: list[str], largest: int) -> None:
        async def put() -> None:
            async with ObjectStorage() as storage:
                await storage.put_parts(self.base / "in", plan_parts(urls, largest, self.size), lambda _: None)

        trio.run(put)

    def copy(self, target: Path) -> None:
        subprocess.run(["cp", self.base / "in", target], check=True)

    def cached(self) -> int:
        return sum(path.stat().st_blocks * 512 for path in self.base.rglob("state/**/content/*"))

    def daemon(self) -> Path:
        """Its directory in /proc."""
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                words = (process / "cmdline").read_bytes().split(b"\0")
                if str(self.mountpoint).encode() in words and b"mount" in words:
                    return process
        raise RuntimeError("there is no daemon")

    def memory(self) -> int:
        """Peak of the daemon, in MiB."""
        status = (self.daemon() / "status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) // 1024

    def processor(self) -> float:
        """Seconds of processor time that the daemon has used."""
        fields = (self.daemon() / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


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
    ours, curls, official, copied, local = [], [], [], [], []
    for number in range(rounds):
        ours.append(spent(lambda: bench.upload(bench.put_by_f7tfs)))
        curls.append(spent(lambda: bench.upload(bench.put_by_curl)))
        official.append(bench.official_in())
        copied.append(timed(partial(bench.copy, bench.mountpoint / f"new{number}")))
        synced = timed(lambda: bench.f7tfs("sync", str(bench.mountpoint)))
        local.append(timed(partial(bench.copy, bench.base / "local")))
        (bench.base / "local").unlink()
    (times, processors), (by_curl, curl_processors) = zip(*ours, strict=True), zip(*curls, strict=True)
    return [
        compared("in: the parts of an upload", [*times], [*by_curl], f"curl, {STREAMS} at once:"),
        compared("the same", [*times], official, "pyFirecREST:"),
        compared("its processor time", [*processors], [*curl_processors], "curl:"),
        compared("in: `cp` to the mount, until `close` returns", copied, local, "to the local disk:"),
        ("then until the cluster has it, with its jobs", f"{synced:.1f} s", "", ""),
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
        os.environ["TMPDIR"] = directory
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
