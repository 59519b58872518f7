"""The checksum of a file by a job on the cluster, where the site's own command ends before it has read all of it."""

from __future__ import annotations

import re
import shlex
from typing import Protocol

from f7tfs.cluster.errors import RemoteFailure
from f7tfs.cluster.names import check_directive
from f7tfs.cluster.scratch import Scratch
from f7tfs.cluster.script_jobs import ScriptJobs

_NAME = "f7t_checksum"
_DIGEST = re.compile(r"([0-9a-f]{64})  -")


class Files(Protocol):
    """What is needed of the direct calls."""

    async def make_directory(self, path: str) -> None: ...
    async def read_direct(self, path: str) -> bytes: ...


class ChecksumJob:
    """For one system."""

    def __init__(self, files: Files, jobs: ScriptJobs, scratch: Scratch) -> None:
        self._files = files
        self._jobs = jobs
        self._scratch = scratch

    async def __call__(self, path: str, size: int) -> str:
        """SHA-256 in hex of a file of `size` bytes. A directory, a submission, some looks, a download, a removal.

        Raises Refused where there is no such job, or it fails.
        """
        what = f"the checksum of {path}"
        async with self._scratch.temporary(path) as place:
            directory = place.path
            check_directive(directory)
            await self._files.make_directory(directory)
            job = await self._jobs.start(_NAME, directory, [f"sha256sum < {shlex.quote(path)} > sum"])
            try:
                await self._jobs.finish(job, directory, size, what)
            except BaseException:
                await self._jobs.cancel(job, directory)
                raise
            return _digest_in(await self._files.read_direct(f"{directory}/sum"), what)


def _digest_in(answer: bytes, what: str) -> str:
    found = _DIGEST.match(answer.decode(errors="replace"))
    if found is None:
        raise RemoteFailure(f"{what}: its job wrote none")
    return found.group(1)
