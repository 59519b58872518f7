"""The planner's table: which route is taken for what."""

from __future__ import annotations

from dataclasses import replace

import pytest

from f7tfs.cluster.model import Features, Kind, Limits
from f7tfs.cluster.upload import NEW_FILE_MODE
from f7tfs.vfs.routes import ReadRoute, RenameRoute, WriteRoute, plan_read, plan_rename, plan_write
from f7tfs.vfs.sender import mode_after

LIMITS = Limits(direct_read=300, direct_write=500)
V1 = Features(cheap_rename=True, empty_write=True, relative_symlink=True, compressed=True)
V2 = Features(cheap_rename=False, empty_write=False, relative_symlink=False, pieces=True, compressed=True)


@pytest.mark.parametrize(
    ("size", "route"),
    [(0, ReadRoute.NOTHING), (1, ReadRoute.DIRECT), (300, ReadRoute.DIRECT), (301, ReadRoute.STAGED)],
)
def test_a_read_takes_the_direct_route_up_to_the_limit(size: int, route: ReadRoute) -> None:
    assert plan_read(size, LIMITS) is route


@pytest.mark.parametrize(
    ("size", "features", "route"),
    [
        (0, V1, WriteRoute.DIRECT),
        (0, V2, WriteRoute.ARCHIVE),
        (1, V2, WriteRoute.DIRECT),
        (500, V1, WriteRoute.DIRECT),
        (500, V2, WriteRoute.DIRECT),
        (501, V1, WriteRoute.STAGED),
        (501, V2, WriteRoute.PIECES),
        (41 * 500, V2, WriteRoute.PIECES),
        (41 * 500 + 1, V2, WriteRoute.STAGED),
    ],
)
def test_a_write_takes_the_cheapest_route_that_carries_it(size: int, features: Features, route: WriteRoute) -> None:
    assert plan_write(size, LIMITS, features) is route


@pytest.mark.parametrize("features", [V1, V2])
@pytest.mark.parametrize(
    ("size", "packed", "seconds", "compressed"),
    [
        (501, 500, 5.0, True),
        (501, 501, 5.0, False),
        (501, None, 5.0, False),
        (500, 10, 5.0, False),  # one upload carries it as it is
        (64 * 2**20, 500, 5.0, True),
        (64 * 2**20 + 1, 500, 5.0, False),
        (64 * 2**20 + 1, 500, 60.0, False),
        (40 * 2**20, 500, 2.5, False),  # its commands are stopped earlier
        (30 * 2**20, 500, 2.5, True),
    ],
)
def test_what_one_upload_carries_compressed_goes_so_where_it_is_extracted_in_time(
    features: Features, size: int, packed: int | None, seconds: float, compressed: bool
) -> None:
    limits = replace(LIMITS, command_seconds=seconds)
    assert (plan_write(size, limits, features, packed=packed) is WriteRoute.COMPRESSED) is compressed
    assert plan_write(size, limits, replace(features, compressed=False), packed=packed) is not WriteRoute.COMPRESSED


def test_what_was_appended_goes_alone_though_the_whole_would_go_compressed() -> None:
    assert plan_write(1000, LIMITS, V2, kept=990, packed=100) is WriteRoute.APPEND


@pytest.mark.parametrize("features", [V1, V2])
@pytest.mark.parametrize(
    ("size", "kept", "appended"),
    [
        (500, 400, False),  # one upload carries all of it
        (501, 500, True),
        (10_000 + 41 * 500, 10_000, True),
        (10_000 + 41 * 500 + 1, 10_000, False),
        (10_000, 10_000, False),
        (10_000, 0, False),
    ],
)
def test_what_was_appended_goes_alone_where_that_saves_something(
    features: Features, size: int, kept: int, appended: bool
) -> None:
    assert (plan_write(size, LIMITS, features, kept) is WriteRoute.APPEND) is appended


@pytest.mark.parametrize(
    ("kind", "size", "features", "route"),
    [
        (Kind.FILE, 10**9, V1, RenameRoute.CALL),
        (Kind.DIRECTORY, 4096, V1, RenameRoute.CALL),
        (Kind.FILE, 0, V2, RenameRoute.REWRITE),
        (Kind.FILE, 300, V2, RenameRoute.REWRITE),
        (Kind.FILE, 301, V2, RenameRoute.JOB),
        (Kind.DIRECTORY, 10, V2, RenameRoute.JOB),
        (Kind.SYMLINK, 10, V2, RenameRoute.JOB),
    ],
)
def test_a_rename_is_a_job_only_where_nothing_cheaper_will_do(
    kind: Kind, size: int, features: Features, route: RenameRoute
) -> None:
    assert plan_rename(kind, size, LIMITS, features) is route


@pytest.mark.parametrize(
    ("route", "asked", "remote", "after"),
    [
        (WriteRoute.DIRECT, 0o600, None, NEW_FILE_MODE),
        (WriteRoute.DIRECT, 0o600, 0o640, 0o640),
        (WriteRoute.STAGED, 0o600, 0o640, 0o600),
        (WriteRoute.PIECES, 0o600, 0o640, 0o600),
        (WriteRoute.COMPRESSED, 0o600, 0o640, 0o600),
        (WriteRoute.APPEND, 0o600, 0o640, 0o640),
        (WriteRoute.ARCHIVE, 0o755, None, 0o755),
        (WriteRoute.ARCHIVE, 0o666, None, 0o644),
    ],
)
def test_the_mode_after_an_upload_is_known(route: WriteRoute, asked: int, remote: int | None, after: int) -> None:
    assert mode_after(route, asked, remote) == after
