"""What is made on the cluster for a while is noted before it is there, and struck off when it is gone."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from f7tfs.cluster.model import JobRequest
from f7tfs.cluster.port import Cluster
from f7tfs.sandbox.process import SandboxProcess

if TYPE_CHECKING:
    from tests.client.conftest import Site


class Kept:
    """A Ledger that knows whether what it is told of was there already."""

    def __init__(self, sandbox: SandboxProcess) -> None:
        self._sandbox = sandbox
        self.noted: dict[str, float] = {}
        self.left: set[str] = set()
        self.late: list[str] = []

    async def note(self, *paths: str, rest: float = 0.0) -> None:
        self.late += [path for path in paths if path not in self.noted and self._sandbox.real(path).exists()]
        self.noted |= dict.fromkeys(paths, rest)
        self.left |= set(paths)

    async def strike(self, *paths: str) -> None:
        assert not any(self._sandbox.real(path).exists() for path in paths)
        self.left -= set(paths)


@pytest.fixture
def kept(site: Site) -> Kept:
    return Kept(site.sandbox)


def test_archives_are_noted(site: Site, kept: Kept, tmp_path: Path) -> None:
    (site.real / "tree").mkdir()
    (site.real / "tree" / "f").write_text("x")

    async def use(cluster: Cluster) -> None:
        cluster.note_in(kept)
        await cluster.pack(f"{site.top}/tree", tmp_path / "tree.tar.gz")
        await cluster.unpack(tmp_path / "tree.tar.gz", f"{site.top}/tree")

    site.run(use)
    assert (len(kept.noted), kept.left, kept.late) == (2, set(), [])


def test_what_a_staged_transfer_needs_is_noted(site: Site, kept: Kept) -> None:
    place = site.real / "not plain, and large"
    place.write_bytes(os.urandom(2**20))

    async def use(cluster: Cluster) -> None:
        cluster.note_in(kept)
        await cluster.stage_out(f"{site.top}/{place.name}")
        await cluster.tidy()

    site.run(use)
    # The link or the copy; on v2 the logs of the jobs too, which exist for as long as the jobs run.
    assert [path for path in kept.noted if "/.f7tfs/" in path]
    assert (kept.left, [path for path in kept.late if "/.f7tfs/" in path]) == (set(), [])


def test_a_script_of_a_killed_process_is_left_alone_until_the_scheduler_has_read_it(site: Site, kept: Kept) -> None:
    async def use(cluster: Cluster) -> None:
        cluster.note_in(kept)
        await cluster.submit(JobRequest(working_directory=site.top, script="#!/bin/sh\ntrue\n"))

    site.run(use)
    assert (kept.left, kept.late) == (set(), [])
    assert all(rest > 0 for rest in kept.noted.values())
    assert len(kept.noted) == (1 if site.version == "1" else 0)
