"""Starting and ending the daemons.

They run in namespaces of their own: of mounts, so that jobs see the file systems at the cluster's paths; of
processes, so that nothing of them, jobs included, outlives the first process in there; and of the host name. That
first process waits for the end of its standard input, so all is over however the sandbox ended.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

import trio

from f7tfs.sandbox.jobs import isolation
from f7tfs.sandbox.jobs.model import SchedulerMissing
from f7tfs.sandbox.settings import SandboxSettings
from f7tfs.sandbox.slurm.config import Ports, slurm_conf

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "scontrol", "scancel", "srun", "sinfo", "unshare", "hostname")
HOW = "scripts/setup-slurm.sh installs it on Debian and Ubuntu"
START_SECONDS = 60.0
ATTEMPTS = 5
POLL_SECONDS = 0.05
FIRST_PORT, LAST_PORT = 20000, 32000
"""Below the ports that Linux gives to outgoing connections."""
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

INSIDE = """
mount -t proc proc /proc || :
hostname localhost
export SLURM_CONF=$1/slurm.conf
munged --force --socket="$1/munge.socket" --key-file="$1/munge.key" --pid-file="$1/munged.pid" \\
  --log-file="$1/munged.log" --seed-file="$1/munged.seed"
(slurmctld -D; touch "$1/ended") &
(slurmd -D -N localhost; touch "$1/ended") &
cat >/dev/null
"""
# The directory is removed from outside: inside, other mounts may lie below it.
OUTSIDE = 'directory=$1; shift; "$@"; rm -rf --one-file-system "$directory"'


def check() -> None:
    """Raises SchedulerMissing where a real Slurm cannot be run."""
    missing = [name for name in PROGRAMS if shutil.which(name, path=SYSTEM_PATH) is None]
    if missing:
        raise SchedulerMissing(f"there is no {', '.join(missing)}: {HOW}")
    if os.getuid() != 0:
        raise SchedulerMissing("the daemons of a real Slurm must be started as root")


class Daemons:
    """munged, slurmctld and slurmd of one sandbox."""

    def __init__(self, settings: SandboxSettings, mount_point: Path) -> None:
        self._settings = settings
        self._mount_point = mount_point
        self._process: subprocess.Popen[bytes] | None = None
        self.directory = Path()
        """Visible at the same path for the daemons, their jobs and this process."""

    @property
    def environment(self) -> dict[str, str]:
        """What a Slurm command needs to find these daemons."""
        return {"PATH": SYSTEM_PATH, "SLURM_CONF": str(self.directory / "slurm.conf")}

    async def start(self, first_job: int) -> None:
        """Returns when jobs can run. Raises SchedulerMissing if that does not come about."""
        check()
        said = ""
        for _ in range(ATTEMPTS):  # another process may have taken a port that was free when we looked
            self._launch(first_job)
            with trio.move_on_after(START_SECONDS):
                if await self._ready():
                    return
            said = self._last_words()
            self.close()
        raise SchedulerMissing(f"Slurm does not start: {said}")

    def _launch(self, first_job: int) -> None:
        directory = self.directory = Path(tempfile.mkdtemp(prefix="f7tfs-slurm-", dir="/run"))
        settings = self._settings
        for name in ("state", "spool", "errands"):
            (directory / name).mkdir(mode=0o755)
        (directory / "munge.key").write_bytes(secrets.token_bytes(128))
        (directory / "munge.key").chmod(0o400)
        text = slurm_conf(
            directory,
            free_ports(),
            cluster=settings.system,
            partitions=settings.partitions,
            max_seconds=settings.max_job_seconds,
            first_job=first_job,
        )
        (directory / "slurm.conf").write_text(text)
        tops = sorted({f.path.strip("/").split("/")[0] for f in settings.file_systems})
        command = isolation.command(
            settings.root.resolve(),
            tops,
            self._mount_point,
            "/",
            ["/bin/sh", "-c", INSIDE, "sh", str(directory)],
            ["--pid", "--fork", "--kill-child", "--uts"],
        )
        with (directory / "daemons.log").open("wb") as log:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", OUTSIDE, "sh", str(directory), *command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env={"PATH": SYSTEM_PATH},
                start_new_session=True,
            )

    async def _ready(self) -> bool:
        """Wait until the node takes jobs; False if a daemon has ended instead."""
        assert self._process is not None
        while not (self.directory / "ended").exists() and self._process.poll() is None:
            done = await trio.run_process(
                ["sinfo", "--noheader", "--format=%T"],
                env=self.environment,
                capture_stdout=True,
                capture_stderr=True,
                check=False,
            )
            if done.stdout.strip().startswith(b"idle"):
                return True
            await trio.sleep(POLL_SECONDS)
        return False

    def _last_words(self) -> str:
        with contextlib.suppress(OSError):
            lines = (self.directory / "daemons.log").read_text(errors="replace").splitlines()
            errors = [line for line in lines if "fatal" in line or "mount" in line]
            return (errors or lines or ["no word from it"])[-1]
        return "no word from it"

    def close(self) -> None:
        """End them and all their jobs. May be called again."""
        if self._process is None:
            return
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        self._process = None


def free_ports() -> Ports:
    """Two ports that are free now."""
    found: list[int] = []
    with contextlib.ExitStack() as stack:
        while len(found) < 2:
            port = FIRST_PORT + secrets.randbelow(LAST_PORT - FIRST_PORT)
            candidate = stack.enter_context(socket.socket())
            try:
                candidate.bind(("127.0.0.1", port))
            except OSError:
                continue
            found.append(port)
    return Ports(*found)
