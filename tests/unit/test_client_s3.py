"""Object storage: ranges, parts, forms, and lost connections."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import httpx
import pytest
import trio
import trio.testing

from f7tfs.firecrest.errors import StorageUploadException
from f7tfs.firecrest.s3 import ObjectStorage, Part
from f7tfs.firecrest.session import Options

T = TypeVar("T")
URL = "http://s3.test/bucket/key?X-Amz-Signature=secret"


class Store:
    """An object store of one object, with faults: the first `errors` answers are 503."""

    def __init__(self, content: bytes | None = None, *, errors: int = 0) -> None:
        self.content = content
        self.parts: dict[str, bytes] = {}
        self.requests: list[httpx.Request] = []
        self._errors = errors

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        await request.aread()
        if self._errors:
            self._errors -= 1
            return httpx.Response(503, text="SlowDown")
        match request.method:
            case "GET":
                return self._get(request)
            case "PUT":
                self.parts[request.url.params["partNumber"]] = request.content
                return httpx.Response(200, headers={"ETag": f'"etag-{request.url.params["partNumber"]}"'})
            case _:
                self.content = request.content
                return httpx.Response(204 if b"form-data" in request.content else 200, text="<Result/>")

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


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(bytes(range(250)) * 12_000)  # three million bytes: several blocks
    return path


def test_parts_are_uploaded_whole_with_their_length_and_their_tags_are_in_order(source: Path) -> None:
    store = Store()
    content = source.read_bytes()
    spans = [(0, 1_300_000), (1_300_000, 2_600_000), (2_600_000, 3_000_000)]
    parts = [Part(f"http://s3.test/k?partNumber={n}", *span) for n, span in enumerate(spans, 1)]
    moved: list[int] = []
    etags = with_store(store, lambda storage: storage.put_parts(source, parts, moved.append))
    assert etags == ['"etag-1"', '"etag-2"', '"etag-3"']
    assert [store.parts[str(number)] for number in (1, 2, 3)] == [content[start:stop] for start, stop in spans]
    assert {request.headers["content-length"] for request in store.requests} == {"1300000", "400000"}
    assert all("transfer-encoding" not in request.headers for request in store.requests)
    assert sum(moved) == 3_000_000


def test_a_part_is_sent_again_after_what_may_pass_and_is_counted_once(source: Path) -> None:
    store = Store(errors=2)
    moved: list[int] = []
    part = Part("http://s3.test/k?partNumber=1", 0, 3_000_000)
    with_store(store, lambda storage: storage.put_parts(source, [part], moved.append))
    assert store.parts["1"] == source.read_bytes()
    assert len(store.requests) == 3
    assert sum(moved) == 3_000_000


def test_one_refused_part_ends_the_upload_with_its_own_error(source: Path) -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        return httpx.Response(403, text="<Code>AccessDenied</Code>")

    async def main() -> None:
        async with ObjectStorage(Options(storage_transport=httpx.MockTransport(refuse))) as storage:
            parts = [Part("http://s3.test/k?partNumber=1", 0, 10), Part("http://s3.test/k?partNumber=2", 10, 20)]
            await storage.put_parts(source, parts, lambda _: None)

    with pytest.raises(StorageUploadException, match="403"):
        trio.run(main)


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


def test_a_form_has_its_fields_first_and_its_length_before_it(source: Path) -> None:
    store = Store()
    fields = {"key": "id/name", "policy": "p"}
    moved: list[int] = []
    with_store(store, lambda storage: storage.post_form(URL, fields, "name", source, moved.append))
    request = store.requests[0]
    assert int(request.headers["content-length"]) == len(request.content)
    head, _, rest = request.content.partition(b'name="file"; filename="name"')
    assert head.index(b'name="key"\r\n\r\nid/name') < head.index(b'name="policy"\r\n\r\np')
    assert source.read_bytes() in rest
    assert sum(moved) == 3_000_000


def test_a_file_that_shrinks_under_an_upload_is_not_sent_short(source: Path) -> None:
    part = Part("http://s3.test/k?partNumber=1", 0, 4_000_000)
    with pytest.raises(OSError, match="shorter"):
        with_store(Store(), lambda storage: storage.put_parts(source, [part], lambda _: None))
