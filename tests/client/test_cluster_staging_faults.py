"""Faults in each phase of an upload, and sizes at the bounds of parts. The table is in explanation/large-files.md."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio

from f7tfs.cluster import errors
from f7tfs.cluster.patience import Patience
from f7tfs.cluster.port import Cluster
from f7tfs.sandbox.process import SandboxProcess
from tests.client.conftest import site_of
from tests.client.test_cluster_staging import MIB, Record, big, cancels_requests

if TYPE_CHECKING:
    from tests.client.conftest import Site

PART = 5 * MIB


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_files_at_the_bounds_of_parts_arrive_whole(
    site: Site, tmp_path: Path, start_sandbox: Callable[..., SandboxProcess]
) -> None:
    here = site_of(start_sandbox(max_part_size=PART), site.version)
    source = tmp_path / "source"

    async def use(cluster: Cluster) -> None:
        for size in (1, PART - 1, PART, PART + 1, 2 * PART):
            wanted = big(source, size)
            await cluster.stage_in(f"{here.top}/f", source)
            assert digest(here.real / "f") == wanted, size
            if cluster.features.pieces:
                await cluster.send_pieces(f"{here.top}/p", source)
                assert digest(here.real / "p") == wanted, size

    here.run(use)


@pytest.mark.parametrize("site", ["2"], indirect=True)
def test_a_part_whose_url_has_expired_is_sent_by_a_new_upload(site: Site, tmp_path: Path) -> None:
    wanted = big(tmp_path / "source", 6 * MIB)

    async def use(cluster: Cluster) -> None:
        record = Record()
        site.sandbox.faults(s3_rules=[{"match": "^PUT", "status": 403, "count": 1}])
        with pytest.raises(errors.Unavailable, match="403"):
            await cluster.stage_in(f"{site.top}/f", tmp_path / "source", None, record)
        await cluster.stage_in(f"{site.top}/f", tmp_path / "source", None, record)

    site.run(use)
    assert digest(site.real / "f") == wanted


def test_a_full_disk_there_fails_the_upload_and_leaves_the_old_content(
    site: Site, tmp_path: Path, start_sandbox: Callable[..., SandboxProcess]
) -> None:
    # A site of its own: v1's server goes on trying.
    here = site_of(start_sandbox(), site.version)
    big(tmp_path / "source", 6 * MIB)
    (here.real / "f").write_bytes(b"old")

    async def use(cluster: Cluster) -> None:
        # A temporary directory may have to be made first.
        await cluster.stage_in(f"{here.top}/other", tmp_path / "source")
        here.sandbox.faults(quota=1000, quota_error="ENOSPC")
        with pytest.raises(errors.ClusterError):
            await cluster.stage_in(f"{here.top}/f", tmp_path / "source")
        here.sandbox.faults(quota=1000, quota_error="ENOSPC")
        if cluster.features.pieces:
            with pytest.raises(errors.NoSpace):
                await cluster.send_pieces(f"{here.top}/f", tmp_path / "source")
        here.sandbox.clear_faults()

    here.run(use, patience=Patience(queue=5.0))
    assert (here.real / "f").read_bytes() == b"old"
    if site.version == "2":
        assert list((here.sandbox.home / ".f7tfs").iterdir()) == []


@cancels_requests
@pytest.mark.parametrize("site", ["2"], indirect=True)
def test_a_wrong_checksum_is_found_before_the_file_takes_its_place(site: Site, tmp_path: Path) -> None:
    wanted = big(tmp_path / "source", 11 * MIB)
    (site.real / "f").write_bytes(b"old")
    record = Record(stop=lambda state: len(state["sent"]) == 3)

    async def first(cluster: Cluster) -> None:
        with record.scope:
            await cluster.send_pieces(f"{site.top}/f", tmp_path / "source", None, record)

    async def again(cluster: Cluster) -> None:
        await cluster.send_pieces(f"{site.top}/f", tmp_path / "source", None, record)

    site.run(first, verify=True)
    record.stop = lambda _: False
    (piece,) = (site.sandbox.home / ".f7tfs").glob("*/p00001-*")
    piece.write_bytes(os.urandom(piece.stat().st_size))
    with pytest.raises(errors.Unavailable, match="wrong checksum"):
        site.run(again, verify=True)
    assert (site.real / "f").read_bytes() == b"old"
    site.run(again, verify=True)
    assert digest(site.real / "f") == wanted


@pytest.mark.parametrize("site", ["2"], indirect=True)
@pytest.mark.parametrize("route", ["pieces", "staged"])
def test_an_upload_whose_job_somebody_cancels_is_made_anew(
    site: Site, tmp_path: Path, route: str, start_sandbox: Callable[..., SandboxProcess]
) -> None:
    here = site_of(start_sandbox(), "2")
    wanted = big(tmp_path / "source", 6 * MIB)
    record = Record()

    async def send(cluster: Cluster) -> None:
        way = cluster.send_pieces if route == "pieces" else cluster.stage_in
        await way(f"{here.top}/f", tmp_path / "source", None, record)

    async def attempt(cluster: Cluster) -> None:
        with pytest.raises(errors.Unavailable):
            await send(cluster)

    async def use(cluster: Cluster) -> None:
        here.sandbox.faults(hold_jobs=True)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(attempt, cluster)
            while not record.state.get("job") or not record.state.get("completed", True):  # noqa: ASYNC110 -- a double
                await trio.sleep(0.05)
            await cluster.cancel(str(record.state["job"]))
        here.sandbox.clear_faults()
        await send(cluster)

    here.run(use)
    assert digest(here.real / "f") == wanted
