"""A site behind TLS with an authority of its own, and a forward proxy: what stands between users and sites."""

from __future__ import annotations

import base64
import contextlib
import select
import socket
import socketserver
import ssl
import threading
from typing import Self
from urllib.parse import urlsplit

_PIECE = 65536
_LOOK_SECONDS = 0.5


class _Server(socketserver.ThreadingTCPServer):
    """Serves on a free port in threads; a context manager that waits for all of them."""

    daemon_threads = True
    block_on_close = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Connection)
        self.port: int = self.server_address[1]
        self.ended = threading.Event()
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.ended.set()
        self.shutdown()
        self._thread.join()
        self.server_close()

    def answer(self, client: socket.socket) -> None:
        """One connection, from its beginning to its end."""
        raise NotImplementedError

    def exchange(
        self, client: socket.socket, port: int, first: bytes = b"", until: threading.Event | None = None
    ) -> None:
        """Carry bytes in both directions, until either end is closed."""
        until = until or self.ended
        with socket.create_connection(("127.0.0.1", port)) as behind:
            behind.sendall(first)
            other = {client: behind, behind: client}
            while not (self.ended.is_set() or until.is_set()):
                for source in _ready(client, behind):
                    if until.is_set():
                        return
                    if not (piece := source.recv(_PIECE)):
                        return
                    other[source].sendall(piece)


class _Connection(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, _Server)
        with contextlib.suppress(OSError):
            self.server.answer(self.request)


class TlsFront(_Server):
    """Takes TLS, and hands on what comes to a plain server of this machine."""

    def __init__(self, context: ssl.SSLContext, behind: int) -> None:
        super().__init__()
        self.context = context
        self.behind = behind

    def answer(self, client: socket.socket) -> None:
        with self.context.wrap_socket(client, server_side=True) as secured:
            self.exchange(secured, self.behind)


class Line(_Server):
    """A network that carries bytes to a server of this machine, until the user goes to another one."""

    def __init__(self, behind: int) -> None:
        super().__init__()
        self.behind = behind
        self._left = threading.Event()

    def leave(self) -> None:
        """Nobody hears any more of the connections that there are, nor that they have ended; new ones are carried."""
        self._left, old = threading.Event(), self._left
        old.set()

    def answer(self, client: socket.socket) -> None:
        left = self._left
        self.exchange(client, self.behind, until=left)
        if left.is_set():
            self.ended.wait()


class Proxy(_Server):
    """A forward proxy: tunnels by CONNECT, and plain requests by their whole URL. Notes what went through."""

    def __init__(self, credentials: str = "") -> None:
        super().__init__()
        self.wanted = "Basic " + base64.b64encode(credentials.encode()).decode() if credentials else ""
        self.tunnels: list[int] = []
        """The ports to which there were tunnels."""
        self.requests: list[str] = []

    def answer(self, client: socket.socket) -> None:
        head, body = self._head(client)
        lines = head.decode("latin-1").split("\r\n")
        said = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        method, target, version = lines[0].split(" ")
        if self.wanted and said.get("proxy-authorization") != self.wanted:
            client.sendall(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        elif method == "CONNECT":
            self.tunnels.append(int(target.rpartition(":")[2]))
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            self.exchange(client, self.tunnels[-1], body)
        else:
            self.requests.append(f"{method} {target}")
            parts = urlsplit(target)
            path = target.removeprefix(f"{parts.scheme}://{parts.netloc}") or "/"
            # One request for each connection: the next one may go to another host.
            kept = [line for line in lines[1:] if not line.lower().startswith(("connection:", "proxy-"))]
            asked = "\r\n".join([f"{method} {path} {version}", *kept, "Connection: close", "", ""])
            self.exchange(client, parts.port or 80, asked.encode("latin-1") + body)

    def _head(self, client: socket.socket) -> tuple[bytes, bytes]:
        """The head of a request, and what came with it."""
        received = b""
        while b"\r\n\r\n" not in received:
            if self.ended.is_set():
                raise ConnectionError("the proxy ends")
            if _ready(client):
                if not (piece := client.recv(_PIECE)):
                    raise ConnectionError("closed before a request came")
                received += piece
        head, _, body = received.partition(b"\r\n\r\n")
        return head, body


def _ready(*ends: socket.socket) -> list[socket.socket]:
    """Those of which something can be read; none after a moment. What TLS has decrypted is in no socket any more."""
    waiting: list[socket.socket] = [end for end in ends if isinstance(end, ssl.SSLSocket) and end.pending()]
    return waiting or select.select(ends, [], [], _LOOK_SECONDS)[0]
