"""v2: how many parts of a file are on their way to object storage at once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from f7tfs.firecrest import StaticToken, v2
from f7tfs.firecrest.bulk import BulkHttp
from f7tfs.sandbox.process import SandboxProcess

PART = 5 * 2**20
PARTS = 3
SYSTEM = "cluster"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    settings = {"max_part_size": PART, "ingest_poll_seconds": 0.1, "job_start_seconds": 0.05}
    with SandboxProcess(tmp_path_factory.mktemp("parts"), **settings) as sandbox:
        yield sandbox


class Held:
    """Holds what is sent to object storage back, until `wanted` of it are on their way."""

    def __init__(self, wanted: int) -> None:
        self._wanted = wanted
        self._there = trio.Event()
        self._under_way = 0
        self.most = 0

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        self._under_way += 1
        self.most = max(self.most, self._under_way)
        if self._under_way >= self._wanted:
            self._there.set()
        try:
            with trio.fail_after(120):
                await self._there.wait()
            yield
        finally:
            self._under_way -= 1


@pytest.mark.parametrize("connections", [1, 2, 3])
def test_so_many_parts_are_on_their_way_at_once_as_was_set(
    server: SandboxProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, connections: int
) -> None:
    local = tmp_path / "local"
    with local.open("wb") as file:
        file.truncate(PARTS * PART)
    held = Held(connections)
    send = BulkHttp.send

    async def held_send(bulk: BulkHttp, *request: Any) -> httpx.Response:
        async with held.one():
            return await send(bulk, *request)

    monkeypatch.setattr(BulkHttp, "send", held_send)
    with v2.Firecrest(server.info.url_v2, StaticToken(server.token())) as client:
        client.set_maximum_s3_connections(connections)
        client.upload(SYSTEM, local, server.info.home, "parts")
    assert held.most == connections


def test_there_must_be_a_connection_to_object_storage(server: SandboxProcess) -> None:
    with (
        v2.Firecrest(server.info.url_v2, StaticToken(server.token())) as client,
        pytest.raises(ValueError, match="one"),
    ):
        client.set_maximum_s3_connections(0)
