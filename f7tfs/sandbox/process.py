"""A sandbox in a process of its own, driven from blocking code: what tests and benchmarks use."""

from __future__ import annotations

import dataclasses
import json
import selectors
import subprocess
import sys
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from f7tfs.sandbox.settings import SandboxInfo

START_SECONDS = 30.0
STOP_SECONDS = 60.0
"""It ends its jobs and its object store, which takes a second, and a quarter of a minute on a busy machine."""


class SandboxProcess:
    """Starts, stops and restarts a sandbox over one directory; a context manager.

    A restart keeps the port, the client secret and the admin token, so clients find it again as it was; running jobs,
    staged objects and v1's tasks are gone, as after a power cut.
    """

    def __init__(self, root: Path, **settings: Any) -> None:
        """`settings` are fields of SandboxSettings."""
        self.root = root
        self._settings = settings
        self._process: subprocess.Popen[str] | None = None
        self._info: SandboxInfo | None = None

    # -- life ------------------------------------------------------------------------------------

    @property
    def info(self) -> SandboxInfo:
        assert self._info is not None, "the sandbox was never started"
        return self._info

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self, client_secret: str = "") -> SandboxInfo:
        """Start and wait until it takes requests. Another `client_secret` than before is no longer the old one."""
        assert not self.running
        settings = dict(self._settings)
        if self._info is not None:
            settings |= {
                "port": self._info.port,
                "s3_port": self._info.s3_port,
                "client_secret": client_secret or self._info.client_secret,
                "admin_token": self._info.admin_token,
            }
        command = [sys.executable, "-m", "f7tfs.sandbox", "--root", str(self.root), "--json"]
        command += ["--settings", json.dumps(settings, default=_plain)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self._info = SandboxInfo(**json.loads(self._first_line()))
        return self._info

    def stop(self) -> None:
        """End it in an orderly way. Raises if it ended otherwise."""
        if self._process is None:
            return
        self._process.terminate()
        status = self._wait()
        if status != 0:
            raise RuntimeError(f"the sandbox ended with status {status}")

    def kill(self) -> None:
        """Pull the plug."""
        assert self._process is not None
        self._process.kill()
        self._wait()

    def __enter__(self) -> Self:
        if not self.running:
            self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # -- what is in it ---------------------------------------------------------------------------

    def real(self, path: str) -> Path:
        """Where a path of the cluster lies on this machine."""
        return Path(f"{self.root}/{path.lstrip('/')}")

    @property
    def home(self) -> Path:
        """The user's home on this machine; `info.home` is its path on the cluster."""
        return self.real(self.info.home)

    # -- the test bench --------------------------------------------------------------------------

    def calls(self) -> dict[str, int]:
        """API calls since the start or the last reset, by `METHOD route`; those of the test bench are left out."""
        counts: dict[str, int] = self._admin("GET", "calls")
        return counts

    def traces(self) -> list[dict[str, Any]]:
        """Of the last thousand calls since then `call`, `request_id` and `correlation_id`, oldest first."""
        traces: list[dict[str, Any]] = self._admin("GET", "traces")
        return traces

    def reset_calls(self) -> None:
        self._admin("DELETE", "calls")

    def faults(self, *rules: dict[str, Any], **faults: Any) -> dict[str, Any]:
        """Switch on exactly these faults: fields of `faults.Faults`, and of `faults.Rule` for each rule."""
        state: dict[str, Any] = self._admin("PUT", "faults", {**faults, "rules": list(rules)})
        return state

    def clear_faults(self) -> None:
        self._admin("DELETE", "faults")

    def expire_tokens(self) -> None:
        """Every token issued until now counts as expired. The faults that are on stay on."""
        self._admin("POST", "token", {"expire": True})

    def token(self, user: str | None = None, seconds: float | None = None) -> str:
        """An access token, of any user and lifetime."""
        token: str = self._admin("POST", "token", {"user": user, "seconds": seconds})["access_token"]
        return token

    # -- inside ----------------------------------------------------------------------------------

    def _admin(self, method: str, name: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.info.admin_token}", "Connection": "close"}
        request = urllib.request.Request(  # noqa: S310 - our own server
            f"{self.info.admin_url}/{name}", data, headers, method=method
        )
        with urllib.request.urlopen(request, timeout=START_SECONDS) as answer:  # noqa: S310 - our own server
            return json.loads(answer.read())

    def _first_line(self) -> str:
        assert self._process is not None
        assert self._process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            ready = selector.select(START_SECONDS)
        line = self._process.stdout.readline() if ready else ""
        if not line:
            self._process.kill()
            raise RuntimeError(f"the sandbox did not start: status {self._wait()}")
        return line

    def _wait(self) -> int:
        assert self._process is not None
        try:
            status = self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._process = None
        return status


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return str(value)
