"""Copying, moving and removing on the cluster, by calls where they suffice, and by jobs."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
import trio

from f7tfs.cluster import errands_v1, errors
from f7tfs.cluster.errand import Errand
from f7tfs.cluster.port import Cluster
from f7tfs.sandbox.process import SandboxProcess
from tests.client.conftest import site_of

if TYPE_CHECKING:
    from tests.client.conftest import Site


@pytest.fixture(params=["call", "job"])
def route(request: pytest.FixtureRequest, site: Site, monkeypatch: pytest.MonkeyPatch) -> str:
    """Of v1: by a command, or as if it were too large for one. v2 has nothing but jobs."""
    if request.param == "job":
        monkeypatch.setattr(errands_v1, "SMALL_BYTES", -1)
    return "job" if site.version == "2" else str(request.param)


def jobs_of(site: Site) -> int:
    return sum(n for call, n in site.sandbox.calls().items() if "/transfer/" in call or "xfer-internal" in call)


def test_a_tree_is_copied_with_modes_and_times(site: Site, route: str) -> None:
    (site.real / "d" / "e").mkdir(parents=True)
    (site.real / "d" / "e" / "f").write_bytes(b"content")
    (site.real / "d" / "e" / "f").chmod(0o640)
    os.utime(site.real / "d" / "e" / "f", (1e9, 1e9))
    (site.real / "d" / "l").symlink_to("e/f")
    errand = Errand()
    site.run(lambda cluster: cluster.copy(f"{site.top}/d", f"{site.top}/n", errand))
    copy = site.real / "n" / "e" / "f"
    assert (copy.read_bytes(), copy.stat().st_mode & 0o777, copy.stat().st_mtime) == (b"content", 0o640, 1e9)
    assert (site.real / "n" / "l").readlink().as_posix() == "e/f"
    assert bool(errand.job_id) == (route == "job")
    assert (jobs_of(site) > 0) == (route == "job")


def test_a_file_is_copied_over_another_one(site: Site, route: str) -> None:
    (site.real / "a").write_bytes(b"new")
    (site.real / "b").write_bytes(b"old and longer")
    site.run(lambda cluster: cluster.copy(f"{site.top}/a", f"{site.top}/b", Errand()))
    assert ((site.real / "a").read_bytes(), (site.real / "b").read_bytes()) == (b"new", b"new")


@pytest.mark.parametrize(
    ("source", "target", "meant"),
    [
        ("nothing", "n", errors.NotFound),
        ("d", "d/n", errors.InvalidName),
        ("d", "d", errors.InvalidName),
        ("f", "d", errors.AlreadyExists),
        ("f", "l", errors.AlreadyExists),
        ("d", "f", errors.AlreadyExists),
        ("f", "nothing/n", errors.NotFound),
        ("g", "f/n", errors.NotADirectory),
    ],
)
def test_what_cp_would_do_in_its_own_way_is_refused_before_a_job(
    site: Site, source: str, target: str, meant: type[errors.ClusterError]
) -> None:
    (site.real / "d").mkdir()
    (site.real / "f").write_bytes(b"f")
    (site.real / "g").write_bytes(b"g")
    (site.real / "l").symlink_to("f")
    with pytest.raises(meant):
        site.run(lambda cluster: cluster.copy(f"{site.top}/{source}", f"{site.top}/{target}", Errand()))
    assert jobs_of(site) == 0
    assert (site.real / "f").read_bytes() == b"f"


def test_a_job_that_fails_is_told_though_it_says_completed(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errands_v1, "SMALL_BYTES", -1)
    (site.real / "d").mkdir()
    (site.real / "d" / "f").write_bytes(b"f")

    async def use(cluster: Cluster) -> None:
        for doing in (cluster.copy, cluster.move if site.version == "2" else cluster.copy):
            site.sandbox.faults(fail_transfers=1)
            with pytest.raises(errors.RemoteFailure):
                await doing(f"{site.top}/d", f"{site.top}/n", Errand())

    site.run(use)
    assert (site.real / "d" / "f").read_bytes() == b"f"


def test_what_cannot_be_read_is_missed_in_a_copy(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errands_v1, "SMALL_BYTES", -1)
    (site.real / "d").mkdir()
    (site.real / "d" / "f").write_bytes(b"f")
    (site.real / "d" / "f").chmod(0)
    with pytest.raises(errors.PermissionDenied):
        site.run(lambda cluster: cluster.copy(f"{site.top}/d", f"{site.top}/n", Errand()))


def test_a_tree_is_moved_between_file_systems(site: Site) -> None:
    (site.real / "d" / "e").mkdir(parents=True)
    (site.real / "d" / "e" / "f").write_bytes(b"content")
    scratch, name = site.sandbox.info.user, site.real.name
    there = site.sandbox.home.parent.parent / "scratch" / scratch / name
    errand = Errand()
    site.run(lambda cluster: cluster.move(f"{site.top}/d", f"/scratch/{scratch}/{name}", errand))
    assert (there / "e" / "f").read_bytes() == b"content"
    assert not (site.real / "d").exists()
    assert errand.job_id


def test_a_tree_is_removed_in_one_call_and_by_a_job_where_that_takes_too_long(site: Site) -> None:
    for name in ("d", "slow"):
        (site.real / name / "e").mkdir(parents=True)

    async def use(cluster: Cluster) -> None:
        await cluster.remove_tree(f"{site.top}/d", Errand())
        assert jobs_of(site) == 0
        timeout = {"status": 408} if site.version == "2" else {"status": 504}
        site.sandbox.faults({"match": "DELETE .*rm", **timeout})
        await cluster.remove_tree(f"{site.top}/slow", errand)

    errand = Errand()
    site.run(use)
    assert list(site.real.iterdir()) == []
    assert errand.job_id


@pytest.mark.parametrize("leave", [False, True])
def test_a_job_goes_on_without_us_only_if_it_is_left(
    site: Site, leave: bool, monkeypatch: pytest.MonkeyPatch, start_sandbox: Callable[..., SandboxProcess]
) -> None:
    monkeypatch.setattr(errands_v1, "SMALL_BYTES", -1)
    here = site_of(start_sandbox(), site.version)
    (here.real / "f").write_bytes(b"f")

    async def use(cluster: Cluster) -> None:
        here.sandbox.faults(hold_jobs=True)
        errand = Errand(leave=leave)
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(cluster.copy, f"{here.top}/f", f"{here.top}/n", errand)
                await errand.begun.wait()
                scope.cancel()
        here.sandbox.clear_faults()
        for _ in range(600):
            await trio.sleep(0.1)
            if (await cluster.jobs([errand.job_id]))[0].state.ended:
                return
        pytest.fail("the job does not end")

    here.run(use)
    assert (here.real / "n").exists() == leave
