"""Ranges of objects, from a server of its own over a real connection: lost, refused, given up."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import trio
import trio.testing

from f7tfs.firecrest.errors import ConnectionFailed, StorageDownloadException
from f7tfs.firecrest.s3 import ObjectStorage

PATIENCE = 60.0


class Store(ThreadingHTTPServer):
    """An object store of one object. The first `cuts` bodies end early; each body waits for `gate` in its middle."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content: bytes | None = bytes(range(256)) * 4000
        self.cuts = 0
        self.ranges: list[str] = []
        self.connections: set[object] = set()
        self.authorizations: list[str | None] = []
        self.gate = threading.Event()
        self.gate.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/bucket/a%20key%2B?X-Amz-Signature=secret"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Store

    def do_GET(self) -> None:
        store = self.server
        store.ranges.append(self.headers["Range"])
        store.connections.add(self.client_address)
        store.authorizations.append(self.headers["Authorization"])
        if store.content is None or self.path != "/bucket/a%20key%2B?X-Amz-Signature=secret":
            return self._answer(404, b"<Code>NoSuchKey</Code>")
        first, _, last = self.headers["Range"].removeprefix("bytes=").partition("-")
        body = store.content[int(first) : int(last) + 1]
        if store.cuts:
            store.cuts -= 1
            self.close_connection = True
            return self._answer(206, body, len(body) // 2)
        return self._answer(206, body)

    def _answer(self, status: int, body: bytes, sent: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        half = len(body) // 2
        self.wfile.write(body[:half])
        self.server.gate.wait(PATIENCE)
        self.wfile.write(body[half:sent])

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the library's name
        pass


@pytest.fixture
def store() -> Iterator[Store]:
    server = Store()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server
    server.gate.set()
    server.shutdown()
    thread.join()
    server.server_close()


def fetch(store: Store, *ranges: tuple[int, int]) -> list[bytes]:
    got: list[bytes] = []

    async def main() -> None:
        async with ObjectStorage() as storage:
            for start, stop in ranges:
                into = bytearray(stop - start)

                def sink(offset: int, data: bytes, start: int = start, into: bytearray = into) -> None:
                    into[offset - start : offset - start + len(data)] = data

                await storage.fetch(store.url, start, stop, sink)
                got.append(bytes(into))

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    return got


def test_a_range_arrives_at_its_offsets_and_the_connection_is_used_again(store: Store) -> None:
    content = store.content or b""
    assert fetch(store, (100, 900_000), (5, 6)) == [content[100:900_000], content[5:6]]
    assert store.ranges == ["bytes=100-899999", "bytes=5-5"]
    assert len(store.connections) == 1


def test_a_download_goes_on_where_the_connection_was_lost(store: Store) -> None:
    store.cuts = 2
    assert fetch(store, (0, 1_024_000)) == [store.content]
    starts = [int(each.removeprefix("bytes=").partition("-")[0]) for each in store.ranges]
    assert starts[0] == 0
    assert len(starts) == 3
    assert 0 < starts[1] <= 512_000 < starts[2] <= 768_000


def test_a_connection_lost_again_and_again_ends_in_an_error(store: Store) -> None:
    store.cuts = 1000
    with pytest.raises(ConnectionFailed):
        fetch(store, (0, 1_024_000))
    assert len(store.ranges) == 5


def test_nobody_there_is_a_lost_connection(store: Store) -> None:
    store.server_close()
    with pytest.raises(ConnectionFailed) as raised:
        fetch(store, (0, 1))
    assert "secret" not in str(raised.value)


def test_what_is_gone_is_refused_at_once_and_without_the_signature(store: Store) -> None:
    store.content = None
    with pytest.raises(StorageDownloadException, match="NoSuchKey") as raised:
        fetch(store, (0, 1))
    assert raised.value.status == 404
    assert len(store.ranges) == 1
    assert "secret" not in str(raised.value)


def test_no_bearer_token_goes_to_object_storage(store: Store) -> None:
    fetch(store, (0, 1))
    assert store.authorizations == [None]


def test_an_error_of_what_takes_the_bytes_leaves_at_once(store: Store) -> None:
    def sink(offset: int, data: bytes) -> None:
        raise OSError(28, "no space")

    async def main() -> None:
        async with ObjectStorage() as storage:
            await storage.fetch(store.url, 0, 1000, sink)

    with pytest.raises(OSError, match="no space"):
        trio.run(main)
    assert len(store.ranges) == 1


def test_nothing_is_delivered_after_a_fetch_was_given_up(store: Store) -> None:
    store.gate.clear()
    taken: list[int] = []
    some = threading.Event()

    def sink(offset: int, _: bytes) -> None:
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
