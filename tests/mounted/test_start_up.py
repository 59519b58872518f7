"""Mounting and unmounting by the command line: what works, what is refused and how, what is left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from f7tfs.mount.mountinfo import mounts
from f7tfs.sandbox import SandboxInfo
from f7tfs.sandbox.process import SandboxProcess

pytestmark = pytest.mark.skipif(
    not Path("/dev/fuse").exists() and "CI" not in os.environ, reason="/dev/fuse is missing: no mounts here"
)

REFUSED_URL = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxInfo]:
    """A sandbox for this file alone, as some tests look at all that is in it."""
    with SandboxProcess(tmp_path_factory.mktemp("sandbox")) as sandbox:
        yield sandbox.info


class Shell:
    """Runs f7tfs as a user would, with a home directory of its own."""

    def __init__(self, home: Path, site: SandboxInfo) -> None:
        self.mountpoint = home / "mnt"
        self.mountpoint.mkdir()
        self.remote_home = Path(f"{site.root}{site.home}")
        self._home = home
        clean = {n: v for n, v in os.environ.items() if not n.startswith(("FIRECREST", "AUTH_", "XDG_"))}
        self.environment = {
            **clean,
            "HOME": str(home),
            "FIRECREST_URL": site.url_v2,
            "AUTH_TOKEN_URL": site.token_url,
            "FIRECREST_CLIENT_ID": site.client_id,
            "FIRECREST_CLIENT_SECRET": site.client_secret,
        }

    def __call__(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "f7tfs", *arguments],
            env={**self.environment, **environment},
            cwd=self._home,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )

    def refused(self, *arguments: str, **environment: str) -> str:
        """The two lines on standard error that a refusal is; nothing is mounted then."""
        done = self(*arguments, **environment)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 2), done.stderr
        assert self.environment["FIRECREST_CLIENT_SECRET"] not in done.stderr
        return done.stderr

    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = json.loads(self("status", str(self.mountpoint), "--json").stdout)
        return status

    @property
    def is_mounted(self) -> bool:
        return any(mount.mountpoint == self.mountpoint for mount in mounts())


@pytest.fixture
def f7tfs(tmp_path: Path, site: SandboxInfo) -> Iterator[Shell]:
    shell = Shell(tmp_path, site)
    yield shell
    pid = shell.status()["pid"] if shell.is_mounted and shell("status", str(shell.mountpoint)).returncode == 0 else 0
    subprocess.run(["umount", "--lazy", str(shell.mountpoint)], capture_output=True, check=False)
    if pid:
        ended(pid)


def eventually(condition: Callable[[], bool], what: str, seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"never: {what}"
        time.sleep(0.05)


def ended(pid: int) -> None:
    """A daemon's end; it is init's child, or a zombie of ours."""

    def gone() -> bool:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except FileNotFoundError:
            return True

    eventually(gone, f"process {pid} ends")


def test_a_mount_is_usable_when_the_command_returns_and_gone_after_umount(f7tfs: Shell) -> None:
    (f7tfs.remote_home / "there").write_text("from the cluster")
    done = f7tfs("mount", "cluster:", str(f7tfs.mountpoint))
    assert done.returncode == 0, done.stderr
    assert (f7tfs.mountpoint / "there").read_text() == "from the cluster"
    (f7tfs.mountpoint / "new").write_text("from here")

    status = f7tfs.status()
    assert (status["remote"], status["mounted"]) == ("cluster:/home/user", True)
    assert f7tfs("sync").returncode == 0
    assert f7tfs("refresh", str(f7tfs.mountpoint / "new")).returncode == 0

    done = f7tfs("umount", str(f7tfs.mountpoint))
    assert (done.returncode, done.stderr) == (0, "")
    assert not f7tfs.is_mounted
    assert (f7tfs.remote_home / "new").read_text() == "from here"
    ended(status["pid"])
    assert str(f7tfs.mountpoint) not in f7tfs("status").stdout


def test_the_daemon_keeps_no_terminal_no_directory_and_no_secret_in_its_arguments(f7tfs: Shell) -> None:
    assert f7tfs("mount", "cluster:", str(f7tfs.mountpoint)).returncode == 0
    process = Path(f"/proc/{f7tfs.status()['pid']}")
    assert f7tfs.environment["FIRECREST_CLIENT_SECRET"] not in (process / "cmdline").read_text()
    assert (process / "cwd").readlink() == Path("/")
    assert (process / "fd" / "0").readlink() == Path("/dev/null")
    log = (process / "fd" / "2").readlink()
    assert log.is_relative_to(f7tfs.mountpoint.parent)
    assert log.stat().st_mode & 0o777 == 0o600
    assert "is mounted on" in log.read_text()


def test_a_relative_mount_point_and_a_file_system_root(f7tfs: Shell) -> None:
    assert f7tfs("mount", "-o", "ro", ":/", "mnt", FIRECREST_SYSTEM="cluster").returncode == 0
    assert sorted(entry.name for entry in f7tfs.mountpoint.iterdir()) == ["home", "scratch"]
    with pytest.raises(OSError, match="Read-only"):
        (f7tfs.mountpoint / "home" / "user" / "x").touch()
    assert f7tfs("umount", "mnt").returncode == 0


def test_version_1_of_the_api_is_mounted_too(f7tfs: Shell, site: SandboxInfo) -> None:
    (f7tfs.remote_home / "there").write_text("from the cluster")
    done = f7tfs("mount", "--api-version", "1", "--url", site.url_v1, "cluster:/home/user", "mnt")
    assert done.returncode == 0, done.stderr
    assert (f7tfs.mountpoint / "there").read_text() == "from the cluster"
    assert f7tfs("umount", "mnt").returncode == 0


def test_a_profile_is_mounted(f7tfs: Shell, site: SandboxInfo) -> None:
    directory = f7tfs.mountpoint.parent / ".config" / "f7tfs"
    directory.mkdir(parents=True)
    (directory / "secret").write_text(site.client_secret)
    (directory / "secret").chmod(0o600)
    (directory / "config.toml").write_text(
        f'[profiles.here]\nurl = "{site.url_v2}"\ntoken_url = "{site.token_url}"\n'
        f'client_id = "{site.client_id}"\nclient_secret_file = "secret"\n'
        'system = "cluster"\npath = "/scratch"\n'
    )
    nothing = dict.fromkeys(("FIRECREST_URL", "AUTH_TOKEN_URL", "FIRECREST_CLIENT_ID", "FIRECREST_CLIENT_SECRET"), "")
    done = f7tfs("mount", "here", "mnt", **nothing)
    assert done.returncode == 0, done.stderr
    assert [entry.name for entry in f7tfs.mountpoint.iterdir()] == ["user"]
    assert f7tfs.status()["remote"] == "cluster:/scratch"


@pytest.mark.parametrize(
    ("remote", "environment", "said"),
    [
        ("nosuch:", {}, "no system 'nosuch' at this site; it has: cluster"),
        ("cluster:", {"FIRECREST_CLIENT_SECRET": "wrong-secret"}, "does not accept the credentials"),
        ("cluster:", {"FIRECREST_URL": f"{REFUSED_URL}/v2"}, "Connection refused"),
        ("cluster:", {"AUTH_TOKEN_URL": f"{REFUSED_URL}/token"}, "the identity provider cannot be reached"),
        ("cluster:/home/absent", {}, "cluster:/home/absent: no such directory on the cluster"),
        ("cluster:/home/user/a-file", {}, "cluster:/home/user/a-file: not a directory"),
        ("cluster:", {"FIRECREST_TOKEN_COMMAND": "echo no luck >&2; false"}, "no luck"),
    ],
)
def test_what_the_site_refuses_is_told(f7tfs: Shell, remote: str, environment: dict[str, str], said: str) -> None:
    (f7tfs.remote_home / "a-file").touch()
    assert said in f7tfs.refused("mount", remote, "mnt", **environment)
    assert not f7tfs.is_mounted


def test_a_url_without_a_firecrest_is_told(f7tfs: Shell, site: SandboxInfo) -> None:
    url = site.url_v2.removesuffix("/v2")
    assert f"there is no FirecREST at {url}" in f7tfs.refused("mount", "cluster:", "mnt", "--url", url)


def test_a_mount_point_is_taken_once(f7tfs: Shell) -> None:
    other = f7tfs.mountpoint.parent / "other"
    other.mkdir()
    assert f7tfs("mount", "cluster:/home", "mnt").returncode == 0
    assert "already mounted (cluster:/home)" in f7tfs.refused("mount", "cluster:/scratch", "mnt")
    assert "has one journal" in f7tfs.refused("mount", "cluster:/home", str(other))


def test_a_busy_mount_stays_unless_lazy(f7tfs: Shell) -> None:
    assert f7tfs("mount", "cluster:", "mnt").returncode == 0
    pid = f7tfs.status()["pid"]
    with subprocess.Popen(["sleep", "60"], cwd=f7tfs.mountpoint) as user:
        try:
            assert f"busy: used by sleep ({user.pid})" in f7tfs.refused("umount", "mnt")
            assert f7tfs.status()["mounted"] is True
            assert f7tfs("umount", "--lazy", "mnt").returncode == 0
            assert not f7tfs.is_mounted
        finally:
            user.kill()
    ended(pid)


def test_a_stale_mount_is_told_and_cleared_away(f7tfs: Shell) -> None:
    (f7tfs.remote_home / "there").write_text("from the cluster")
    assert f7tfs("mount", "cluster:", "mnt").returncode == 0
    pid = f7tfs.status()["pid"]
    os.kill(pid, signal.SIGKILL)
    ended(pid)
    assert "its daemon has gone" in f7tfs("status").stdout
    assert f7tfs("mount", "cluster:", "mnt").returncode == 0
    assert (f7tfs.mountpoint / "there").read_text() == "from the cluster"
    os.kill(f7tfs.status()["pid"], signal.SIGKILL)
    eventually(lambda: "its daemon has gone" in f7tfs("status").stdout, "the daemon is dead")
    assert f7tfs("umount", "mnt").returncode == 0
    assert not f7tfs.is_mounted


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_unmounts(f7tfs: Shell, number: signal.Signals) -> None:
    assert f7tfs("mount", "cluster:", "mnt").returncode == 0
    pid = f7tfs.status()["pid"]
    (f7tfs.mountpoint / "new").write_text("from here")
    os.kill(pid, number)
    ended(pid)
    assert not f7tfs.is_mounted
    assert (f7tfs.remote_home / "new").read_text() == "from here"


def test_an_unmount_by_the_system_ends_the_daemon(f7tfs: Shell) -> None:
    assert f7tfs("mount", "cluster:", "mnt").returncode == 0
    pid = f7tfs.status()["pid"]
    subprocess.run(["umount", str(f7tfs.mountpoint)], check=True)
    ended(pid)


def test_in_the_foreground_it_logs_to_the_terminal(f7tfs: Shell) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "f7tfs", "mount", "--foreground", "--debug", "cluster:", str(f7tfs.mountpoint)],
        env=f7tfs.environment,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        eventually(lambda: f7tfs.is_mounted, "it is mounted")
        process.send_signal(signal.SIGINT)
        _, log = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "is mounted on" in log
    assert "HTTP Request: GET" in log
    assert f7tfs.environment["FIRECREST_CLIENT_SECRET"] not in log
    assert "Traceback" not in log
