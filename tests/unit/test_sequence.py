"""How much is fetched for whom."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from f7tfs.vfs.extents import Extents
from f7tfs.vfs.sequence import BLOCK, FACTOR, MOST, NEAR, RUN, SURE, Sequence, runs

KIB = 1024
MIB = 2**20


def test_who_reads_a_header_gets_a_header() -> None:
    assert Sequence().ahead(0, 128 * KIB) == 0


def test_who_goes_on_reading_gets_more_and_more_up_to_a_bound() -> None:
    sequence, at, asked = Sequence(), 0, []
    while at < 400 * RUN:
        asked.append(sequence.ahead(at, at + 128 * KIB))
        at += 128 * KIB
    some = [ahead for ahead in asked if ahead]
    assert some == sorted(some)
    assert some[-1] == MOST
    for index, ahead in enumerate(asked):
        read = (index + 1) * 128 * KIB
        assert ahead <= (read if read < SURE else FACTOR * read)
    # Once the most is asked for, half of it is read before there is a new order.
    assert len([ahead for ahead in asked[-1000:] if ahead]) <= 1000 * 128 * KIB // (MOST // 2) + 1


def test_who_jumps_gets_only_what_is_asked_for() -> None:
    sequence = Sequence()
    assert [sequence.ahead(at * RUN, at * RUN + 4096) for at in (7, 3, 90, 12, 13, 400)] == [0] * 6


def test_who_has_jumped_gets_no_more_than_they_read_however_long_they_go_on() -> None:
    sequence = Sequence()
    sequence.ahead(0, MIB)
    begin = 100 * MIB
    for read in range(MIB, 40 * MIB, MIB):
        assert sequence.ahead(begin + read - MIB, begin + read) <= read


def fetched(sequence: Sequence, start: int, length: int, step: int) -> int:
    """How far beyond `start` a reader of so many bytes makes somebody fetch."""
    far = 0
    for at in range(start, start + length, step):
        stop = at + step
        far = max(far, stop - start, stop + sequence.ahead(at, stop) - start)
    return far


def test_who_reads_a_long_header_gets_no_more_than_that_ahead() -> None:
    # As `file` does, which reads the end of a file too.
    sequence = Sequence()
    assert fetched(sequence, 0, 7 * MIB, MIB) + fetched(sequence, 500 * MIB, 7 * MIB, MIB) <= 2 * 14 * MIB


def test_who_reads_parts_of_one_size_gets_these_and_little_else() -> None:
    # The kernel makes more of some than of others; between two chunks there may be a look at an index.
    sequence, half = Sequence(), MIB // 2
    fetched(sequence, 0, 64 * KIB, 64 * KIB)
    parts = [fetched(sequence, 20 * index * MIB, MIB + index % 2 * half, half) for index in range(1, 20)]
    assert max(parts) == MIB + half
    sequence.ahead(900 * MIB, 900 * MIB + 4096)
    assert fetched(sequence, 500 * MIB, MIB, half) == MIB


def test_who_wants_one_chunk_only_gets_what_the_kernel_makes_of_it() -> None:
    assert fetched(Sequence(), 38 * MIB, 3 * MIB // 2, MIB // 2) == 3 * MIB // 2


def test_who_reads_longer_parts_than_before_gets_ahead_again() -> None:
    sequence = Sequence()
    fetched(sequence, 0, 64 * KIB, 64 * KIB)
    assert fetched(sequence, 100 * MIB, 40 * MIB, MIB) > 60 * MIB


def test_who_leaves_out_a_part_each_time_gets_no_more_than_they_read() -> None:
    sequence, stride = Sequence(), NEAR - 64 * KIB
    for index in range(100):
        assert sequence.ahead(index * stride, index * stride + 4 * KIB) <= (index + 1) * 4 * KIB


def test_large_requests_that_change_places_are_no_jump() -> None:
    sequence, order = Sequence(), (0, 1, 3, 2, 5, 4, 6, 7, 9, 8)
    asked = [sequence.ahead(index * MIB, (index + 1) * MIB) for index in order]
    assert max(asked) > 10 * MIB


def test_requests_that_the_kernel_sends_at_once_may_come_in_any_order() -> None:
    sequence, step = Sequence(), 128 * KIB
    order = [0, 1, 2, 3, 5, 4, 6, 8, 7, 9, 10, 11]
    covered = 0
    for index in order:
        ahead = sequence.ahead(index * step, (index + 1) * step)
        covered = max(covered, (index + 1) * step + ahead)
    assert covered > 16 * step


@given(
    st.lists(st.tuples(st.integers(0, 200), st.integers(1, 60)), max_size=8),
    st.sets(st.integers(0, 300), max_size=30),
    st.integers(1, 300 * BLOCK),
)
def test_orders_cover_what_is_missing_and_nothing_twice(
    present: list[tuple[int, int]], taken: set[int], size: int
) -> None:
    extents = Extents()
    for start, length in present:
        extents.add(start * BLOCK, (start + length) * BLOCK)
    missing = extents.missing(0, size)
    found = runs(missing, taken, size)
    blocks = [block for start, stop in found for block in range(start // BLOCK, -(-stop // BLOCK))]
    assert len(blocks) == len(set(blocks))
    assert not taken & set(blocks)
    assert all(0 < stop - start <= RUN and stop <= size for start, stop in found)
    for start, stop in missing:
        wanted = set(range(start // BLOCK, -(-stop // BLOCK))) - taken
        assert wanted <= set(blocks)
