"""Copying, moving and removing on the cluster, by v2: transfer jobs, whose results are looked at."""

from __future__ import annotations

from typing import Protocol

from f7tfs.cluster.errand import Errand, check_copied, check_copy, failure
from f7tfs.cluster.errors import TimedOut, Uncertain
from f7tfs.cluster.lookup import kind_of
from f7tfs.cluster.model import Entry, Stat
from f7tfs.cluster.names import check_v2_job
from f7tfs.cluster.quoted_jobs_v2 import FileJobs
from f7tfs.cluster.rename_v2 import RenameV2
from f7tfs.cluster.transfer_v2 import TransferJobs


class Files(Protocol):
    """What is needed of the direct calls."""

    async def stat(self, path: str) -> Stat: ...
    async def list_tree(self, path: str) -> list[Entry]: ...
    async def remove(self, path: str) -> None: ...


class ErrandsV2:
    """One system's."""

    def __init__(self, files: Files, by_jobs: FileJobs, jobs: TransferJobs, rename: RenameV2) -> None:
        self._files = files
        self._by_jobs = by_jobs
        self._jobs = jobs
        self._rename = rename

    async def copy(self, source: str, target: str, errand: Errand) -> None:
        """A job, a look at its log, and one at the copy."""
        check_v2_job(source)
        check_v2_job(target)
        before = await check_copy(self._files, source, target)
        what = f"copying {source} to {target}"
        told = await self._jobs.run(errand, what, self._by_jobs.copy(source, target), source, target)
        await check_copied(self._files, before, source, target, told)

    async def move(self, source: str, target: str, errand: Errand) -> None:
        """A job, and a look at both places."""
        await self._rename(source, target, errand)

    async def remove_tree(self, path: str, errand: Errand) -> None:
        """One call; a job for what takes longer than a call may."""
        check_v2_job(path)
        try:
            await self._files.remove(path)
        except (TimedOut, Uncertain):
            told = await self._jobs.run(errand, f"removing {path}", self._by_jobs.remove(path), path)
            if await kind_of(self._files.stat, path) is not None:
                raise failure(f"removing {path}", told) from None
