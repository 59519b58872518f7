"""The mode of a large file that is sent: it has it before it is at its place, so a private one is not open there."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from f7tfs.cluster.port import Cluster
from tests.client.test_cluster_staging import MIB, PHASES, Record, cancels_requests

if TYPE_CHECKING:
    from tests.client.conftest import Site

WAYS = {"1": ("stage_in",), "2": ("stage_in", "send_pieces")}


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.mark.parametrize("mode", [0o600, 0o755])
def test_a_large_file_has_its_mode_when_it_comes_to_its_place(site: Site, tmp_path: Path, mode: int) -> None:
    content = os.urandom(6 * MIB)
    (tmp_path / "source").write_bytes(content)
    changed: list[str] = []

    async def use(cluster: Cluster) -> None:
        chmod = cluster.chmod

        async def noted(path: str, mode: int) -> None:
            changed.append(path)
            await chmod(path, mode)

        setattr(cluster, "chmod", noted)  # noqa: B010 -- of this one only
        for way in WAYS[site.version]:
            (site.real / way).write_bytes(b"old")
            await getattr(cluster, way)(f"{site.top}/{way}", tmp_path / "source", mode=mode)

    site.run(use)
    for way in WAYS[site.version]:
        assert ((site.real / way).read_bytes(), mode_of(site.real / way)) == (content, mode)
        assert f"{site.top}/{way}" not in changed


@cancels_requests
@pytest.mark.parametrize("site", ["2"], indirect=True)
@pytest.mark.parametrize(
    ("way", "phase"), [("send_pieces", "complete"), ("stage_in", "complete"), ("stage_in", "moving")]
)
def test_a_mode_that_was_changed_meanwhile_is_set_by_the_next_attempt(
    site: Site, tmp_path: Path, way: str, phase: str
) -> None:
    (tmp_path / "source").write_bytes(os.urandom(11 * MIB))
    record = Record(stop=PHASES[phase])

    async def send(cluster: Cluster, mode: int) -> None:
        await getattr(cluster, way)(f"{site.top}/f", tmp_path / "source", None, record, mode=mode)

    async def first(cluster: Cluster) -> None:
        with record.scope:
            await send(cluster, 0o600)

    site.run(first)
    assert record.scope.cancelled_caught
    record.stop = lambda _: False
    site.run(lambda cluster: send(cluster, 0o644))
    assert mode_of(site.real / "f") == 0o644
