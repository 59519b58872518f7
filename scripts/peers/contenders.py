"""What is compared: mounts of one directory, and the official client. Each starts cold, and ends."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from f7tfs.sandbox.process import SandboxProcess
from scripts.peers.delay import HOST, delayed
from scripts.peers.sshd import Sshd

PATIENCE = 60.0
COST = {"v1": 0.24, "v2": 0.02}
"""Seconds that a call took real servers."""


@dataclass(frozen=True)
class Site:
    """The servers, and how far away they are."""

    sandbox: SandboxProcess
    sshd: Sshd | None
    delay: float


@dataclass(frozen=True)
class Contender:
    """One of the columns. `api` is that of FirecREST, where it is used."""

    name: str
    api: str = ""
    mode: str = ""

    @property
    def is_mount(self) -> bool:
        return self.name != "pyFirecREST"

    def __str__(self) -> str:
        return " ".join(part for part in (self.name, self.api, self.mode) if part)


ALL = (
    Contender("sshfs"),
    Contender("rclone"),
    Contender("pyFirecREST", "v2"),
    Contender("f7tfs", "v2", "auto"),
    Contender("f7tfs", "v2", "async"),
    Contender("pyFirecREST", "v1"),
    Contender("f7tfs", "v1", "auto"),
    Contender("f7tfs", "v1", "async"),
)


def missing(contender: Contender) -> str:
    """What would have to be installed; empty where nothing has."""
    return contender.name if contender.name in {"sshfs", "rclone"} and not shutil.which(contender.name) else ""


@contextmanager
def environment_of(site: Site, contender: Contender, base: Path) -> Iterator[dict[str, str]]:
    """The variables by which f7tfs and the official client find the server, behind the delay."""
    info = site.sandbox.info
    with delayed(info.port, site.delay) as port:
        here = f"http://{HOST}:{port}"
        site.sandbox.faults(latency=COST[contender.api])
        yield {
            **os.environ,
            "FIRECREST_URL": f"{here}/{contender.api}",
            "FIRECREST_CLIENT_ID": info.client_id,
            "FIRECREST_CLIENT_SECRET": info.client_secret,
            "AUTH_TOKEN_URL": f"{here}/auth/token",
            "FIRECREST_API_VERSION": contender.api.removeprefix("v"),
            "XDG_STATE_HOME": str(base / "state"),
            "XDG_RUNTIME_DIR": str(base / "run"),
            "XDG_CONFIG_HOME": str(base / "config"),
        }


@contextmanager
def mounted(site: Site, contender: Contender) -> Iterator[Path]:
    """The user's directory on the cluster, mounted afresh."""
    with tempfile.TemporaryDirectory(prefix="f7tfs-peer-") as directory:
        base = Path(directory)
        mnt = base / "mnt"
        for path in (mnt, base / "run"):
            path.mkdir(mode=0o700)
        if contender.name == "f7tfs":
            with environment_of(site, contender, base) as environment:
                command = [sys.executable, "-m", "f7tfs", "mount", "--foreground", "--write-mode", contender.mode]
                with running([*command, f"{site.sandbox.info.system}:", str(mnt)], mnt, environment):
                    yield mnt
        else:
            assert site.sshd is not None
            with delayed(site.sshd.port, site.delay) as port:
                command = {"sshfs": _sshfs, "rclone": _rclone}[contender.name](site, port, mnt, base)
                with running(command, mnt, dict(os.environ)):
                    yield mnt


def _sshfs(site: Site, port: int, mnt: Path, base: Path) -> list[str]:
    del base
    assert site.sshd is not None
    keys = f"IdentityFile={site.sshd.key},StrictHostKeyChecking=no,UserKnownHostsFile=/dev/null,LogLevel=ERROR"
    return ["sshfs", "-f", "-p", str(port), "-o", keys, f"{site.sshd.user}@{HOST}:{site.sandbox.home}", str(mnt)]


def _rclone(site: Site, port: int, mnt: Path, base: Path) -> list[str]:
    assert site.sshd is not None
    where = ["--sftp-host", HOST, "--sftp-port", str(port), "--sftp-user", site.sshd.user]
    keys = ["--sftp-key-file", str(site.sshd.key), "--config", str(base / "rclone.conf")]
    # As its manual advises for SFTP: else each file that is opened is summed up there first, by a command of its own.
    cache = ["--vfs-cache-mode", "full", "--vfs-fast-fingerprint", "--cache-dir", str(base / "cache")]
    return ["rclone", "mount", f":sftp:{site.sandbox.home}", str(mnt), *where, *keys, *cache]


@contextmanager
def running(command: list[str], mnt: Path, environment: dict[str, str]) -> Iterator[None]:
    """A mount in the foreground, until the end of the block; what it has not sent by then is given up."""
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as daemon:
        try:
            give_up = time.monotonic() + PATIENCE
            while not mnt.is_mount():
                assert daemon.poll() is None, f"it ended at once: {' '.join(command)}"
                assert time.monotonic() < give_up, f"it does not mount: {' '.join(command)}"
                time.sleep(0.05)
            yield
        finally:
            subprocess.run(["fusermount3", "-u", "-z", str(mnt)], check=False, stderr=subprocess.DEVNULL)
            daemon.kill()
