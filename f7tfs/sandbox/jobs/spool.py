"""Where the local scheduler keeps its scripts, its count, and what it has running, below the served root.

It outlives a sandbox that was killed: the next one over the same root ends the jobs that were left behind, as a power
cut would have, and counts on.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from pathlib import Path

DIRECTORY = ".f7tfs-sandbox"


class Spool:
    """One directory; not below any file system of the cluster."""

    def __init__(self, root: Path) -> None:
        self._base = root / DIRECTORY
        self._running = self._base / "running"
        self._end_leftovers()
        for name in ("running", "scripts", "mount"):
            shutil.rmtree(self._base / name, ignore_errors=True)
            (self._base / name).mkdir(mode=0o700, parents=True)

    @property
    def mount_point(self) -> Path:
        return self._base / "mount"

    @property
    def _counter(self) -> Path:
        return self._base / "last-job"

    def peek_id(self) -> int:
        """The number that the next job is to have."""
        return 1 + (int(self._counter.read_text()) if self._counter.exists() else 0)

    def used_id(self, number: int) -> None:
        self._counter.write_text(str(number))

    def next_id(self) -> str:
        number = self.peek_id()
        self.used_id(number)
        return str(number)

    def script_directory(self, name: str) -> Path:
        """A new directory for one script that must keep its own name."""
        path = self._base / "scripts" / name
        path.mkdir(mode=0o700)
        return path

    def write_script(self, job_id: str, text: str) -> Path:
        path = self._base / "scripts" / f"job{job_id}"
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
        path.chmod(0o700)
        return path

    def started(self, pid: int) -> None:
        (self._running / str(pid)).write_text(_start_time(pid))

    def ended(self, pid: int) -> None:
        (self._running / str(pid)).unlink(missing_ok=True)

    def _end_leftovers(self) -> None:
        if not self._running.exists():
            return
        for entry in self._running.iterdir():
            pid = int(entry.name)
            if entry.read_text() == _start_time(pid) != "":  # still that process, not another of its number
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGKILL)


def _start_time(pid: int) -> str:
    """When a process began, in ticks since the machine did; empty if there is none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return fields[19]
