"""HTTP of bulk data: blocking, in worker threads, between the socket and the disk.

The asynchronous library copies each byte several times within Python, in the thread that everything else runs in.
Here a body is read in large pieces, and the interpreter is free while they move.
"""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar
from urllib.request import getproxies, proxy_bypass

import httpx
import trio
import urllib3
from urllib3.exceptions import HTTPError
from urllib3.exceptions import TimeoutError as TimedOut

MOST_CONNECTIONS = 32
MOST_THREADS = 64
FIRST, PIECE = 64 * 2**10, 256 * 2**10
"""So much is read at once: of a body's beginning, for which somebody may wait, and of the rest."""
REFUSAL = 64 * 2**10
"""So much is read of an answer that is not the expected one."""
PARTIAL_CONTENT = 206
ENCODED = frozenset({"content-encoding", "content-length", "transfer-encoding"})
"""Headers that are not of what was read."""

Sink = Callable[[int, bytes], object]
T = TypeVar("T")


class _GivenUpError(Exception):
    """Nobody wants the result of a thread's work any more."""


class _SinkError(Exception):
    """What takes the bytes failed; the cause is its error."""


class _Attempt:
    """One request in a worker thread, until it is given up."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._given_up = False

    def deliver(self, sink: Sink, offset: int, data: bytes) -> None:
        with self._lock:
            if self._given_up:
                raise _GivenUpError
            try:
                sink(offset, data)
            except Exception as error:
                raise _SinkError from error

    def give_up(self) -> None:
        """Nothing is delivered any more once this has returned."""
        with self._lock:
            self._given_up = True


class BulkHttp:
    """Connections for worker threads. Raises httpx.TransportError, as the asynchronous client does."""

    def __init__(self, verify: bool | ssl.SSLContext, seconds: float, headers: Mapping[str, str]) -> None:
        """`seconds` without a byte moving end a request."""
        self._verify = verify
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

    async def _in_thread(self, work: Callable[[_Attempt], T]) -> T:
        attempt = _Attempt()
        try:
            # A thread that is given up ends with the next piece, or after the seconds without one.
            return await trio.to_thread.run_sync(work, attempt, abandon_on_cancel=True, limiter=self._threads)
        except _SinkError as error:
            raise error.__cause__ or error from None
        finally:
            attempt.give_up()

    @contextlib.contextmanager
    def _answer(self, method: str, url: str, headers: Mapping[str, str]) -> Iterator[urllib3.BaseHTTPResponse]:
        """Its connection is used again if the answer was read to its end, and closed else."""
        target = httpx.URL(url)
        try:
            response = self._pool(target).request(
                method, str(target), headers=headers, preload_content=False, timeout=self._timeout
            )
            try:
                yield response
            except BaseException:
                response.close()
                raise
            response.release_conn()
        except TimedOut as error:
            raise httpx.ReadTimeout(str(error)) from error
        except (HTTPError, OSError) as error:
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
            return urllib3.PoolManager(maxsize=MOST_CONNECTIONS, retries=False, ssl_context=context)
        address = httpx.URL(proxy if "://" in proxy else f"http://{proxy}")
        told = f"{address.username}:{address.password}" if address.username else None
        return urllib3.ProxyManager(
            str(address.copy_with(userinfo=b"")),
            maxsize=MOST_CONNECTIONS,
            retries=False,
            ssl_context=context,
            proxy_headers=urllib3.make_headers(proxy_basic_auth=told),
        )


def _read(response: urllib3.BaseHTTPResponse) -> httpx.Response:
    headers = {name: value for name, value in response.headers.items() if name.lower() not in ENCODED}
    return httpx.Response(response.status, headers=headers, content=response.read(REFUSAL))


def _receive(response: urllib3.BaseHTTPResponse, start: int, stop: int, deliver: Sink) -> None:
    """All of the body, but nothing beyond `stop`. Raises httpx.ReadError where it ends before."""
    size = FIRST
    while data := response.read(min(size, stop - start), decode_content=False):
        deliver(start, data)
        start += len(data)
        size = PIECE
    if start < stop:
        raise httpx.ReadError("the object ended early")
