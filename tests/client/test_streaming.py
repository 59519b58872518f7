"""No transfer holds more than a few MiB of a file in memory."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio

from f7tfs.firecrest import StaticToken, v1, v2
from f7tfs.sandbox.process import SandboxProcess

MIB = 2**20
SIZE = 48 * MIB
# Four parts are on their way at once, each as blocks of a mebibyte that HTTP and TLS libraries may copy.
MOST = 16 * MIB
SYSTEM = "cluster"


@contextmanager
def bounded(most: int) -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < most


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    with SandboxProcess(tmp_path_factory.mktemp("streaming"), max_part_size=SIZE // 3) as sandbox:
        yield sandbox


def up_and_down_v1(server: SandboxProcess, local: Path, back: Path) -> None:
    with v1.Firecrest(server.info.url_v1, StaticToken(server.token())) as client:
        client.external_upload(SYSTEM, local, server.info.home).finish_upload()
        with (server.home / "there").open("wb") as file:
            file.truncate(SIZE)
        client.external_download(SYSTEM, f"{server.info.home}/there").finish_download(back)


def up_and_down_v2(server: SandboxProcess, local: Path, back: Path) -> None:
    with v2.Firecrest(server.info.url_v2, StaticToken(server.token())) as client:
        client.upload(SYSTEM, local, server.info.home, "there")
        client.download(SYSTEM, f"{server.info.home}/there", back)


def up_and_down_v1_with_trio(server: SandboxProcess, local: Path, back: Path) -> None:
    async def main() -> None:
        async with v1.AsyncFirecrest(server.info.url_v1, StaticToken(server.token())) as client:
            await (await client.external_upload(SYSTEM, local, server.info.home)).finish_upload()
            with (server.home / "there").open("wb") as file:
                file.truncate(SIZE)
            await (await client.external_download(SYSTEM, f"{server.info.home}/there")).finish_download(back)

    trio.run(main)


def up_and_down_v2_with_trio(server: SandboxProcess, local: Path, back: Path) -> None:
    async def main() -> None:
        async with v2.AsyncFirecrest(server.info.url_v2, StaticToken(server.token())) as client:
            await client.upload(SYSTEM, local, server.info.home, "there")
            await client.download(SYSTEM, f"{server.info.home}/there", back)

    trio.run(main)


@pytest.mark.parametrize(
    "transfer",
    [up_and_down_v1, up_and_down_v2, up_and_down_v1_with_trio, up_and_down_v2_with_trio],
    ids=["v1", "v2", "v1-trio", "v2-trio"],
)
def test_large_files_are_streamed(
    server: SandboxProcess, tmp_path: Path, transfer: Callable[[SandboxProcess, Path, Path], None]
) -> None:
    local, back = tmp_path / "local", tmp_path / "back"
    with local.open("wb") as file:
        file.truncate(SIZE)
    with bounded(MOST):
        transfer(server, local, back)
    assert back.stat().st_size == SIZE


def test_small_uploads_are_streamed(server: SandboxProcess, tmp_path: Path) -> None:
    local = tmp_path / "local"
    local.write_bytes(b"x" * 5 * MIB)
    with (
        v2.Firecrest(server.info.url_v2, StaticToken(server.token())) as client,
        bounded(4 * MIB),
    ):
        client.upload(SYSTEM, local, server.info.home, "small")
    assert (server.home / "small").stat().st_size == 5 * MIB
