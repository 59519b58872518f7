"""Appending to a file by both adapters: only what is new is sent, and a job on the cluster adds it, once."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio

from f7tfs.cluster import errors
from f7tfs.cluster.port import Cluster
from f7tfs.sandbox.process import SandboxProcess
from tests.client.conftest import site_of
from tests.client.test_cluster_staging import MIB, Record, cancels_requests

if TYPE_CHECKING:
    from tests.client.conftest import Site

OLD = 6 * MIB
UPLOADS = ("ops/upload", "utilities/upload", "transfer/upload", "xfer-external/upload")


def grown(site: Site, tmp_path: Path, more: int) -> bytes:
    """A file there, and here the same with so many bytes more; these are returned."""
    new = os.urandom(OLD + more)
    (site.real / "f").write_bytes(new[:OLD])
    (tmp_path / "source").write_bytes(new)
    return new


def appending(site: Site, tmp_path: Path, record: Record | None = None) -> Callable[[Cluster], Awaitable[None]]:
    return lambda cluster: cluster.append(f"{site.top}/f", tmp_path / "source", OLD, None, record)


def uploads(site: Site) -> int:
    return sum(count for route, count in site.sandbox.calls().items() if route.endswith(UPLOADS))


def is_tidy(site: Site) -> bool:
    return list((site.sandbox.home / ".f7tfs").iterdir()) == []


@pytest.mark.parametrize(("more", "pieces"), [(1, 1), (11 * MIB, 3)])
def test_what_was_appended_is_sent_alone_and_the_mode_stays(
    site: Site, tmp_path: Path, more: int, pieces: int
) -> None:
    new = grown(site, tmp_path, more)
    (site.real / "f").chmod(0o600)

    async def use(cluster: Cluster) -> None:
        await appending(site, tmp_path)(cluster)
        assert "f7t_join" not in [job.name for job in await cluster.jobs()]

    site.sandbox.reset_calls()
    site.run(use)
    assert (site.real / "f").read_bytes() == new
    assert (site.real / "f").stat().st_mode & 0o777 == 0o600
    # v1 submits a script that was uploaded before.
    assert uploads(site) == pieces + (1 if site.version == "1" else 0)
    assert is_tidy(site)


@pytest.mark.parametrize("there", [b"shorter", None])
def test_nothing_is_sent_to_a_file_that_is_another_one(site: Site, tmp_path: Path, there: bytes | None) -> None:
    grown(site, tmp_path, 100)
    (site.real / "f").unlink()
    if there is not None:
        (site.real / "f").write_bytes(there)
    site.sandbox.reset_calls()
    with pytest.raises(errors.Unavailable, match="not there as it was"):
        site.run(appending(site, tmp_path))
    assert uploads(site) == 0


@pytest.mark.parametrize("size", ["another size", "the same size"])
def test_a_file_that_changes_before_the_job_runs_stays_as_it_was_changed(
    site: Site, tmp_path: Path, size: str, start_sandbox: Callable[..., SandboxProcess]
) -> None:
    here = site_of(start_sandbox(), site.version)
    grown(here, tmp_path, 100)
    changed = os.urandom(OLD + (7 if size == "another size" else 0))
    record = Record()

    async def attempt(cluster: Cluster) -> None:
        with pytest.raises(errors.Unavailable, match=r"changed meanwhile|wrong checksum"):
            await appending(here, tmp_path, record)(cluster)

    async def use(cluster: Cluster) -> None:
        here.sandbox.faults(hold_jobs=True)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(attempt, cluster)
            while not record.state.get("job"):  # noqa: ASYNC110 -- a double
                await trio.sleep(0.05)
            (here.real / "f").write_bytes(changed)
            here.sandbox.clear_faults()

    here.run(use)
    assert (here.real / "f").read_bytes() == changed
    assert record.state == {}
    assert is_tidy(here)


PHASES = {"begun": bool, "sent": lambda state: len(state["sent"]) == 1, "submitted": lambda state: state["job"]}


@cancels_requests
@pytest.mark.parametrize("phase", PHASES)
def test_an_append_that_ended_in_any_phase_is_gone_on_with_and_made_once(
    site: Site, tmp_path: Path, phase: str
) -> None:
    new = grown(site, tmp_path, 100)
    record = Record(stop=PHASES[phase])

    async def first(cluster: Cluster) -> None:
        with record.scope:
            await appending(site, tmp_path, record)(cluster)

    site.run(first)
    assert record.scope.cancelled_caught
    record.stop = lambda _: False
    site.run(appending(site, tmp_path, record))
    assert (site.real / "f").read_bytes() == new
    assert record.state == {}
    assert is_tidy(site)


def test_a_submission_whose_answer_is_lost_adds_nothing_twice(site: Site, tmp_path: Path) -> None:
    """Nobody knows the job: it may run, or have run, by the time of the next attempt."""
    new = grown(site, tmp_path, 100)
    site.sandbox.faults({"match": "POST .*compute/.*jobs", "drop": "after"})
    record = Record()

    async def use(cluster: Cluster) -> None:
        with pytest.raises(errors.ClusterError):
            await appending(site, tmp_path, record)(cluster)
        if (site.real / "f").stat().st_size == OLD:
            await appending(site, tmp_path, record)(cluster)

    site.run(use)
    assert (site.real / "f").read_bytes() == new


@pytest.mark.parametrize("site", ["2"], indirect=True)
def test_a_site_without_such_a_job_says_so(site: Site, tmp_path: Path) -> None:
    grown(site, tmp_path, 100)
    site.sandbox.faults(refuse_jobs=1)
    with pytest.raises(errors.SchedulerRefused):
        site.run(appending(site, tmp_path))
    assert is_tidy(site)
