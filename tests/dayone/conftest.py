"""A user's machine with nothing on it yet, and an identity provider for the sandbox."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from f7tfs.mount.mountinfo import mounts
from f7tfs.sandbox.process import SandboxProcess
from tests.namespaces import alone, as_user, with_fuse_for_all

PATIENCE = 120.0


def wait_until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.05)


def run(*command: str | Path, **options: object) -> str:
    done = subprocess.run(  # type: ignore[call-overload]
        command, capture_output=True, text=True, timeout=PATIENCE, check=False, **options
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return str(done.stdout)


@dataclass
class User:
    """A home directory with nothing in it, and the command line."""

    home: Path
    environment: dict[str, str] = field(default_factory=dict)

    def env(self) -> dict[str, str]:
        ours = ("FIRECREST", "AUTH_", "XDG_", "F7TFS", "PYTHON_KEYRING", "SSL_CERT", "HTTP", "http")
        clean = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        return {**clean, "HOME": str(self.home), "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"} | (
            self.environment
        )

    def __call__(self, *arguments: str, typed: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "f7tfs", *arguments],
            env={**self.env(), **environment},
            cwd=self.home,
            input=typed,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    def done_alone(self, script: str) -> subprocess.CompletedProcess[str]:
        """A script that must not fail, in a mount namespace of its own."""
        finished = subprocess.run(
            alone(script), env=self.env(), capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        assert finished.returncode == 0, finished.stderr + finished.stdout
        return finished

    def done(self, *arguments: str, typed: str = "", **environment: str) -> str:
        """What a command printed that must not fail."""
        finished = self(*arguments, typed=typed, **environment)
        assert finished.returncode == 0, finished.stderr + finished.stdout
        return finished.stdout

    def json(self, *arguments: str, **environment: str) -> Any:
        return json.loads(self.done(*arguments, "--json", **environment))

    def refused(self, *arguments: str, typed: str = "", code: int = 1, **environment: str) -> tuple[str, str]:
        """What happened and what to do, of a command that must fail."""
        finished = self(*arguments, typed=typed, **environment)
        assert finished.returncode == code, finished.stderr + finished.stdout
        what, cure = finished.stderr.strip().splitlines()[-2:]
        return what.removeprefix("f7tfs: "), cure.strip()

    @property
    def config(self) -> Path:
        return self.home / ".config" / "f7tfs" / "config.toml"

    def directory(self, name: str) -> Path:
        (self.home / name).mkdir()
        return self.home / name


@pytest.fixture
def user(tmp_path: Path) -> Iterator[User]:
    yield User(tmp_path)
    for mount in mounts():
        if mount.is_ours and mount.mountpoint.is_relative_to(tmp_path):
            subprocess.run(
                [sys.executable, "-m", "f7tfs", "umount", "--wait", "5", str(mount.mountpoint)],
                env=User(tmp_path).env(),
                capture_output=True,
                timeout=PATIENCE,
                check=False,
            )
            subprocess.run(["umount", "--lazy", str(mount.mountpoint)], capture_output=True, check=False)


@dataclass(frozen=True)
class Account:
    """Somebody who has nothing yet but a home, and may use FUSE."""

    name: str
    home: Path
    prefix: tuple[str, ...] = ()
    """Runs a program as them."""

    def owns(self, path: Path) -> None:
        if os.getuid() == 0:
            run("chown", "-R", "--reference", self.home, path)


@pytest.fixture
def account() -> Iterator[Account]:
    """A fresh account; where we are not root and cannot make one, a fresh home."""
    with tempfile.TemporaryDirectory(prefix="f7tfs-home-") as base, with_fuse_for_all() as inside:
        if os.getuid() != 0:
            yield Account(pwd.getpwuid(os.getuid()).pw_name, Path(base))
            return
        name, home = f"f7tfs-{os.getpid()}", Path(base) / "home"
        Path(base).chmod(0o755)
        run("useradd", "--create-home", "--home-dir", home, "--shell", "/bin/bash", name)
        made = pwd.getpwnam(name)
        try:
            yield Account(name, home, (*inside, *as_user(made.pw_uid, made.pw_gid)))
        finally:
            run("userdel", "--force", "--remove", name)


def site_options(sandbox: SandboxProcess, api: str = "v2") -> tuple[str, ...]:
    info = sandbox.info
    return ("--site", info.url_v2 if api == "v2" else info.url_v1, "--token-url", info.token_url)


def log_in(user: User, sandbox: SandboxProcess, name: str = "here", *options: str) -> None:
    """A profile for the sandbox."""
    info = sandbox.info
    typed = f"{info.client_secret}\n"
    user.done("login", name, *site_options(sandbox), "--client-id", info.client_id, *options, typed=typed)


class Provider(ThreadingHTTPServer):
    """An identity provider with discovery and device flow, whose tokens are the sandbox's."""

    daemon_threads = True

    def __init__(self, sandbox: SandboxProcess) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.sandbox = sandbox
        self.issuer = f"http://127.0.0.1:{self.server_address[1]}/realm"
        self.refresh_tokens = {"refresh-0"}
        self.forms: list[dict[str, str]] = []

    def answer(self, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        self.forms.append(form)
        grant = form.get("grant_type", "")
        if grant == "refresh_token" and form["refresh_token"] not in self.refresh_tokens:
            return 400, {"error": "invalid_grant"}
        return 200, {"access_token": self.sandbox.token(), "expires_in": 300, "refresh_token": "refresh-0"}


class _Answers(BaseHTTPRequestHandler):
    server: Provider

    def do_GET(self) -> None:
        issuer = self.server.issuer
        found = self.path == "/realm/.well-known/openid-configuration"
        configuration = {
            "issuer": issuer,
            "token_endpoint": f"{issuer}/token",
            "device_authorization_endpoint": f"{issuer}/device",
            "scopes_supported": ["openid", "offline_access"],
        }
        self._send(200 if found else 404, configuration if found else {})

    def do_POST(self) -> None:
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        form = {name: values[0] for name, values in parse_qs(text).items()}
        if self.path == "/realm/device":
            self.server.forms.append(form)
            started = {"device_code": "d", "user_code": "WXYZ", "verification_uri": "https://login", "interval": 0.01}
            self._send(200, started)
        else:
            self._send(*self.server.answer(form))

    def _send(self, status: int, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Tests are quiet."""


@pytest.fixture
def provider(sandbox: SandboxProcess) -> Iterator[Provider]:
    with Provider(sandbox) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def keyring_file(tmp_path: Path) -> Callable[[], dict[str, str]]:
    """Variables that give the user a keyring, which is a file; call them to have it."""
    module = tmp_path / "modules"
    module.mkdir()
    (module / "file_keyring.py").write_text(
        f"""
import json, pathlib
import keyring.backend
FILE = pathlib.Path({str(tmp_path / "keyring.json")!r})

class Keyring(keyring.backend.KeyringBackend):
    priority = 1
    def _all(self):
        return json.loads(FILE.read_text()) if FILE.exists() else {{}}
    def get_password(self, service, name):
        return self._all().get(service + " " + name)
    def set_password(self, service, name, secret):
        FILE.write_text(json.dumps(self._all() | {{service + " " + name: secret}}))
    def delete_password(self, service, name):
        FILE.write_text(json.dumps({{k: v for k, v in self._all().items() if k != service + " " + name}}))
"""
    )
    return lambda: {"PYTHONPATH": str(module), "PYTHON_KEYRING_BACKEND": "file_keyring.Keyring"}
