"""Object storage: sizes, and the end of an upload."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

import httpx
import pytest
import trio
import trio.testing

from f7tfs.firecrest.errors import StorageUploadException
from f7tfs.firecrest.s3 import ObjectStorage
from f7tfs.firecrest.session import Options

T = TypeVar("T")
URL = "http://s3.test/bucket/key?X-Amz-Signature=secret"


class Store:
    """An object store of one object."""

    def __init__(self, content: bytes | None = None) -> None:
        self.content = content
        self.requests: list[httpx.Request] = []

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        await request.aread()
        if request.method == "GET":
            return self._get(request)
        return httpx.Response(200, text="<Result/>")

    def _get(self, request: httpx.Request) -> httpx.Response:
        if self.content is None:
            return httpx.Response(404, text="<Code>NoSuchKey</Code>")
        first, _, last = request.headers["range"].removeprefix("bytes=").partition("-")
        start, stop = int(first), min(int(last) + 1, len(self.content))
        if start >= len(self.content):
            return httpx.Response(416)
        body = self.content[start:stop]
        headers = {"Content-Range": f"bytes {start}-{stop - 1}/{len(self.content)}"}
        return httpx.Response(206, headers=headers, content=streamed(body))


async def streamed(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 1000):
        yield body[start : start + 1000]


def with_store(store: Store, use: Callable[[ObjectStorage], Awaitable[T]]) -> T:
    async def main() -> T:
        async with ObjectStorage(Options(storage_transport=httpx.MockTransport(store))) as storage:
            return await use(storage)

    return trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def test_the_size_is_known_from_a_range_and_nothing_is_none() -> None:
    assert with_store(Store(b"12345"), lambda storage: storage.size(URL)) == 5
    assert with_store(Store(b""), lambda storage: storage.size(URL)) == 0
    assert with_store(Store(None), lambda storage: storage.size(URL)) is None


def test_no_bearer_token_goes_to_object_storage() -> None:
    store = Store(b"x")
    with_store(store, lambda storage: storage.size(URL))
    assert "authorization" not in store.requests[0].headers


def test_the_list_of_parts_is_as_s3_wants_it() -> None:
    store = Store()
    with_store(store, lambda storage: storage.complete(URL, ['"a"', '"b"']))
    assert store.requests[0].content == (
        b'<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        b'<Part><PartNumber>1</PartNumber><ETag>"a"</ETag></Part>'
        b'<Part><PartNumber>2</PartNumber><ETag>"b"</ETag></Part></CompleteMultipartUpload>'
    )


def answers(*replies: httpx.Response | Exception) -> Callable[[httpx.Request], httpx.Response]:
    left = list(replies)

    def answer(request: httpx.Request) -> httpx.Response:
        reply = left.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return reply

    return answer


def complete(*replies: httpx.Response | Exception) -> None:
    async def main() -> None:
        transport = httpx.MockTransport(answers(*replies))
        async with ObjectStorage(Options(storage_transport=transport)) as storage:
            await storage.complete(URL, ['"a"'])

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def test_a_completion_whose_answer_was_lost_is_found_done() -> None:
    complete(httpx.ReadError("reset"), httpx.Response(404, text="<Code>NoSuchUpload</Code>"))


def test_an_error_inside_of_a_success_is_an_error() -> None:
    complete(httpx.Response(200, text="<Error><Code>InternalError</Code></Error>"), httpx.Response(200, text="<ok/>"))
    with pytest.raises(StorageUploadException):
        complete(httpx.Response(404, text="<Code>NoSuchUpload</Code>"))
