"""An SSH server of one's own, on a free port and with keys of its own, for the user who runs it."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

HOST = "127.0.0.1"
PATIENCE = 30.0
CONFIG = """\
ListenAddress {host}
Port {port}
HostKey {base}/host_key
AuthorizedKeysFile {base}/key.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
Subsystem sftp internal-sftp
"""


@dataclass(frozen=True)
class Sshd:
    """A running server."""

    port: int
    key: Path
    user: str


def found() -> str | None:
    """The program, which is seldom in a user's PATH."""
    return shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


@contextmanager
def sshd(base: Path) -> Iterator[Sshd]:
    """Serve from now on; its files are in `base`."""
    base.mkdir(mode=0o700)
    for name in ("host_key", "key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(base / name)], check=True)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where it locks itself in before a login
    port = _free_port()
    (base / "config").write_text(CONFIG.format(host=HOST, port=port, base=base))
    program = found()
    assert program is not None
    with subprocess.Popen([program, "-D", "-e", "-f", str(base / "config")], stderr=subprocess.DEVNULL) as server:
        try:
            _wait_for(port)
            yield Sshd(port, base / "key", getpass.getuser())
        finally:
            server.terminate()


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        return int(taken.getsockname()[1])


def _wait_for(port: int) -> None:
    give_up = time.monotonic() + PATIENCE
    while time.monotonic() < give_up:
        with suppress(OSError), socket.create_connection((HOST, port), timeout=PATIENCE):
            return
        time.sleep(0.05)
    raise TimeoutError("sshd does not answer")
