"""In which order changes are made, and whose doing it is that something stands at a place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from f7tfs.vfs import standing
from f7tfs.vfs.change import Order, meet
from f7tfs.vfs.nodes import Sent, Standing, Version
from f7tfs.vfs.standing import Verdict, judge, with_sent

paths = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map(lambda parts: "/" + "/".join(parts))
changes = st.lists(st.lists(paths, min_size=1, max_size=2), max_size=12)


@pytest.mark.parametrize(
    ("first", "second", "free"),
    [
        (["/a"], ["/a/f"], False),  # mkdir before what is in it
        (["/a/f"], ["/a"], False),  # unlink before rmdir
        (["/a/f"], ["/a/g"], True),
        (["/a"], ["/ab"], True),
        (["/a/f"], ["/a/f", "/a/g"], False),  # content before rename
        (["/a", "/b"], ["/b/f"], False),  # the rename of a directory before what is put into it
        (["/a", "/b"], ["/c"], True),
    ],
)
def test_a_change_waits_for_earlier_ones_at_above_and_below_its_places(
    first: list[str], second: list[str], free: bool
) -> None:
    order = Order()
    order.note(first)
    assert order.free(second) is free


@given(changes, paths)
def test_the_index_says_what_comparing_with_each_says(noted: list[list[str]], path: str) -> None:
    order = Order()
    for each in noted:
        order.note(each)
    assert order.free([path]) is not any(meet(each, [path]) for each in noted)


OLD, NEW = Version("2020-01-01T00:00:00", 5), Version("2021-01-01T00:00:00", 7)
OURS = Sent(7, "digest")


@pytest.mark.parametrize(
    ("found", "expected", "verdict"),
    [
        (None, Standing(OLD), Verdict.EXPECTED),
        (OLD, Standing(OLD), Verdict.EXPECTED),
        (NEW, Standing(OLD), Verdict.ANOTHERS),
        (NEW, Standing(), Verdict.ANOTHERS),
        (NEW, Standing(OLD, (OURS,)), Verdict.PERHAPS_OURS),
        (NEW, Standing(None, (Sent(9, "x"), OURS)), Verdict.PERHAPS_OURS),
        (Version(NEW.modified, 8), Standing(OLD, (OURS,)), Verdict.ANOTHERS),
        (Version(NEW.modified, 0), Standing(OLD), Verdict.EXPECTED),
        (NEW, Standing(known=False), Verdict.EXPECTED),
    ],
)
def test_what_is_found_is_unchanged_ours_or_anothers(
    found: Version | None, expected: Standing, verdict: Verdict
) -> None:
    assert judge(found, expected) is verdict


def test_what_stands_is_kept_as_text() -> None:
    for kept in (Standing(), Standing(OLD), with_sent(with_sent(Standing(NEW), OURS), OURS), Standing(known=False)):
        assert standing.load(standing.dump(kept)) == kept
    assert with_sent(Standing(), OURS).sent == (OURS,)
    assert not standing.load("").known


def test_either_of_two_may_stand_where_a_rename_of_ours_was_perhaps_made() -> None:
    either = standing.either(Standing(OLD, (OURS,)), Standing(NEW, (OURS, Sent(9, "x"))))
    assert either.versions == (OLD, NEW)
    assert either.sent == (OURS, Sent(9, "x"))
    assert standing.either(either, either) == either
    assert standing.load(standing.dump(either)) == either
    assert [judge(found, either) for found in (OLD, NEW)] == [Verdict.EXPECTED] * 2
    assert judge(Version("2022-01-01T00:00:00", 8), either) is Verdict.ANOTHERS
    assert standing.either(Standing(), Standing(NEW)) == Standing(NEW)
    assert not standing.either(Standing(), Standing(known=False)).known
