"""Ranges of objects, from a server of its own over a real connection: lost, refused, given up."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import trio
import trio.testing

from f7tfs.firecrest.errors import ConnectionFailed, StorageDownloadException
from f7tfs.firecrest.s3 import ObjectStorage
from tests.unit.object_server import PATIENCE, ObjectServer, running


@pytest.fixture
def store() -> Iterator[ObjectServer]:
    with running() as server:
        yield server


def fetch(store: ObjectServer, *ranges: tuple[int, int]) -> list[bytes]:
    got: list[bytes] = []

    async def main() -> None:
        async with ObjectStorage() as storage:
            for start, stop in ranges:
                into = bytearray(stop - start)

                def sink(offset: int, data: memoryview, start: int = start, into: bytearray = into) -> None:
                    into[offset - start : offset - start + len(data)] = data

                await storage.fetch(store.url, start, stop, sink)
                got.append(bytes(into))

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    return got


def test_a_range_arrives_at_its_offsets_and_the_connection_is_used_again(store: ObjectServer) -> None:
    content = store.content or b""
    assert fetch(store, (100, 900_000), (5, 6)) == [content[100:900_000], content[5:6]]
    assert store.ranges == ["bytes=100-899999", "bytes=5-5"]
    assert len(store.connections) == 1


def test_a_download_goes_on_where_the_connection_was_lost(store: ObjectServer) -> None:
    store.cuts = 2
    assert fetch(store, (0, 1_024_000)) == [store.content]
    starts = [int(each.removeprefix("bytes=").partition("-")[0]) for each in store.ranges]
    assert starts[0] == 0
    assert len(starts) == 3
    assert 0 < starts[1] <= 512_000 < starts[2] <= 768_000


def test_a_connection_lost_again_and_again_ends_in_an_error(store: ObjectServer) -> None:
    store.cuts = 1000
    with pytest.raises(ConnectionFailed):
        fetch(store, (0, 1_024_000))
    assert len(store.ranges) == 5


def test_nobody_there_is_a_lost_connection(store: ObjectServer) -> None:
    store.server_close()
    with pytest.raises(ConnectionFailed) as raised:
        fetch(store, (0, 1))
    assert "secret" not in str(raised.value)


def test_what_is_gone_is_refused_at_once_and_without_the_signature(store: ObjectServer) -> None:
    store.content = None
    with pytest.raises(StorageDownloadException, match="NoSuchKey") as raised:
        fetch(store, (0, 1))
    assert raised.value.status == 404
    assert len(store.ranges) == 1
    assert "secret" not in str(raised.value)


def test_no_bearer_token_goes_to_object_storage(store: ObjectServer) -> None:
    fetch(store, (0, 1))
    assert "Authorization" not in store.headers[0]


def test_an_error_of_what_takes_the_bytes_leaves_at_once(store: ObjectServer) -> None:
    def sink(offset: int, data: memoryview) -> None:
        raise OSError(28, "no space")

    async def main() -> None:
        async with ObjectStorage() as storage:
            await storage.fetch(store.url, 0, 1000, sink)

    with pytest.raises(OSError, match="no space"):
        trio.run(main)
    assert len(store.ranges) == 1


def test_nothing_is_delivered_after_a_fetch_was_given_up(store: ObjectServer) -> None:
    store.gate.clear()
    taken: list[int] = []
    some = threading.Event()

    def sink(offset: int, _: memoryview) -> None:
        taken.append(offset)
        some.set()

    async def main() -> None:
        async with ObjectStorage() as storage:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(storage.fetch, store.url, 0, 1_024_000, sink)
                assert await trio.to_thread.run_sync(some.wait, PATIENCE)
                nursery.cancel_scope.cancel()
            before = list(taken)
            store.gate.set()
            await trio.to_thread.run_sync(store.shutdown)  # the body was sent, as far as somebody takes it
            assert taken == before

    trio.run(main)
    assert max(taken) < 512_000
