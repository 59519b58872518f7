"""One sandbox, a mount of its home, and each way by which bytes go in and out."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import firecrest
import trio

from f7tfs.firecrest.auth import ClientCredentials
from f7tfs.firecrest.client_v2 import FirecrestV2
from f7tfs.firecrest.s3 import ObjectStorage, plan_parts
from f7tfs.mount.ask import ask
from f7tfs.mount.runtime import control_socket
from f7tfs.sandbox.process import SandboxProcess

MIB = 2**20
STREAMS = 8
READS, READ = 100, 131072


def timed(work: Callable[[], object]) -> float:
    # What the one before left to be written would be written in the time of this one.
    os.sync()
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
        taken = timed(transfer.upload_file_to_stage)
        # Its job would go on beside what is measured next.
        transfer.wait_for_transfer_job()
        return taken

    def curl_out(self, url: str) -> None:
        """The whole object by parallel ranges into files."""
        step = -(-self.size // STREAMS)
        curl(
            [
                ["-r", f"{start}-{min(start + step, self.size) - 1}", "-o", str(self.base / f"part{start}"), url]
                for start in range(0, self.size, step)
            ]
        )

    @contextlib.contextmanager
    def bare(self) -> Iterator[Path]:
        """A file system that shows the local file as `large`, takes `new`, and does nothing else."""
        place = self.base / "bare"
        place.mkdir(exist_ok=True)
        script = Path(__file__).parents[1] / "bench_bare.py"
        target = self.base / "bare-new"
        serving = subprocess.Popen([sys.executable, str(script), str(place), str(self.base / "in"), str(target)])
        try:
            while not (place / "large").exists():
                time.sleep(0.05)
            yield place
        finally:
            subprocess.run(["umount", place], check=True)
            serving.wait()
            target.unlink()

    def bare_out(self) -> float:
        """Time that `cp` takes for a file of the local disk by way of a file system that does nothing with it."""
        with self.bare() as place:
            taken = timed(lambda: subprocess.run(["cp", place / "large", self.base / "out"], check=True))
        (self.base / "out").unlink()
        return taken

    def bare_in(self) -> float:
        """The same into it, and the SHA-256 of what has come, which is to be known before it is sent."""
        with self.bare() as place:
            taken = timed(lambda: self.copy(place / "new"))
            with (self.base / "bare-new").open("rb") as file:
                return taken + timed(lambda: hashlib.file_digest(file, "sha256"))

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

    def wait_until_sent(self) -> None:
        """Until object storage has all parts of the one file that is being sent."""
        begun, control = False, control_socket(self.mountpoint)
        while True:
            transfers = ask(control, "status", timeout=60.0)["transfers"]
            if begun and (not transfers or transfers[0]["phase"] in {"staging", "finishing"}):
                return
            begun = begun or bool(transfers)
            time.sleep(0.01)

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
