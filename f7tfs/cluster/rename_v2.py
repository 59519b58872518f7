"""v2 has no rename but `mv` as a job of the scheduler: waited for, verified, and cleaned up after."""

from __future__ import annotations

from f7tfs.cluster.errand import Errand, failure
from f7tfs.cluster.errors import AlreadyExists, NotADirectory, NotFound, Uncertain
from f7tfs.cluster.lookup import StatCall
from f7tfs.cluster.model import Kind, Stat
from f7tfs.cluster.names import check_v2_job
from f7tfs.cluster.quoted_jobs_v2 import FileJobs
from f7tfs.cluster.transfer_v2 import TransferJobs


class RenameV2:
    """Renames one entry after the other; see `Cluster.rename`."""

    def __init__(self, stat: StatCall, files: FileJobs, jobs: TransferJobs) -> None:
        self._stat = stat
        self._files = files
        self._jobs = jobs

    async def __call__(self, old: str, new: str, errand: Errand | None = None, *, patient: bool = False) -> None:
        """One look at each name before, one job, then looks until it is done.

        As an errand it takes its time: between file systems `mv` copies. Who is `patient` waits however long the job
        is in the scheduler's queue.
        """
        check_v2_job(old)
        check_v2_job(new)
        before = await self._stat(old)
        if old == new:
            return
        # mv would move into a directory instead of replacing it.
        target = await self._found(new)
        if target is not None and target.kind is Kind.DIRECTORY:
            raise AlreadyExists(new)
        mv = self._files.move(old, new)
        what = f"renaming {old} to {new}"
        if errand is not None:
            told = await self._jobs.run(errand, what, mv, old, new)
            if not await self._is_done(before, old, new):
                raise failure(what, told)
            return
        try:
            job = await self._jobs.start(mv, old, new)
        except Uncertain:
            if await self._is_done(before, old, new):
                return
            raise
        async with self._jobs.given_up(job):
            bound = self._jobs.patience.rename
            await self._jobs.follow(job, lambda: self._is_done(before, old, new), bound, what, patient=patient)

    async def _is_done(self, before: Stat, old: str, new: str) -> bool:
        """Gone there and here here: across file systems the old one goes last, and the inode is another."""
        if await self._found(old) is not None:
            return False
        after = await self._found(new)
        if after is None or after.kind is not before.kind:
            return False
        # A directory has another size on another file system.
        return after.ino == before.ino or after.size == before.size or after.kind is Kind.DIRECTORY

    async def _found(self, path: str) -> Stat | None:
        try:
            return await self._stat(path)
        except (NotFound, NotADirectory):
            return None
