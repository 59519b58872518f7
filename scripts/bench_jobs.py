"""Counts the API calls of looking at jobs for a minute: at one, and at two hundred. Writes a table in Markdown."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from f7tfs.sandbox.process import SandboxProcess

SECONDS = 60.0
MANY = 200


@contextmanager
def mounted(api: str, base: Path) -> Iterator[tuple[SandboxProcess, Path]]:
    """A sandbox, and where its user's home is mounted."""
    (base / "root").mkdir()
    (base / "mnt").mkdir()
    with SandboxProcess(base / "root") as sandbox:
        f7tfs(sandbox, api, base, "mount", "cluster:", str(base / "mnt"))
        try:
            yield sandbox, base / "mnt"
        finally:
            f7tfs(sandbox, api, base, "umount", str(base / "mnt"))


def f7tfs(sandbox: SandboxProcess, api: str, base: Path, *arguments: str) -> None:
    environment = {
        **sandbox.info.variables(api),
        "XDG_STATE_HOME": str(base / "state"),
    }
    command = [sys.executable, "-m", "f7tfs", *arguments]
    subprocess.run(command, env={**os.environ, **environment}, check=True, stderr=subprocess.DEVNULL)


def watch(sandbox: SandboxProcess, mount: Path, jobs: int) -> tuple[int, int]:
    """Submit jobs, and read the status of each again and again; how many reads, and how many calls of the API."""
    names = [f"watched-{number}" for number in range(jobs)]
    for name in names:
        (mount / ".jobs" / name).write_text("#!/bin/bash\nsleep 3600\n")
    watched = [mount / ".jobs/by-name" / name / "status" for name in names]
    sandbox.reset_calls()
    began, reads = time.perf_counter(), 0
    while time.perf_counter() - began < SECONDS:
        for status in watched:
            status.read_text()
            reads += 1
        time.sleep(0.2)
    return reads, sum(count for route, count in sandbox.calls().items() if "token" not in route)


def main() -> None:
    print("| API | jobs watched for a minute | reads of `status` | calls |")
    print("|---|---|---|---|")
    for api in ("v2", "v1"):
        for jobs in (1, MANY):
            with tempfile.TemporaryDirectory() as base, mounted(api, Path(base)) as (sandbox, mount):
                reads, calls = watch(sandbox, mount, jobs)
            print(f"| {api} | {jobs} | {reads} | {calls} |", flush=True)


if __name__ == "__main__":
    main()
