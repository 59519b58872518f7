"""The cluster's time zone."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from f7tfs.vfs.zones import epoch, infer_zone, named_zone, zone_name

ZURICH = ZoneInfo("Europe/Zurich")


@pytest.mark.parametrize(
    ("modified", "seconds"),
    [("2023-11-14T23:13:20", 1700000000), ("2001-02-03T05:05:06", 981173106), ("2024-07-01T12:00:00", 1719828000)],
)
def test_local_times_become_epoch_seconds_on_both_sides_of_a_clock_change(modified: str, seconds: int) -> None:
    assert epoch(modified, ZURICH) == seconds


def test_a_text_that_is_no_time_is_the_epoch() -> None:
    assert epoch("yesterday", ZURICH) == 0


def test_the_zone_is_inferred_from_one_look_in_summer_and_one_in_winter() -> None:
    samples = [("2023-11-14T23:13:20", 1700000000), ("2024-07-01T12:00:00", 1719828000)]
    zone = infer_zone(samples)
    assert zone is not None
    assert all(epoch(modified, zone) == seconds for modified, seconds in samples)


def test_the_preferred_zone_wins_where_it_fits() -> None:
    assert zone_name(infer_zone([("2024-07-01T12:00:00", 1719828000)], ["Europe/Paris"]) or dt.UTC) == "Europe/Paris"


def test_a_file_that_changed_in_between_gives_the_offset_to_a_quarter_of_an_hour() -> None:
    zone = infer_zone([("2024-07-01T12:00:00", 1719828000 + 7)])
    assert zone is not None
    assert zone.utcoffset(None) == dt.timedelta(hours=2)
    assert named_zone(zone_name(zone)) == zone


def test_no_sample_gives_no_zone() -> None:
    assert infer_zone([]) is None


@pytest.mark.parametrize("name", ["", "No/Such", "../etc/passwd", "UTC+x"])
def test_names_that_are_no_zones_are_none(name: str) -> None:
    assert named_zone(name) is None
