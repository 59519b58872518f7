"""The unit that `f7tfs service` writes: verified by systemd's own tool, and run by a stand-in for systemd."""

from __future__ import annotations

import configparser
import os
import shlex
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Self

import pytest

from f7tfs.mount.mountpoint import is_stale
from f7tfs.sandbox.process import SandboxProcess
from tests.dayone.conftest import PATIENCE, User, log_in, wait_until

CLEAN_SIGNALS = {signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGPIPE}
"""A service that one of these has ended has not failed: systemd.service(5)."""


class ServiceManager:
    """What systemd is to a service of Type=notify.

    It hears datagrams, ends the service by SIGTERM, and starts it again where the unit says so.
    """

    def __init__(self, user: User, unit: str) -> None:
        parsed = configparser.ConfigParser(interpolation=None, strict=False)
        parsed.optionxform = str  # type: ignore[assignment,method-assign]
        parsed.read_string(unit)
        self.unit, self.service = parsed["Unit"], parsed["Service"]
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        address = tempfile.mkdtemp(dir=user.home) + "/notify"
        self._socket.bind(address)
        self._socket.settimeout(PATIENCE)
        # A service has little of what a shell has.
        paths = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"
        self._env = {"HOME": str(user.home), "PATH": paths, "LANG": "C.UTF-8", "NOTIFY_SOCKET": address}
        self.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._socket.close()
        self.process.kill()
        self.process.wait()

    def start(self) -> None:
        words = shlex.split(self.service["ExecStart"].replace("%%", "%"))
        self.process = subprocess.Popen(words, env=self._env, cwd="/", stderr=subprocess.DEVNULL)

    def hears(self) -> str:
        return self._socket.recv(4096).decode()

    def ends(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        assert self.hears() == "STOPPING=1"
        return self.process.wait(PATIENCE)

    def starts_again(self) -> bool:
        """Once the service has ended; RestartSec is not waited for."""
        code = self.process.wait(PATIENCE)
        clean = -code in CLEAN_SIGNALS if code < 0 else str(code) in {"0", self.service["SuccessExitStatus"]}
        again = self.service["Restart"] == "always" or (self.service["Restart"] == "on-failure" and not clean)
        if again:
            # It is never given up, and never tried all the time.
            assert self.unit["StartLimitIntervalSec"] == "0"
            assert int(self.service["RestartSec"]) > 0
            self.start()
        return again


def test_a_service_is_written_verified_started_and_stopped(user: User, sandbox: SandboxProcess) -> None:
    log_in(user, sandbox)
    place = user.home / "a place"
    installed = user("service", "install", "here", str(place), "-o", "attribute_timeout=2")
    assert installed.returncode == 0, installed.stderr
    file = user.home / ".config" / "systemd" / "user" / "f7tfs-here.service"
    unit = file.read_text()
    assert user.done("service", "install", "here", str(place), "-o", "attribute_timeout=2", "--print") == unit
    assert complaints(file) == []
    wrong = file.with_name("wrong.service")
    wrong.write_text(unit.replace("Type=notify", "Type=often").replace("RestartSec=", "RestartSeconds="))
    assert len(complaints(wrong)) == 2

    with ServiceManager(user, unit) as manager:
        assert manager.service["Type"] == "notify"
        assert manager.hears() == "READY=1\nSTATUS=cluster:/home/user is mounted"
        (place / "by-the-service").write_text("x")
        assert manager.ends() == 0
    assert (sandbox.home / "by-the-service").read_text() == "x"
    assert not os.path.ismount(place)
    user.done("service", "remove", "here")
    assert not file.exists()
    assert "no profile 'none'" in user.refused("service", "install", "none", str(place))[0]
    assert "there is no" in user.refused("service", "remove", "here")[0]


def test_a_service_that_ends_with_something_left_says_so_and_sends_it_at_its_next_start(
    user: User, sandbox: SandboxProcess
) -> None:
    log_in(user, sandbox)
    place = user.directory("mnt")
    unit = user.done("service", "install", "here", str(place), "-o", "drain_timeout=1,write_mode=async", "--print")
    with ServiceManager(user, unit) as manager:
        assert manager.hears().startswith("READY=1")
        sandbox.faults({"match": "/(upload|ops)", "status": 503, "count": None})
        (place / "later").write_text("kept")
        assert manager.ends() == int(manager.service["SuccessExitStatus"])
    sandbox.clear_faults()
    with ServiceManager(user, unit) as again:
        assert again.hears().startswith("READY=1")
        wait_until((sandbox.home / "later").exists, "what was left is sent")
        assert again.ends() == 0


def complaints(unit: Path) -> list[str]:
    """What systemd itself finds wrong with a unit file."""
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--user", "--man=no", "--recursive-errors=no", str(unit)],
        env={"PATH": os.environ["PATH"], "HOME": str(unit.parent), "XDG_RUNTIME_DIR": str(unit.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    return [line for line in verified.stderr.splitlines() if unit.name in line]


@pytest.mark.parametrize("rebooted", [False, True], ids=["killed", "rebooted"])
def test_a_service_whose_daemon_was_killed_is_mounted_again_and_its_journal_goes_on(
    user: User, sandbox: SandboxProcess, rebooted: bool
) -> None:
    """A reboot leaves no mount behind, but the daemon's socket and lock files."""
    log_in(user, sandbox)
    place = user.directory("mnt")
    unit = user.done("service", "install", "here", str(place), "-o", "write_mode=async", "--print")
    name = f"left-{rebooted}"
    with ServiceManager(user, unit) as manager:
        assert manager.hears().startswith("READY=1")
        sandbox.faults({"match": "/(upload|ops)", "status": 503, "count": None})
        (place / name).write_text("kept")
        manager.process.kill()
        wait_until(lambda: is_stale(place), "the mount is stale")
        if rebooted:
            subprocess.run(["umount", "--lazy", str(place)], check=True)
        sandbox.clear_faults()
        assert manager.starts_again()
        assert manager.hears().startswith("READY=1")
        assert (place / name).read_text() == "kept"
        wait_until((sandbox.home / name).exists, "what was left is sent")
        assert manager.ends() == 0
        assert not manager.starts_again()
    assert not os.path.ismount(place)


def test_a_service_is_tried_again_while_the_site_is_away(user: User, sandbox: SandboxProcess) -> None:
    log_in(user, sandbox)
    place = user.directory("mnt")
    unit = user.done("service", "install", "here", str(place), "--print")
    sandbox.faults({"match": "", "drop": "before", "count": None})
    with ServiceManager(user, unit) as manager:
        assert manager.starts_again()
        assert manager.starts_again()
        sandbox.clear_faults()
        # The last try may have begun before.
        while manager.process.poll() is None and not os.path.ismount(place):
            time.sleep(0.05)
        if manager.process.poll() is not None:
            assert manager.starts_again()
        assert manager.hears().startswith("READY=1")
        assert manager.ends() == 0
