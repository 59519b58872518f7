"""What is sent to object storage from files, over real connections: lost, refused, given up, encrypted."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
import trio
import trio.testing
import trustme

from f7tfs.firecrest.bulk import PIECE
from f7tfs.firecrest.errors import ConnectionFailed, StorageUploadException
from f7tfs.firecrest.s3 import ObjectStorage, Part
from f7tfs.firecrest.session import Options
from tests.unit.object_server import PATIENCE, ObjectServer, running

T = TypeVar("T")
SIZE = 3_000_000
LARGE = 64 * 2**20
"""More than the buffers of a connection hold."""


@pytest.fixture
def store() -> Iterator[ObjectServer]:
    with running() as server:
        yield server


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source"
    path.write_bytes(bytes(range(250)) * (SIZE // 250))
    return path


def use(work: Callable[[ObjectStorage], Awaitable[T]], options: Options | None = None) -> T:
    async def main() -> T:
        async with ObjectStorage(options) as storage:
            return await work(storage)

    return trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def test_parts_are_uploaded_whole_with_their_length_and_their_tags_are_in_order(
    store: ObjectServer, source: Path
) -> None:
    content, moved = source.read_bytes(), list[int]()
    spans = [(0, 1_300_000), (1_300_000, 2_600_000), (2_600_000, SIZE)]
    parts = [Part(store.part(number), *span) for number, span in enumerate(spans, 1)]
    assert use(lambda storage: storage.put_parts(source, parts, moved.append)) == ['"etag-1"', '"etag-2"', '"etag-3"']
    assert store.sent == {str(number): content[slice(*span)] for number, span in enumerate(spans, 1)}
    assert {headers["Content-Length"] for headers in store.headers} == {"1300000", "400000"}
    assert all("Transfer-Encoding" not in headers for headers in store.headers)
    assert all("Authorization" not in headers for headers in store.headers)
    assert sum(moved) == SIZE


@pytest.mark.parametrize("size", [1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE])
def test_sizes_at_the_bounds_of_the_buffer(store: ObjectServer, tmp_path: Path, size: int) -> None:
    content = bytes(range(251)) * (size // 251 + 2)
    (tmp_path / "f").write_bytes(content)
    use(lambda storage: storage.put_parts(tmp_path / "f", [Part(store.part(1), 7, 7 + size)], lambda _: None))
    assert store.sent["1"] == content[7 : 7 + size]


@pytest.mark.parametrize("refusal", [503, 0], ids=["busy", "a lost connection"])
def test_a_part_is_sent_again_after_what_may_pass_and_is_counted_once(
    store: ObjectServer, source: Path, refusal: int
) -> None:
    store.refusals = [refusal, refusal]
    moved: list[int] = []
    use(lambda storage: storage.put_parts(source, [Part(store.part(1), 0, SIZE)], moved.append))
    assert store.sent["1"] == source.read_bytes()
    assert len(store.headers) == 3
    assert sum(moved) == SIZE


def test_a_connection_lost_again_and_again_ends_in_an_error_and_nothing_has_moved(
    store: ObjectServer, source: Path
) -> None:
    store.refusals = [0] * 100
    moved: list[int] = []
    with pytest.raises(ConnectionFailed) as raised:
        use(lambda storage: storage.put_parts(source, [Part(store.part(1), 0, SIZE)], moved.append))
    assert "secret" not in str(raised.value)
    assert len(store.headers) == 5
    assert sum(moved) == 0


def test_one_refused_part_ends_the_upload_with_its_own_error(store: ObjectServer, source: Path) -> None:
    store.refusals = [403, 403]
    parts = [Part(store.part(1), 0, 10), Part(store.part(2), 10, 20)]
    with pytest.raises(StorageUploadException, match="403"):
        use(lambda storage: storage.put_parts(source, parts, lambda _: None))


def test_a_form_has_its_fields_first_and_its_length_before_it(store: ObjectServer, source: Path) -> None:
    fields, moved = {"key": "id/name", "policy": "p"}, list[int]()
    use(lambda storage: storage.post_form(store.part(1), fields, "name", source, moved.append))
    head, _, rest = store.sent["1"].partition(b'name="file"; filename="name"')
    assert head.index(b'name="key"\r\n\r\nid/name') < head.index(b'name="policy"\r\n\r\np')
    assert rest.partition(b"\r\n\r\n")[2].startswith(source.read_bytes() + b"\r\n--")
    assert store.headers[0]["Content-Type"].startswith("multipart/form-data; boundary=")
    assert sum(moved) == SIZE


def test_a_file_that_shrinks_under_an_upload_is_not_sent_short(store: ObjectServer, source: Path) -> None:
    part = Part(store.part(1), 0, SIZE + 1000)
    with pytest.raises(OSError, match="shorter"):
        use(lambda storage: storage.put_parts(source, [part], lambda _: None))
    assert store.sent == {}
    assert len(store.headers) <= 1, "it was tried again (the server may not have come to the first try yet)"


def test_a_file_that_is_gone_is_its_own_error(store: ObjectServer, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        use(lambda storage: storage.put_parts(tmp_path / "none", [Part(store.part(1), 0, 10)], lambda _: None))


def given_up(store: ObjectServer, source: Path, options: Options | None = None) -> list[int]:
    """Give an upload up in the middle of a part; what had moved then."""
    store.gate.clear()
    moved: list[int] = []

    async def main() -> None:
        async with ObjectStorage(options) as storage, trio.open_nursery() as nursery:
            part = Part(store.part(1), 0, LARGE)
            nursery.start_soon(storage.put_parts, source, [part], moved.append)
            assert await trio.to_thread.run_sync(store.coming.wait, PATIENCE)
            nursery.cancel_scope.cancel()
        # From here on the file may change: nothing of that goes out.
        with source.open("r+b") as file:
            file.write(b"changed" * (LARGE // 7))
        store.gate.set()
        assert await trio.to_thread.run_sync(store.ended.wait, PATIENCE)

    trio.run(main)
    return moved


def test_nothing_is_sent_after_an_upload_was_given_up(store: ObjectServer, tmp_path: Path) -> None:
    with (tmp_path / "f").open("wb") as file:
        file.truncate(LARGE)
    assert sum(given_up(store, tmp_path / "f")) == 0
    assert store.sent == {}


def test_parts_go_out_encrypted_and_are_given_up_so(tmp_path: Path) -> None:
    authority, served = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(served)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    options = Options(verify=trusting)
    content = bytes(range(256)) * 8000
    (tmp_path / "f").write_bytes(content)
    with running(served) as store:
        part = Part(store.part(1), 5, len(content))
        assert use(lambda storage: storage.put_parts(tmp_path / "f", [part], lambda _: None), options) == ['"etag-1"']
        assert store.sent.pop("1") == content[5:]
        store.coming.clear()
        with (tmp_path / "f").open("r+b") as file:
            file.truncate(LARGE)
        assert sum(given_up(store, tmp_path / "f", options)) == 0
        assert store.sent == {}
