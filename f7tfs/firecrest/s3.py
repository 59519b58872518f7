"""Object storage by presigned URLs. The bearer token never comes here: this is a client of its own.

Content is streamed in blocks: a part may be a gibibyte.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import httpx
import trio

from f7tfs.firecrest.bulk import BulkHttp, Moved, Sink
from f7tfs.firecrest.errors import (
    ConnectionFailed,
    FirecrestException,
    RequestTimedOut,
    StorageDownloadException,
    StorageUploadException,
)
from f7tfs.firecrest.http import HttpClient
from f7tfs.firecrest.multipart import Slice, form, raw_filename, whole
from f7tfs.firecrest.reply import Reply, reply_of
from f7tfs.firecrest.session import Options
from f7tfs.firecrest.tasks import gather

logger = logging.getLogger(__name__)

Done = Callable[[int, str], Awaitable[None]]
"""Told (index of a part, its ETag) once object storage has it."""

_XMLNS = "http://s3.amazonaws.com/doc/2006-03-01/"
_SECONDS = 60.0
"""Without a byte moving, after which a request is given up."""
_ATTEMPTS = 5
_PASSING = frozenset({408, 429, 500, 502, 503, 504})
_RANGE = frozenset({206})
_TAKEN = frozenset({200, 201, 204})

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes [start, stop) of a local file, and where they go."""

    url: str
    start: int
    stop: int


def plan_parts(urls: Sequence[str], largest: int, size: int) -> list[Part]:
    """Which bytes go to which URL, at most `largest` each; empty where the URLs cannot take so many bytes."""
    if not urls or largest < 1 or len(urls) * largest < size:
        return []
    starts = range(0, size, largest)
    return [Part(url, start, min(start + largest, size)) for url, start in zip(urls, starts, strict=False)]


class ObjectStorage:
    """Reads and writes objects that somebody has signed URLs for. All methods raise FirecrestException."""

    def __init__(self, options: Options | None = None) -> None:
        options = options or Options()
        self._retry = options.retry
        self._parallel = options.storage_concurrency
        headers = {"User-Agent": "f7tfs", "Accept-Encoding": "identity"}
        self._bulk = BulkHttp(options.verify, _SECONDS, headers)
        self._http = HttpClient(
            verify=options.verify,
            transport=options.storage_transport,
            timeout=httpx.Timeout(_SECONDS, connect=10.0),
            limits=httpx.Limits(
                max_connections=self._parallel + 4, max_keepalive_connections=8, keepalive_expiry=4.0
            ),
            headers=headers,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bulk.close()
        await self._http.aclose()

    async def size(self, url: str) -> int | None:
        """The size of an object, None while there is none. (A URL signed for GET does not serve HEAD.)"""

        async def probe() -> int | None:
            async with self._http.stream("GET", url, headers={"Range": "bytes=0-0"}) as response:
                if response.status_code == 404:
                    return None
                return await _total(response)

        return await self._persist(probe, StorageDownloadException, f"GET {_bare(url)}")

    async def fetch(self, url: str, start: int, stop: int, sink: Sink) -> None:
        """Bytes [start, stop) into `sink`, in order; goes on where it was after a lost connection.

        `sink` is called in worker threads, but never after this has ended. Its errors leave this.
        """
        position = start

        def take(offset: int, data: memoryview) -> None:
            nonlocal position
            sink(offset, data)
            position = offset + len(data)

        async def rest() -> None:
            if position < stop:
                await _expect(await self._bulk.get(url, position, stop, take), _RANGE)

        await self._persist(rest, StorageDownloadException, f"GET {_bare(url)}")

    async def put_parts(
        self,
        source: Path,
        parts: Sequence[Part],
        moved: Moved,
        known: Mapping[int, str] | None = None,
        done: Done | None = None,
    ) -> list[str]:
        """Upload all parts, several at once; their ETags, in order. `known`: of parts that are there already."""
        etags = {index: etag for index, etag in (known or {}).items() if index < len(parts)}
        room = trio.CapacityLimiter(self._parallel)

        async def put(index: int, part: Part) -> None:
            async with room:
                etags[index] = await self._put(source, part, moved)
                if done is not None:
                    await done(index, etags[index])

        await gather([partial(put, index, part) for index, part in enumerate(parts) if index not in etags])
        return [etags[index] for index in range(len(parts))]

    async def _put(self, source: Path, part: Part, moved: Moved) -> str:
        content = Slice(source, part.start, part.stop)

        async def once() -> str:
            with _counted(moved) as more:
                response = await self._bulk.send("PUT", part.url, content, more)
                await _expect(response, _TAKEN)
            return str(response.headers.get("etag", ""))

        return await self._persist(once, StorageUploadException, f"PUT {_bare(part.url)}")

    async def complete(self, url: str, etags: Sequence[str]) -> None:
        """Make an object of the parts."""
        listed = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"
            for number, etag in enumerate(etags, 1)
        )
        xml = f'<CompleteMultipartUpload xmlns="{_XMLNS}">{listed}</CompleteMultipartUpload>'
        attempts = 0

        async def once() -> None:
            nonlocal attempts
            attempts += 1
            response = await self._http.post(url, content=xml.encode(), headers={"Content-Type": "application/xml"})
            if attempts > 1 and response.status_code == 404:
                return  # no such upload any more: the first attempt was carried out, its answer lost
            await _expect(response, _TAKEN)
            if "<Error>" in response.text:  # S3 may find out after it has sent its 200
                raise _Refused(reply_of(500, response.headers, response.text))

        await self._persist(once, StorageUploadException, f"POST {_bare(url)}")

    async def post_form(self, url: str, fields: Mapping[str, str], filename: str, source: Path, moved: Moved) -> None:
        """Upload a whole file by a presigned form."""
        content, shape = await whole(source), form(fields, raw_filename(filename))

        async def once() -> None:
            with _counted(moved) as more:
                response = await self._bulk.send("POST", url, content, more, shape)
                await _expect(response, _TAKEN)

        await self._persist(once, StorageUploadException, f"POST {_bare(url)}")

    async def _persist(self, once: Callable[[], Awaitable[T]], kind: type[FirecrestException], asked: str) -> T:
        """Run `once` until it succeeds, with back-off after what may pass; raises `kind` for a final answer."""
        attempt = 0
        while True:
            try:
                return await once()
            except _Refused as refused:
                failure: FirecrestException = kind([replace(refused.reply, request=asked)])
                passing = refused.reply.status in _PASSING
            except httpx.TransportError as error:
                timed_out = isinstance(error, httpx.TimeoutException)
                lost = RequestTimedOut if timed_out else ConnectionFailed
                told = str(error) or type(error).__name__
                failure, passing = lost(f"{asked} (object storage): {told}", sent=True), True
            attempt += 1
            if not passing or attempt >= _ATTEMPTS:
                raise failure
            wait = self._retry.wait(attempt)
            logger.log(logging.DEBUG if attempt < 3 else logging.WARNING, "%s; again in %.1f s", failure, wait)
            await trio.sleep(wait)


class _Refused(Exception):
    """A response that is not the expected one."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


@contextmanager
def _counted(moved: Moved) -> Iterator[Moved]:
    """What one attempt moves. One that fails has moved nothing, and tells nothing once it has ended."""
    count, ended = 0, False

    def more(size: int) -> None:
        nonlocal count
        if not ended:
            count += size
            moved(size)

    try:
        yield more
    except BaseException:
        moved(-count)
        raise
    finally:
        ended = True


async def _expect(response: httpx.Response, statuses: frozenset[int]) -> None:
    if response.status_code not in statuses:
        await response.aread()
        raise _Refused(reply_of(response.status_code, response.headers, response.text))


async def _total(response: httpx.Response) -> int:
    """The whole size that the answer to a range tells."""
    if response.status_code == 416:  # there is no first byte
        return 0
    await _expect(response, _RANGE)
    return int(response.headers["content-range"].rpartition("/")[2])


def _bare(url: str) -> str:
    """A URL without what signs it."""
    return url.partition("?")[0]
