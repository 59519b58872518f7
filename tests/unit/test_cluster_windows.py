"""Windows on texts: whatever a file holds, what they give is what it has there, or nothing."""

from __future__ import annotations

import random

import pytest
import trio

from f7tfs.cluster.errors import CutCharacter, NotText, Unsupported
from f7tfs.cluster.windows import (
    LARGEST_V1,
    LARGEST_V2,
    NotDecoded,
    exact_views,
    near_view,
    not_decoded,
    read_ends,
    read_views,
)

PIECES = {
    "ascii": [b"x", b"\n", b"\r\n", b"step 10 of 100 "],
    "nul": [b"a", b"\0\0\0", b"\n"],
    "two": ["é".encode(), b"e", b"\n"],
    "three": ["日本".encode()],
    "mixed": ["ü".encode(), "█▏".encode(), "🙂".encode(), b" 12 ", b"\n"],
    "replaced": ["\ufffd".encode(), b"abc", "é".encode()],
    "latin1": ["für ".encode("latin-1"), b"fuer ", "日".encode()],
    "binary": [bytes([value]) for value in range(256)],
    "cut": ["日".encode()[:2], "🙂".encode()[:3], "日🙂".encode(), b"."],
}


def content(kind: str, size: int, seed: int) -> bytes:
    dice = random.Random(seed)
    return b"".join(dice.choice(PIECES[kind]) for _ in range(size))[:size]


class Server:
    """What each version answers of a content."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.calls = 0

    async def view(self, size: int, offset: int) -> str:
        self.calls += 1
        assert 0 < size <= LARGEST_V2
        at = offset // size * size
        text = self.raw[at : at + 2 * size].decode("utf-8", "replace")
        return text[offset - at : offset - at + size]

    async def head(self, count: int) -> str:
        return self._decoded(self.raw[:count])

    async def tail(self, offset: int) -> str:
        return self._decoded(self.raw[offset:])

    def _decoded(self, raw: bytes) -> str:
        self.calls += 1
        try:
            return raw.decode()
        except UnicodeDecodeError as error:
            lost = not_decoded(f"Error on head operation: {error}")
            assert lost is not None
            raise lost from error


def spans(size: int, seed: int) -> list[tuple[int, int]]:
    dice = random.Random(seed)
    found = [(0, size), (0, 1), (size - 1, size), (size - 100, size)]
    for _ in range(20):
        start = dice.randrange(size)
        found.append((start, min(size, start + dice.choice((1, 10, 1000, 4096, 20000)))))
    return found


@pytest.mark.parametrize("kind", PIECES)
@pytest.mark.parametrize("seed", range(4))
def test_a_view_of_v2_gives_what_the_file_has_there_or_a_part_of_it_or_nothing(kind: str, seed: int) -> None:
    raw = content(kind, 60000, seed)
    for start, stop in spans(len(raw), seed):
        server = Server(raw)
        try:
            got = trio.run(read_views, server.view, start, stop)
        except NotText:
            got = b""
        assert raw[start:stop].startswith(got)
        assert server.calls <= 7
        if kind in ("ascii", "nul", "two", "three", "mixed"):
            # But for a character that the end of the file cuts, nothing is lost.
            assert len(got) > stop - start - 4


@pytest.mark.parametrize("kind", PIECES)
@pytest.mark.parametrize("seed", range(4))
def test_an_end_of_v1_gives_what_the_file_has_there_or_nothing(kind: str, seed: int) -> None:
    raw = content(kind, 30000, seed)
    for start, stop in spans(len(raw), seed):
        # The first: seen when it was so large that only its beginning is near.
        for size in (stop + LARGEST_V1, len(raw)):
            try:
                got = trio.run(read_ends, Server(raw).head, Server(raw).tail, start, stop, size)
            except NotText:
                continue
            assert got == raw[start:stop]


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("start", range(100, 112))
def test_a_character_that_is_cut_at_an_edge_is_read_all_the_same(version: int, start: int) -> None:
    raw = "日🙂é.".encode() * 2000
    server = Server(raw)
    for stop in range(start + 1, start + 12):
        if version == 1:
            assert trio.run(read_ends, server.head, server.tail, start, stop, len(raw)) == raw[start:stop]
            assert trio.run(read_ends, server.head, server.tail, start, stop, 2 * LARGEST_V1) == raw[start:stop]
        else:
            assert trio.run(read_views, server.view, start, stop) == raw[start:stop]


def test_a_file_that_ends_within_a_character_gives_what_comes_before_or_says_so() -> None:
    raw = b"line\n" * 2000 + "🙂".encode()[:3]
    server = Server(raw)
    assert trio.run(read_views, server.view, 9000, len(raw)) == raw[9000:-3]
    with pytest.raises(CutCharacter):
        trio.run(read_ends, server.head, server.tail, 9000, len(raw), len(raw))


def test_binary_content_costs_one_call() -> None:
    for at in (0, 50000):
        server = Server(b"\xff\xd8" * 100000)
        with pytest.raises(NotText):
            trio.run(read_views, server.view, at, at + 1000)
        with pytest.raises(NotText):
            trio.run(read_ends, server.head, server.tail, at, at + 1000, 200000)
        assert server.calls <= 2 + 3 * (at > 0), "but one for each byte that may belong to a cut character"


def test_what_v1_cannot_give_costs_no_call() -> None:
    server = Server(b"")
    with pytest.raises(Unsupported):
        trio.run(read_ends, server.head, server.tail, 10 * LARGEST_V1, 10 * LARGEST_V1 + 1, 20 * LARGEST_V1)
    assert server.calls == 0


def test_what_is_gone_since_it_was_seen_is_not_made_up() -> None:
    server = Server(b"short\n")
    assert trio.run(read_views, server.view, 4_000_000, 4_100_000) == b""
    assert trio.run(read_ends, server.head, server.tail, 4_000_000, 4_100_000, 4_200_000) == b""


@pytest.mark.parametrize("start", [0, 1, 4095, 4096, 10**6, 2_400_000, 77_777_777, 2 * 10**8, 10**12 + 7])
@pytest.mark.parametrize("length", [1, 16384, 131072, 2**21])
def test_views_hold_what_is_wanted_within_the_limit(start: int, length: int) -> None:
    size, offset, stop = near_view(start, start + length)
    assert stop == start + length or (length == 2**21 and start + 2**18 < stop), "a good part of it"
    for each_size, each_offset in [(size, offset), *exact_views(start, stop)]:
        assert each_offset <= start
        assert stop <= each_offset + each_size
        assert each_offset % each_size == 0
        assert 2 * each_size < 5 * 2**20, "as the limit is"


def test_near_the_beginning_a_long_window_is_read_as_far_as_one_view_goes() -> None:
    server = Server(b"0123456789" * 1000000)
    got = trio.run(read_views, server.view, 1_000_000, 1_000_000 + 2**21)
    assert got == server.raw[1_000_000 : 1_000_000 + len(got)]
    assert len(got) >= 2**20
    assert server.calls == 1


def test_other_refusals_of_v1_are_not_taken_for_text_that_is_none() -> None:
    assert not_decoded("tail: cannot open 'in position 3: x'") is None
    cut = not_decoded("'utf-8' codec can't decode bytes in position 4-5: unexpected end of data")
    assert isinstance(cut, NotDecoded)
    assert (cut.position, cut.reason) == (4, "unexpected end of data")
