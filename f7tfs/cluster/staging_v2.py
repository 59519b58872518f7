"""Staged reading of v2: a job on the cluster brings a file into object storage.

[to a plain name] → POST → (object there?) → size right → clean
"""

from __future__ import annotations

import logging
import posixpath
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from f7tfs.cluster.errors import Unavailable, Uncertain, Unsupported
from f7tfs.cluster.following import TransferJob
from f7tfs.cluster.lookup import has_size
from f7tfs.cluster.model import StagedObject, Stat
from f7tfs.cluster.names import check_v2_job, is_plain
from f7tfs.cluster.port import Progress
from f7tfs.cluster.quoted_jobs_v2 import FileJobs
from f7tfs.cluster.scratch import Scratch
from f7tfs.cluster.storage import EARLY, check_source, size_of_copy
from f7tfs.cluster.transfer_v2 import TransferJobs
from f7tfs.firecrest.client_v2 import FirecrestV2
from f7tfs.firecrest.s3 import ObjectStorage

logger = logging.getLogger(__name__)


class Files(Protocol):
    """What staging needs of the direct calls."""

    async def stat(self, path: str) -> Stat: ...
    async def make_symlink(self, path: str, target: str) -> None: ...


class StagingV2:
    """For one system."""

    def __init__(
        self,
        files: Files,
        client: FirecrestV2,
        by_jobs: FileJobs,
        jobs: TransferJobs,
        scratch: Scratch,
        storage: ObjectStorage,
        *,
        url_seconds: float,
    ) -> None:
        self._files = files
        self._client = client
        self._by_jobs = by_jobs
        self._jobs = jobs
        self._scratch = scratch
        self._storage = storage
        self._url_seconds = url_seconds

    async def stage_out(self, path: str, progress: Progress) -> StagedObject:
        """A copy of `path` in object storage, of the size that `stat` told."""
        self._jobs.check_method(path)
        before = await self._files.stat(path)
        check_source(path, before)
        async with self._plain(path, before) as source:
            return await self._export(path, source, before.size, progress)

    @asynccontextmanager
    async def _plain(self, path: str, before: Stat) -> AsyncIterator[str]:
        """A name of the same content that the export job's script gets right: it does not quote."""
        directory, name = posixpath.split(path)
        if is_plain(path):
            yield path
        elif is_plain(name):
            # A symlink may stand for a directory, but not for the file itself: the script would cut it.
            async with self._scratch.temporary(path) as link:
                await self._files.make_symlink(link.path, directory)
                yield f"{link.path}/{name}"
        else:
            check_v2_job(path)
            async with self._scratch.temporary(path) as copy:
                await self._copy(path, copy.path, before.size)
                yield copy.path

    async def _copy(self, path: str, copy: str, size: int) -> None:
        job = await self._jobs.start(self._by_jobs.copy(path, copy), path, copy)
        bound = self._jobs.patience.transfer(size)
        async with self._jobs.given_up(job):
            await self._jobs.follow(job, lambda: has_size(self._files.stat, copy, size), bound, f"copying {path}")

    async def _asked_for(self, path: str, source: str) -> TransferJob:
        """A job that makes a copy, and another one where the answer was lost: two copies harm nobody."""
        try:
            return await self._jobs.start(self._client.transfer_download, source)
        except Uncertain as error:
            logger.info("the copy of %s is asked for again: %s", path, error)
        try:
            return await self._jobs.start(self._client.transfer_download, source)
        except Uncertain as error:
            raise Unavailable(f"{path}: a copy was asked for, and no answer came: {error}") from error

    async def _export(self, path: str, source: str, size: int, progress: Progress) -> StagedObject:
        progress("queued", 0)
        asked = time.time()
        job = await self._asked_for(path, source)
        url = str(job.directives.get("downloadUrl") or "")
        if not url:
            raise Unsupported(f"{path}: this site does not stage files in object storage that speaks S3")
        found: int | None = None

        async def is_there() -> bool:
            nonlocal found
            found = await size_of_copy(self._storage, url)
            return found is not None

        async with self._jobs.given_up(job):
            await self._jobs.follow(job, is_there, self._jobs.patience.transfer(size), f"staging {path}")
        progress("finishing", size)
        if found != size:
            raise Unavailable(f"{path}: it changed while it was staged ({found} bytes instead of {size})")
        return StagedObject(path, url, size, asked + self._url_seconds - EARLY, job.job_id)
