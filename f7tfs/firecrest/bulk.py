"""HTTP of bulk data: blocking, in worker threads, between the socket and the disk.

The asynchronous library copies each byte several times within Python, in the thread that everything else runs in.
Here a body is moved in large pieces, and the interpreter is free while they move. Each request has one buffer,
whatever its size.
"""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from http.client import HTTPException
from typing import Any, Protocol, TypeVar
from urllib.request import getproxies, proxy_bypass

import httpx
import trio
import urllib3
import urllib3.connection
from urllib3.exceptions import HTTPError
from urllib3.exceptions import TimeoutError as TimedOut

from f7tfs.firecrest.multipart import Form, Slice

MOST_CONNECTIONS = 32
MOST_THREADS = 64
FIRST, PIECE = 64 * 2**10, 2**20
"""So much is read at once: of a body's beginning, for which somebody may wait, and at most."""
QUICK = 0.1
"""Seconds. Pieces grow while they come within this: on a slow line nobody waits for what fills a large one."""
TOLD = 2**20
"""After so many bytes it is told how far a body has gone out."""
REFUSAL = 64 * 2**10
"""So much is read of an answer that is not the expected one."""
PARTIAL_CONTENT = 206
ENCODED = frozenset({"content-encoding", "content-length", "transfer-encoding"})
"""Headers that are not of what was read."""

Sink = Callable[[int, memoryview], object]
"""Takes (offset, data) of what arrives. The data are good until it returns."""
Moved = Callable[[int], None]
"""Told how many more bytes have gone out; negative when they begin anew."""
T = TypeVar("T")


class _GivenUpError(Exception):
    """Nobody wants the result of a thread's work any more."""


class _LocalError(Exception):
    """What takes the bytes, or gives them, failed; the cause is its error."""


class _Wire(Protocol):
    """What is needed of a socket, encrypted or not."""

    def fileno(self) -> int: ...
    def settimeout(self, value: float | None, /) -> None: ...
    def sendall(self, data: memoryview, /) -> None: ...


class _Attempt:
    """One request in a worker thread, until it is given up."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._given_up = False
        self._descriptor = -1

    def deliver(self, sink: Sink, offset: int, data: memoryview) -> None:
        with self._lock:
            if self._given_up:
                raise _GivenUpError
            try:
                sink(offset, data)
            except Exception as error:
                raise _LocalError from error

    @contextlib.contextmanager
    def sending(self, wire: _Wire) -> Iterator[None]:
        """For the time of the block, giving up ends the connection."""
        with self._lock:
            if self._given_up:
                raise _GivenUpError
            self._descriptor = wire.fileno()
        try:
            yield
        finally:
            with self._lock:
                self._descriptor = -1

    def give_up(self) -> None:
        """Nothing is delivered or sent any more once this has returned."""
        with self._lock:
            self._given_up = True
            if self._descriptor >= 0:
                # Not by the object that the thread uses: an encrypted one would go on in the clear.
                with socket.socket(fileno=os.dup(self._descriptor)) as twin, contextlib.suppress(OSError):
                    twin.shutdown(socket.SHUT_RDWR)


class _Outgoing:
    """Bytes of a file on their way into a connection: what urllib3 takes for a piece of a body."""

    def __init__(self, content: Slice, attempt: _Attempt, seconds: float, moved: Moved) -> None:
        self._content = content
        self._attempt = attempt
        self._seconds = seconds
        self._moved = moved

    def into(self, wire: _Wire) -> None:
        # urllib3 would send within the seconds that are meant for connecting.
        wire.settimeout(self._seconds)
        untold = 0
        with self._attempt.sending(wire):
            for piece in self._pieces():
                try:
                    wire.sendall(piece)
                except TimeoutError as error:
                    raise httpx.WriteTimeout(str(error)) from error
                untold += len(piece)
                if untold >= TOLD:
                    self._moved(untold)
                    untold = 0
        self._moved(untold)

    def _pieces(self) -> Iterator[memoryview]:
        """Each is good until the next: they share a buffer."""
        at, stop = self._content.start, self._content.stop
        buffer = memoryview(bytearray(min(PIECE, stop - at)))
        try:
            with self._content.source.open("rb", buffering=0) as file:
                while at < stop and (size := os.preadv(file.fileno(), [buffer[: stop - at]], at)):
                    yield buffer[:size]
                    at += size
        except OSError as error:
            raise _LocalError from error
        if at < stop:
            raise _LocalError from self._content.shortened()


class _FileSending:
    """Of a connection: sends what is in files straight from them."""

    sock: _Wire | None

    def send(self, data: Any) -> None:
        if isinstance(data, _Outgoing) and self.sock is not None:
            data.into(self.sock)
        else:
            super().send(data)  # type: ignore[misc]  # of the connection that this is mixed into


class _Connection(_FileSending, urllib3.connection.HTTPConnection):
    pass


class _EncryptedConnection(_FileSending, urllib3.connection.HTTPSConnection):
    pass


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


class _EncryptedPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _EncryptedConnection


class BulkHttp:
    """Connections for worker threads. Raises httpx.TransportError, as the asynchronous client does."""

    def __init__(self, verify: bool | ssl.SSLContext, seconds: float, headers: Mapping[str, str]) -> None:
        """`seconds` without a byte moving end a request."""
        self._verify = verify
        self._seconds = seconds
        self._timeout = urllib3.Timeout(connect=10.0, read=seconds)
        self._headers = dict(headers)
        self._lock = threading.Lock()
        self._pools: dict[tuple[str, str], urllib3.PoolManager] = {}
        self._threads = trio.CapacityLimiter(MOST_THREADS)

    def close(self) -> None:
        """Close the connections that nobody uses."""
        for pool in self._pools.values():
            pool.clear()

    async def get(self, url: str, start: int, stop: int, sink: Sink) -> httpx.Response:
        """Bytes [start, stop) of an object into `sink`, which is called in a worker thread, and never afterwards.

        Of an answer that is no 206 the beginning is returned, and nothing delivered. Errors of the sink leave this.
        """
        headers = {**self._headers, "Range": f"bytes={start}-{stop - 1}"}

        def work(attempt: _Attempt) -> httpx.Response:
            with self._answer("GET", url, headers) as response:
                if response.status != PARTIAL_CONTENT:
                    return _read(response)
                _receive(response, start, stop, lambda offset, data: attempt.deliver(sink, offset, data))
                return httpx.Response(response.status)

        return await self._in_thread(work)

    async def send(
        self, method: str, url: str, content: Slice, moved: Moved, shape: Form | None = None
    ) -> httpx.Response:
        """A request with bytes of a file, in a form if it has a shape; the beginning of its answer.

        `moved` is called in trio's thread. Given up, it sends nothing of the file any more. A file that has become
        shorter is an OSError.
        """
        size = len(content)
        headers = self._headers | (shape.headers(size) if shape else {"Content-Length": str(size)})
        token = trio.lowlevel.current_trio_token()

        def work(attempt: _Attempt) -> httpx.Response:
            outgoing = _Outgoing(content, attempt, self._seconds, lambda count: token.run_sync_soon(moved, count))
            pieces = [shape.head, outgoing, shape.tail] if shape else [outgoing]
            with self._answer(method, url, headers, pieces) as response:
                return _read(response)

        return await self._in_thread(work)

    async def _in_thread(self, work: Callable[[_Attempt], T]) -> T:
        attempt = _Attempt()
        try:
            # A thread that is given up ends with the next piece, or after the seconds without one.
            return await trio.to_thread.run_sync(work, attempt, abandon_on_cancel=True, limiter=self._threads)
        except _LocalError as error:
            raise error.__cause__ or error from None
        finally:
            attempt.give_up()

    @contextlib.contextmanager
    def _answer(
        self, method: str, url: str, headers: Mapping[str, str], body: list[Any] | None = None
    ) -> Iterator[urllib3.BaseHTTPResponse]:
        """Its connection is used again if the answer was read to its end, and closed else."""
        target = httpx.URL(url)
        try:
            response = self._pool(target).request(
                method, str(target), body=body, headers=headers, preload_content=False, timeout=self._timeout
            )
            try:
                yield response
            except BaseException:
                response.close()
                raise
            response.release_conn()
        except (TimedOut, TimeoutError) as error:
            raise httpx.ReadTimeout(str(error)) from error
        except (HTTPError, HTTPException, OSError) as error:
            raise httpx.ReadError(str(error)) from error

    def _pool(self, url: httpx.URL) -> urllib3.PoolManager:
        """The connections to where a URL is, straight or through the proxy that the environment names."""
        proxies = {} if proxy_bypass(url.host) else getproxies()
        key = url.scheme, proxies.get(url.scheme) or proxies.get("all") or ""
        with self._lock:
            if key not in self._pools:
                self._pools[key] = self._new_pool(*key)
            return self._pools[key]

    def _new_pool(self, scheme: str, proxy: str) -> urllib3.PoolManager:
        encrypted = "https" in {scheme, proxy.partition(":")[0]}
        context = httpx.create_ssl_context(verify=self._verify) if encrypted else None
        if not proxy:
            return _with_files(urllib3.PoolManager(maxsize=MOST_CONNECTIONS, retries=False, ssl_context=context))
        address = httpx.URL(proxy if "://" in proxy else f"http://{proxy}")
        told = f"{address.username}:{address.password}" if address.username else None
        return _with_files(
            urllib3.ProxyManager(
                str(address.copy_with(userinfo=b"")),
                maxsize=MOST_CONNECTIONS,
                retries=False,
                ssl_context=context,
                proxy_headers=urllib3.make_headers(proxy_basic_auth=told),
            )
        )


def _with_files(pools: urllib3.PoolManager) -> urllib3.PoolManager:
    pools.pool_classes_by_scheme = {"http": _Pool, "https": _EncryptedPool}
    return pools


def _read(response: urllib3.BaseHTTPResponse) -> httpx.Response:
    headers = {name: value for name, value in response.headers.items() if name.lower() not in ENCODED}
    return httpx.Response(response.status, headers=headers, content=response.read(REFUSAL))


def _receive(response: urllib3.BaseHTTPResponse, start: int, stop: int, deliver: Sink) -> None:
    """All of the body, but nothing beyond `stop`. Raises httpx.ReadError where it ends before."""
    # urllib3 fills a buffer only by way of another one, which took a fifth more of the processor.
    body = getattr(response, "_fp", response)
    size, buffer = FIRST, memoryview(bytearray(min(PIECE, stop - start)))
    asked = time.monotonic()
    while count := body.readinto(buffer[: min(size, stop - start)]):
        size = min(2 * size, PIECE) if time.monotonic() - asked < QUICK else FIRST
        deliver(start, buffer[:count])
        start += count
        # Of the line only: a slow disk is no reason for small pieces.
        asked = time.monotonic()
    if start < stop:
        raise httpx.ReadError("the object ended early")
