"""A cluster of each API version, over a sandbox process with real files."""

from __future__ import annotations

import tempfile
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest
import trio

from f7tfs.cluster.connect import connect
from f7tfs.cluster.port import Cluster
from f7tfs.firecrest.auth import ClientCredentials
from f7tfs.sandbox.process import SandboxProcess

T = TypeVar("T")


@dataclass(frozen=True)
class Site:
    """A sandbox seen through one API version, and an empty directory of its own for each test."""

    sandbox: SandboxProcess
    version: str
    top: str
    """On the cluster."""
    real: Path
    """The same on this machine."""

    @property
    def url(self) -> str:
        return self.sandbox.info.url_v2 if self.version == "2" else self.sandbox.info.url_v1

    @property
    def authorization(self) -> ClientCredentials:
        info = self.sandbox.info
        return ClientCredentials(info.client_id, info.client_secret, info.token_url)

    def connect(self, **options: Any) -> AbstractAsyncContextManager[Cluster]:
        return connect(self.url, self.authorization, self.sandbox.info.system, **options)

    def run(self, use: Callable[[Cluster], Awaitable[T]], **options: Any) -> T:
        async def main() -> T:
            with trio.fail_after(120):
                async with self.connect(**options) as cluster:
                    return await use(cluster)

        return trio.run(main)


def site_of(sandbox: SandboxProcess, version: str) -> Site:
    real = Path(tempfile.mkdtemp(prefix="test-", dir=sandbox.home))
    real.chmod(0o755)
    return Site(sandbox, version, f"{sandbox.info.home}/{real.name}", real)


@pytest.fixture(params=["1", "2"], ids=["v1", "v2"])
def site(request: pytest.FixtureRequest, sandbox: SandboxProcess) -> Site:
    """The session's sandbox through both versions, one after the other."""
    return site_of(sandbox, str(request.param))
