"""Checksums of what has arrived, where the site's own command has no time for them: a job makes them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from f7tfs.cluster import errors
from f7tfs.cluster.port import Cluster
from f7tfs.sandbox.process import SandboxProcess
from tests.client.conftest import Site, site_of
from tests.client.test_cluster_append import is_tidy

OLD, NEW = os.urandom(200_000), os.urandom(300_000)


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    """No command of it has time to read a file."""
    with SandboxProcess(tmp_path_factory.mktemp("sandbox"), job_start_seconds=0.05, command_seconds=0.0) as sandbox:
        yield sandbox


@pytest.fixture
def here(request: pytest.FixtureRequest, hasty: SandboxProcess, tmp_path: Path) -> Iterator[Site]:
    place = site_of(hasty, request.param)
    (place.real / "f").write_bytes(OLD)
    (tmp_path / "source").write_bytes(NEW)
    hasty.reset_calls()
    yield place
    hasty.clear_faults()


def submissions(site: Site) -> int:
    calls = site.sandbox.calls()
    return sum(n for call, n in calls.items() if call.startswith("POST") and "/compute/" in call)


@pytest.mark.parametrize("here", ["1", "2"], indirect=True)
def test_a_file_that_is_too_large_for_the_checksum_command_is_verified_by_a_job(
    here: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def use(cluster: Cluster) -> None:
        with pytest.raises(errors.TimedOut):
            await cluster.checksum(f"{here.top}/f")
        await cluster.stage_in(f"{here.top}/f", tmp_path / "source")
        assert submissions(here) == 0

    async def verified(cluster: Cluster) -> None:
        await cluster.stage_in(f"{here.top}/f", tmp_path / "source")
        assert "f7t_checksum" not in [job.name for job in await cluster.jobs()]

    here.run(use)
    here.run(verified, verify=True)
    assert submissions(here) == 1
    assert (here.real / "f").read_bytes() == NEW
    assert "could not be compared" not in caplog.text
    assert is_tidy(here)


@pytest.mark.parametrize("here", ["1"], indirect=True)
def test_what_is_damaged_there_does_not_come_to_its_place(here: Site, tmp_path: Path) -> None:
    """While the job is in the queue, a bit of what has arrived falls over."""
    scratch = here.sandbox.home / ".f7tfs"

    async def use(cluster: Cluster) -> None:
        here.sandbox.faults(hold_jobs=True)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(attempt, cluster)
            while not submissions(here):  # noqa: ASYNC110 -- a double
                await trio.sleep(0.05)
            (arrived,) = [path for path in scratch.iterdir() if path.is_file()]
            with arrived.open("r+b") as file:
                file.write(bytes([NEW[0] ^ 1]))
            here.sandbox.clear_faults()

    async def attempt(cluster: Cluster) -> None:
        with pytest.raises(errors.Interrupted, match="another checksum"):
            await cluster.stage_in(f"{here.top}/f", tmp_path / "source")

    here.run(use, verify=True)
    assert (here.real / "f").read_bytes() == OLD
    assert is_tidy(here)


@pytest.mark.parametrize("here", ["1"], indirect=True)
def test_what_cannot_be_verified_is_said(here: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    here.sandbox.faults(refuse_jobs=1)
    here.run(lambda cluster: cluster.stage_in(f"{here.top}/f", tmp_path / "source"), verify=True)
    assert (here.real / "f").read_bytes() == NEW
    assert f"{here.top}/f has the right size; its checksum could not be compared" in caplog.text
