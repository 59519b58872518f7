"""Real mounts, made by the command line as a user makes them."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from f7tfs.sandbox.process import SandboxProcess

PATIENCE = 60.0
APIS = ("v2", "v1")
TROUBLE = re.compile(r"^\S+ \S+ (WARNING|ERROR|CRITICAL)|^Traceback ")
NO_BURST = ("-o", "noburst")
"""A test is quicker than any user: what it does one after the other is taken for one program's burst. Where it looks
at the cluster after each change, that is not meant.
"""
STATES: set[Path] = set()
"""Where every daemon that was started keeps its log."""


@dataclass
class Mount:
    """A mounted home of the sandbox's user. `path`: where it is mounted; `remote`: the real directory behind it."""

    sandbox: SandboxProcess
    api: str
    path: Path
    state: Path
    remote: Path
    options: tuple[str, ...] = ()
    prefix: tuple[str, ...] = ()
    source: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)

    def env(self) -> dict[str, str]:
        info = self.sandbox.info
        settings = {
            **info.variables(self.api),
            "FIRECREST_SYSTEM": info.system,
            "HOME": str(self.state),
            "XDG_STATE_HOME": str(self.state / "state"),
            "XDG_CONFIG_HOME": str(self.state / "config"),
            "XDG_RUNTIME_DIR": str(self.state / "run"),
        }
        return {**os.environ, **settings, **self.environment}

    def f7tfs(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run the command line."""
        command = [*self.prefix, sys.executable, "-m", "f7tfs", *arguments]
        try:
            return subprocess.run(
                command, env=self.env(), capture_output=True, text=True, timeout=PATIENCE, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise AssertionError(f"{error}\n{self.stuck()}") from error

    def stuck(self) -> str:
        """Where the daemons of this mount are, and the end of the log: for a test that waited in vain."""
        told = []
        for process in self.daemons():
            for task in Path(f"/proc/{process}/task").iterdir():
                with contextlib.suppress(OSError):
                    told.append(f"{process} {(task / 'comm').read_text().strip()}: {(task / 'wchan').read_text()}")
            if b"umount" not in Path(f"/proc/{process}/cmdline").read_bytes():
                os.kill(process, signal.SIGUSR1)  # its stacks go into its log
        time.sleep(1)
        return "\n".join([*told, self.log()[-8000:]])

    def mount(self) -> None:
        (self.state / "run").mkdir(mode=0o700, exist_ok=True)
        STATES.add(self.state)
        source = self.source or f"{self.sandbox.info.system}:"
        done = self.f7tfs("mount", source, str(self.path), "--debug", *self.options)
        assert done.returncode == 0, done.stderr

    def umount(self) -> subprocess.CompletedProcess[str]:
        try:
            return self.f7tfs("umount", str(self.path))
        except subprocess.TimeoutExpired:
            status = self.attempt_status()
            pytest.fail(f"the unmount did not come to an end; {status}\n{self.log()[-6000:]}")

    def attempt_status(self) -> str:
        """What a daemon that does not do what it should says of itself."""
        try:
            return self.f7tfs("status", "--json", str(self.path)).stdout
        except subprocess.TimeoutExpired:
            return "and no status came either"

    def abandon(self) -> None:
        """Whatever state it is in, it is gone after this."""
        if os.path.ismount(self.path) or self.stale():
            with contextlib.suppress(AssertionError):
                self.f7tfs("umount", "--wait", "5", str(self.path))
        for daemon in self.daemons():
            os.kill(daemon, signal.SIGKILL)
        if os.path.ismount(self.path) or self.stale():
            subprocess.run(["fusermount3", "-uqz", str(self.path)], check=False)

    def daemons(self) -> list[int]:
        """The processes that serve this mount."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                words = (process / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if str(self.path).encode() in words and b"f7tfs" in words:
                found.append(int(process.name))
        return found

    def stale(self) -> bool:
        try:
            self.path.stat()
        except OSError as error:
            return error.errno == errno.ENOTCONN
        return False

    def run(self, *command: str, timeout: float = PATIENCE) -> str:
        """Run a program in the mount; returns what it printed, and fails the test where it failed."""
        done = self.attempt(*command, timeout=timeout)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}\n{self.log()[-6000:]}"
        return done.stdout

    def attempt(self, *command: str, timeout: float = PATIENCE) -> subprocess.CompletedProcess[str]:
        # The directory may be closed to us and open to whom the prefix makes of the program.
        return subprocess.run(
            [*self.prefix, "env", f"--chdir={self.path}", *command],
            env=self.env(),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def sh(self, script: str, timeout: float = PATIENCE) -> str:
        return self.run("bash", "-euc", script, timeout=timeout)

    def log(self) -> str:
        logs = sorted((self.state / "state").rglob("*.log"))
        return "\n".join(log.read_text(errors="replace") for log in logs)

    def calls(self) -> int:
        """API calls since `forget_calls`, token requests left out."""
        return sum(count for route, count in self.sandbox.calls().items() if "token" not in route)

    def inside(self, path: Path) -> Mount:
        """The same mount, seen from a directory below."""
        below = path.relative_to(self.path)
        return Mount(
            self.sandbox, self.api, path, self.state, self.remote / below, self.options, self.prefix, self.source
        )


def wait_until(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Poll until something holds; fails the test where it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.05)


def logs() -> dict[Path, int]:
    """Every daemon's log, and how long it is."""
    return {log: log.stat().st_size for state in STATES for log in (state / "state").rglob("*.log")}


@pytest.fixture
def quiet_log(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fails a test in which a daemon complained in its log, but for what the mark `expects_log(REGEX)` allows."""
    before = logs()
    yield
    marks = request.node.iter_markers("expects_log")
    allowed = re.compile("|".join([r"(?!)", *(mark.args[0] for mark in marks)]))
    for log in logs():
        new = log.read_bytes()[before.get(log, 0) :].decode(errors="replace")
        complaints = [line for line in new.splitlines() if TROUBLE.match(line) and not allowed.search(line)]
        assert not complaints, "\n".join(complaints)


@pytest.fixture(scope="session", params=APIS)
def session_mount(
    request: pytest.FixtureRequest, sandbox_process: SandboxProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mount]:
    """One mount for each API version, for all tests that need nothing special, and look at the cluster at once."""
    base = tmp_path_factory.mktemp(f"mount-{request.param}")
    (base / "mnt").mkdir()
    # Where the mounted directory is not empty, the cluster's time zone is learned while mounting.
    (sandbox_process.home / "readme").touch()
    options = (*NO_BURST, "-o", "jobs_interval=0.25")
    mount = Mount(sandbox_process, request.param, base / "mnt", base, sandbox_process.home, options)
    mount.mount()
    yield mount
    left = mount.umount()
    mount.abandon()
    assert left.returncode == 0, left.stderr


@pytest.fixture
def mount(session_mount: Mount, sandbox: SandboxProcess, request: pytest.FixtureRequest) -> Mount:
    """A fresh directory of the session's mount."""
    name = f"{session_mount.api}-{time.time_ns()}"
    (session_mount.path / name).mkdir()
    sandbox.reset_calls()
    return session_mount.inside(session_mount.path / name)


@pytest.fixture
def new_mount(
    start_sandbox: Callable[..., SandboxProcess], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Mount]]:
    """Mounts with a sandbox and options of their own."""
    with contextlib.ExitStack() as stack:

        def make(
            api: str,
            *options: str,
            settings: Mapping[str, object] | None = None,
            source: str = "",
            prefix: tuple[str, ...] = (),
            environment: Mapping[str, str] | None = None,
            sandbox: SandboxProcess | None = None,
            base: Path | None = None,
            bursts: bool = False,
        ) -> Mount:
            options = options if bursts else (*options, *NO_BURST)
            base = base or tmp_path_factory.mktemp(f"mount-{api}")
            (base / "mnt").mkdir()
            sandbox = sandbox or start_sandbox(**(settings or {}))
            mount = Mount(sandbox, api, base / "mnt", base, sandbox.home, options, prefix, source, environment or {})
            stack.callback(mount.abandon)
            return mount

        yield make


@pytest.fixture(params=APIS)
def own(
    request: pytest.FixtureRequest, new_mount: Callable[..., Mount], sandbox_process: SandboxProcess
) -> Iterator[Mount]:
    """A mount of its own, with an empty content cache, over a directory of the session's sandbox."""
    top = sandbox_process.home / f"own-{time.time_ns()}"
    top.mkdir()
    sandbox_process.clear_faults()
    info = sandbox_process.info
    mount = new_mount(str(request.param), sandbox=sandbox_process, source=f"{info.system}:{info.home}/{top.name}")
    mount.remote = top
    yield mount
    sandbox_process.clear_faults()
