"""Extents: which byte ranges are there."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from f7tfs.vfs.extents import Extents

SIZE = 40
ranges = st.tuples(st.integers(0, SIZE), st.integers(0, SIZE)).map(lambda pair: (min(pair), max(pair)))
steps = st.lists(st.one_of(st.tuples(st.just("add"), ranges), st.tuples(st.just("cut"), st.integers(0, SIZE))))


@given(steps, ranges)
def test_extents_are_a_set_of_bytes(history: list[tuple[str, object]], asked: tuple[int, int]) -> None:
    extents, model = Extents(), set[int]()
    for what, argument in history:
        if what == "add":
            assert isinstance(argument, tuple)
            extents.add(*argument)
            model.update(range(*argument))
        else:
            assert isinstance(argument, int)
            extents.cut(argument)
            model = {byte for byte in model if byte < argument}
    missing = {byte for start, stop in extents.missing(*asked) for byte in range(start, stop)}
    assert missing == set(range(*asked)) - model
    assert extents.covers(*asked) == (not missing)
    assert extents.total() == len(model)


def test_touching_ranges_are_merged() -> None:
    extents = Extents()
    extents.add(0, 4)
    extents.add(8, 12)
    extents.add(4, 8)
    assert extents.missing(0, 12) == []
    assert extents.missing(0, 13) == [(12, 13)]
