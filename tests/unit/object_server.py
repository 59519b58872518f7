"""An object store of one object over a real connection: what is lost, refused or held back is told it."""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PATIENCE = 60.0
KEY = "/bucket/a%20key%2B?X-Amz-Signature=secret"


class ObjectServer(ThreadingHTTPServer):
    """The first `cuts` bodies end early, the first `refusals` are the answers to requests; bodies wait for `gate`."""

    daemon_threads = True

    def __init__(self, scheme: str = "http") -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.scheme = scheme
        self.content: bytes | None = bytes(range(256)) * 4000
        self.cuts = 0
        self.refusals: list[int] = []
        self.ranges: list[str] = []
        self.connections: set[object] = set()
        self.headers: list[Mapping[str, str]] = []
        self.sent: dict[str, bytes] = {}
        self.ended = threading.Event()
        """A body that was sent has ended early."""
        self.coming = threading.Event()
        """A body that is sent has begun."""
        self.gate = threading.Event()
        self.gate.set()

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_port}{KEY}"

    def part(self, number: int) -> str:
        return f"{self.url}&partNumber={number}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ObjectServer

    def do_GET(self) -> None:
        store = self._asked()
        store.ranges.append(self.headers["Range"])
        if store.content is None or self.path != KEY:
            return self._answer(404, b"<Code>NoSuchKey</Code>")
        first, _, last = self.headers["Range"].removeprefix("bytes=").partition("-")
        body = store.content[int(first) : int(last) + 1]
        if store.cuts:
            store.cuts -= 1
            self.close_connection = True
            return self._answer(206, body, len(body) // 2)
        return self._answer(206, body)

    def do_PUT(self) -> None:
        store, length = self._asked(), int(self.headers["Content-Length"])
        if store.refusals and store.refusals[0] == 0:
            # Without a word, in the middle of the body.
            store.refusals.pop(0)
            self.rfile.read(length // 2)
            self.close_connection = True
            return None
        first = self.rfile.read(length // 2)
        store.coming.set()
        store.gate.wait(PATIENCE)
        body = first + self.rfile.read(length - len(first))
        if len(body) < length:
            store.ended.set()
            self.close_connection = True
            return None
        if store.refusals:
            return self._answer(store.refusals.pop(0), b"<Code>SlowDown</Code>")
        name = self.path.rpartition("=")[2]
        store.sent[name] = body
        return self._answer(200, b"", etag=f'"etag-{name}"')

    def do_POST(self) -> None:
        self.do_PUT()

    def _asked(self) -> ObjectServer:
        self.server.connections.add(self.client_address)
        self.server.headers.append(dict(self.headers.items()))
        return self.server

    def _answer(self, status: int, body: bytes, sent: int | None = None, etag: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if etag:
            self.send_header("ETag", etag)
        self.end_headers()
        half = len(body) // 2
        self.wfile.write(body[:half])
        self.server.gate.wait(PATIENCE)
        self.wfile.write(body[half:sent])

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the library's name
        pass


@contextlib.contextmanager
def running(context: ssl.SSLContext | None = None) -> Iterator[ObjectServer]:
    """A store that is served for the time of the block."""
    server = ObjectServer("https" if context else "http")
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server
    finally:
        server.gate.set()
        server.shutdown()
        thread.join()
        server.server_close()
