"""What the comparison of routes for files of a middle size says of what was measured."""

from __future__ import annotations

import pytest

from f7tfs.cluster.model import Features, Limits
from scripts.middle import waits
from scripts.middle.routes import Way, carried, chosen, work
from scripts.middle.table import Cell, Row, best, table

LIMITS = Limits(direct_read=3_932_157, direct_write=5_242_880)
V1 = Features(cheap_rename=True, empty_write=True, relative_symlink=True, compressed=True)
V2 = Features(cheap_rename=False, empty_write=False, relative_symlink=False, pieces=True, compressed=True)


def row(chosen_route: str = "pieces", **cells: tuple[float, int] | str) -> Row:
    told = {route: Cell(0.0, 0, it) if isinstance(it, str) else Cell(*it) for route, it in cells.items()}
    return Row("in", "v2", None, False, 20, told, chosen_route)


@pytest.mark.parametrize(
    ("measured", "found"),
    [
        (row(pieces=(4.0, 17), staged=(64.0, 14)), "pieces"),
        (row(pieces=(4.0, 17), staged=(3.8, 14)), "staged"),  # as fast, and fewer calls
        (row(pieces=(4.0, 14), staged=(3.8, 14)), "pieces"),
        (row(archive="too large", pieces=(4.0, 17), staged=(64.0, 14)), "pieces"),
        (row(archive=(1.6, 4), pieces=(4.0, 17)), "archive"),
    ],
)
def test_the_best_route_is_the_fastest_and_of_equals_the_one_of_fewest_calls(measured: Row, found: str) -> None:
    assert best(measured) == found


def test_the_table_tells_which_route_is_chosen_and_where_another_is_better() -> None:
    good = row(pieces=(4.0, 17), staged=(64.0, 14))
    other = row(archive=(1.6, 4), pieces=(4.0, 17), staged="timed out")
    lines = table([good, other]).splitlines()
    assert lines[2] == "| in, v2 | 20 |  |  |  | **4.0 s (17)** | 64.0 s (14) |  |"
    assert lines[3] == "| in, v2 | 20 |  | 1.6 s (4) |  | **4.0 s (17)** | timed out | archive |"


@pytest.mark.parametrize(("api", "features"), [("v1", V1), ("v2", V2)])
@pytest.mark.parametrize("way", Way)
@pytest.mark.parametrize("text", [False, True])
@pytest.mark.parametrize("size", [1_000_000, 4_000_000, 8_000_000, 20_000_000, 64_000_000, 200_000_000])
def test_what_is_chosen_is_among_what_is_measured(
    api: str, features: Features, way: Way, text: bool, size: int
) -> None:
    routes = carried(way, api, size, LIMITS, text)
    assert chosen(way, api, size, LIMITS, features, text) in routes
    assert all(work(way, route) for route in routes)


def test_pieces_share_a_line_that_one_upload_has_for_itself() -> None:
    def upload(at_once: int, line: float | None) -> float:
        rules = waits.api("v2", 5_000_000, at_once, line)
        return next(float(rule["delay"]) for rule in rules if "ops/upload" in rule["match"])

    near = upload(1, None)
    assert upload(1, 5e6) == pytest.approx(near + 1)
    assert upload(4, 5e6) == pytest.approx(near + 4)
