"""Counts API calls and measures wall time of ordinary commands on a mount, against the sandbox with a set latency.

Writes a table in Markdown: `scripts/bench.py --write docs/explanation/performance-figures.md`. A figure of one line
is to be compared with others of the same run only.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from f7tfs.sandbox.process import SandboxProcess

MB = 1_000_000
PATIENCE = 900.0
TREE = "1,000 files of 2 kB in 111 directories"


@dataclass(frozen=True)
class Row:
    """One measured command. `fewest`: as many calls as it could do with, by the API."""

    api: str
    latency: float
    what: str
    calls: int | None
    fewest: str
    seconds: float
    note: str = ""


class Bench:
    """A mount over a sandbox of its own."""

    def __init__(self, api: str, base: Path) -> None:
        self.api = api
        self.rows: list[Row] = []
        self.latency = 0.0
        self._base = base
        self.mnt = base / "mnt"
        self.mnt.mkdir(parents=True)
        self.sandbox = SandboxProcess(base / "root")

    @contextmanager
    def running(self) -> Iterator[None]:
        (self._base / "root").mkdir()
        with self.sandbox:
            (self.sandbox.home / "readme").touch()
            yield

    @contextmanager
    def mounted(self, *options: str) -> Iterator[None]:
        self.f7tfs("mount", "cluster:", str(self.mnt), *options)
        try:
            yield
        finally:
            self.f7tfs("umount", str(self.mnt))

    def f7tfs(self, *arguments: str) -> None:
        environment = {
            **self.sandbox.info.variables(self.api),
            "XDG_STATE_HOME": str(self._base / "state"),
            "XDG_RUNTIME_DIR": str(self._base / "run"),
        }
        (self._base / "run").mkdir(mode=0o700, exist_ok=True)
        command = [sys.executable, "-m", "f7tfs", *arguments]
        subprocess.run(command, env={**os.environ, **environment}, check=True, stdout=subprocess.DEVNULL)

    def forget(self) -> None:
        """Believe nothing that was seen before."""
        self.f7tfs("refresh", str(self.mnt))

    def set_latency(self, seconds: float) -> None:
        self.latency = seconds
        self.sandbox.faults(latency=seconds)

    def measure(self, what: str, fewest: str, action: Callable[[], object], note: str = "") -> Row:
        self.sandbox.reset_calls()
        start = time.perf_counter()
        action()
        seconds = time.perf_counter() - start
        calls = sum(count for route, count in self.sandbox.calls().items() if "token" not in route)
        row = Row(self.api, self.latency, what, calls, fewest, seconds, note)
        self.rows.append(row)
        print(format_row(row), flush=True)
        return row

    def run(self, *command: str, ok: tuple[int, ...] = (0,)) -> None:
        # A process group of its own, as a shell at a prompt makes it.
        done = subprocess.run(
            command, cwd=self.mnt, check=False, stdout=subprocess.DEVNULL, timeout=PATIENCE, start_new_session=True
        )
        assert done.returncode in ok, command

    # -- the tasks -------------------------------------------------------------------------------

    def listings(self, entries: int) -> None:
        directory = self.sandbox.home / f"list{entries}-{self.latency}"
        directory.mkdir()
        for index in range(entries):
            (directory / f"file{index:06}").touch()
            os.utime(directory / f"file{index:06}", (1_600_000_000, 1_600_000_000))
        self.forget()
        # The kernel looks the directory's own name up first, which lists its parent: that is not the task.
        (self.mnt / directory.name).stat()
        task = ["ls", "-l", directory.name]
        self.measure(f"`ls -l` of {entries:,} entries, cold", "1", lambda: self.run(*task))
        self.measure(f"`ls -l` of {entries:,} entries, warm", "0", lambda: self.run(*task))
        shutil.rmtree(directory)

    def small_files(self, local: Path) -> None:
        (local / "small").write_bytes(os.urandom(2000))
        name = f"small-{self.latency}"
        self.forget()
        self.measure("`cp` of a small file in, cold", "1", lambda: self.run("cp", str(local / "small"), name))
        self.measure("`cp` of a small file in, warm", "1", lambda: self.run("cp", str(local / "small"), f"{name}b"))
        name = f"theirs-{self.latency}"
        (self.sandbox.home / name).write_bytes(os.urandom(2000))
        # Settled: what was changed within the last two seconds is not kept.
        os.utime(self.sandbox.home / name, (1_600_000_000, 1_600_000_000))
        self.forget()
        self.measure("`cp` of a small file out, cold", "2", lambda: self.run("cp", name, str(local / "out")))
        self.measure("`cp` of a small file out, warm", "0", lambda: self.run("cp", name, str(local / "out")))

    def find(self) -> None:
        top = self.sandbox.home / f"tree-{self.latency}"
        for index in range(100):
            (top / f"d{index // 10}/e{index}").mkdir(parents=True)
            (top / f"d{index // 10}/e{index}/f").touch()
        self.forget()
        (self.mnt / top.name).stat()
        self.measure("`find` over 111 directories, cold", "1", lambda: self.run("find", top.name))
        self.measure("`find` over 111 directories, warm", "0", lambda: self.run("find", top.name))

    def tree_out(self, local: Path) -> None:
        top = plant(self.sandbox.home / f"project-{self.latency}")
        self.forget()
        (self.mnt / top.name).stat()
        out = local / top.name
        self.measure(f"`cp -r` of {TREE} out, cold", "4", lambda: self.run("cp", "-r", top.name, str(out)))
        subprocess.run(["diff", "-r", str(top), str(out)], check=True)
        self.measure("`grep -r` over them, warm", "0", lambda: self.run("grep", "-rc", "f7tfs", top.name, ok=(0, 1)))

    def tree_in(self, local: Path) -> None:
        source = plant(local / f"in-{self.latency}")
        self.run("ls")

        def copy_in_and_sync() -> None:
            self.run("cp", "-r", str(source), ".")
            self.f7tfs("sync", str(self.mnt))

        what = f"{TREE} in, mode `async`, until the cluster has it"
        self.measure(f"`cp -r` of {what}", "4", copy_in_and_sync)
        subprocess.run(["diff", "-r", str(source), str(self.sandbox.home / source.name)], check=True)

    def tree_removed(self, mode: str) -> None:
        top = plant(self.sandbox.home / f"old-{mode}-{self.latency}")
        self.forget()
        self.run("ls", "-lR", top.name)

        def remove_and_sync() -> None:
            self.run("rm", "-r", top.name)
            self.f7tfs("sync", str(self.mnt))

        what = f"{TREE}, listed before, mode `{mode}`, until the cluster has done it"
        self.measure(f"`rm -r` of {what}", "1", remove_and_sync)
        assert not top.exists()

    def large_file(self, local: Path, megabytes: int) -> None:
        size = megabytes * MB
        write_random(local / "large", size)

        def copy_in() -> None:
            self.run("cp", str(local / "large"), "large.bin")

        def copy_in_and_sync() -> None:
            copy_in()
            self.f7tfs("sync", str(self.mnt))

        whole = self.measure(f"`cp` of {megabytes} MB in, until the cluster has it", "", copy_in_and_sync)
        self._curl_in(local / "large", size, whole)
        (self.sandbox.home / "large.bin").rename(self.sandbox.home / "other.bin")
        self.forget()
        out = self.measure(
            f"`cp` of {megabytes} MB out, staging included",
            "",
            lambda: self.run("cp", "other.bin", str(local / "out")),
        )
        self._curl_out(local, "other.bin", out)

    # -- curl on presigned URLs (v2) -------------------------------------------------------------

    def _api(self, method: str, path: str, body: object = None) -> dict[str, object]:
        token = self.sandbox.token()
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        request = urllib.request.Request(  # noqa: S310 -- our own server
            f"{self.sandbox.info.url_v2}{path}", data, headers, method=method
        )
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 -- our own server
            content: dict[str, object] = json.loads(answer.read())
            return content

    def _curl_in(self, source: Path, size: int, whole: Row) -> None:
        body = {
            "path": f"{self.sandbox.info.home}/curl.bin",
            "transferDirectives": {"transferMethod": "s3", "fileSize": size},
        }
        answer = self._api("POST", "/filesystem/cluster/transfer/upload", body)
        directives = answer["transferDirectives"]
        assert isinstance(directives, dict)
        part = int(directives["maxPartSize"])
        start = time.perf_counter()
        for index, url in enumerate(directives["partsUploadUrls"]):
            split = ["dd", f"if={source}", f"bs={part}", f"skip={index}", "count=1", "status=none", "iflag=fullblock"]
            with subprocess.Popen(split, stdout=subprocess.PIPE) as piece:
                header = ["-H", f"Content-Length: {min(part, size - index * part)}", "-H", "Transfer-Encoding:"]
                subprocess.run(
                    ["curl", "-sf", "-X", "PUT", *header, "-T", "-", "-o", "/dev/null", str(url)],
                    stdin=piece.stdout,
                    check=True,
                )
        self._compare("`curl` of the same parts, one after the other, to object storage only", start, whole)

    def _curl_out(self, local: Path, name: str, whole: Row) -> None:
        body = {"path": f"{self.sandbox.info.home}/{name}", "transferDirectives": {"transferMethod": "s3"}}
        staging = time.perf_counter()
        answer = self._api("POST", "/filesystem/cluster/transfer/download", body)
        directives = answer["transferDirectives"]
        assert isinstance(directives, dict)
        url = str(directives["downloadUrl"])
        while subprocess.run(["curl", "-sf", "-r", "0-0", "-o", "/dev/null", url], check=False).returncode:
            time.sleep(0.05)
        staged = time.perf_counter() - staging
        start = time.perf_counter()
        subprocess.run(["curl", "-sf", "-o", str(local / "curl.out"), url], check=True)
        note = f"the staging before it took {staged:.2f} s"
        self._compare("`curl` of the same object", start, whole, note, extra=staged)

    def _compare(self, what: str, start: float, whole: Row, note: str = "", extra: float = 0.0) -> None:
        seconds = time.perf_counter() - start
        ratio = (seconds + extra) / whole.seconds
        with_staging = " with its staging" if extra else ""
        note = f"{note + '; ' if note else ''}the mount goes at {ratio:.2f} of curl's speed{with_staging}"
        row = Row(self.api, self.latency, what, None, "", seconds, note)
        self.rows.append(row)
        print(format_row(row), flush=True)


def plant(top: Path) -> Path:
    """A tree of small files, old enough to be believed."""
    for index in range(1000):
        directory = top / f"d{index % 100 // 10}/e{index % 100}"
        directory.mkdir(parents=True, exist_ok=True)
        (directory / f"f{index}").write_bytes(os.urandom(1000) * 2)
        os.utime(directory / f"f{index}", (1_600_000_000, 1_600_000_000))
    return top


def write_random(path: Path, size: int) -> None:
    block = os.urandom(MB)
    with path.open("wb") as out:
        for index in range(size // MB):
            out.write(index.to_bytes(8, "big") + block[8:])


def format_row(row: Row) -> str:
    calls = "" if row.calls is None else str(row.calls)
    return (
        f"| {row.api} | {row.latency * 1000:.0f} | {row.what} | {calls} | {row.fewest} "
        f"| {row.seconds:.3f} | {row.note} |"
    )


HEADER = """| API | latency per call, ms | task | calls | fewest possible | seconds | |
|---|---|---|---|---|---|---|"""

INTRODUCTION = """# Performance figures

Made by `make bench` (`scripts/bench.py`) in one run, against the sandbox on the same machine ({machine}), with the
latency shown added to every API call. Compare figures of one run only. The counts of calls hardly depend on the
machine: how many archives `cp -r` fills depends on its speed, and a walk is noticed sooner where a neighbour was
listed just before, as in this run. The transfer to and from object storage has no added latency.
"""


def measured(api: str, latencies: list[float], megabytes: int) -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="f7tfs-bench-") as directory:
        bench, local = Bench(api, Path(directory) / "bench"), Path(directory) / "local"
        local.mkdir()
        with bench.running():
            with bench.mounted():
                for latency in latencies:
                    bench.set_latency(latency)
                    bench.listings(1000)
                    bench.listings(10_000)
                    bench.small_files(local)
                    bench.find()
                    bench.tree_out(local)
                    bench.tree_removed("auto")
                if megabytes and api == "v2":
                    bench.set_latency(0.0)
                    bench.large_file(local, megabytes)
            with bench.mounted("--write-mode", "async"):
                for latency in latencies:
                    bench.set_latency(latency)
                    bench.tree_in(local)
                    bench.tree_removed("async")
        return bench.rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--api", nargs="+", default=["v2", "v1"])
    parser.add_argument("--latency", nargs="+", type=float, default=[0.0, 0.02, 0.1], help="seconds per API call")
    parser.add_argument("--megabytes", type=int, default=600, help="of the large file; 0: none")
    parser.add_argument("--write", type=Path, help="write the table to this file too")
    arguments = parser.parse_args()
    print(HEADER)
    rows = [row for api in arguments.api for row in measured(api, arguments.latency, arguments.megabytes)]
    if arguments.write:
        machine = f"{os.cpu_count()} cores, Python {platform.python_version()}"
        lines = [INTRODUCTION.format(machine=machine), HEADER, *map(format_row, rows), ""]
        arguments.write.write_text("\n".join(lines))


if __name__ == "__main__":
    main()
