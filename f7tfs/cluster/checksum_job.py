"""The checksum of a file by a job on the cluster, where the site's own command ends before it has read all of it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from f7tfs.cluster.errors import NotFound, RemoteFailure, Unsupported
from f7tfs.cluster.following import JobFollower, TransferJob
from f7tfs.cluster.join_script import batch_script
from f7tfs.cluster.model import JobRequest, Stat
from f7tfs.cluster.names import is_plain
from f7tfs.cluster.scratch import Scratch

_NAME = "f7t_checksum"
_DIGEST = re.compile(r"([0-9a-f]{64})  -")


class Files(Protocol):
    """What is needed of the direct calls."""

    async def stat(self, path: str) -> Stat: ...
    async def make_directory(self, path: str) -> None: ...
    async def read_direct(self, path: str) -> bytes: ...


class ChecksumJob:
    """For one system. `directives`: what is at the head of the job."""

    def __init__(
        self,
        files: Files,
        submit: Callable[[JobRequest], Awaitable[str]],
        jobs: JobFollower,
        scratch: Scratch,
        directives: Callable[[], Sequence[str]],
    ) -> None:
        self._files = files
        self._submit = submit
        self._jobs = jobs
        self._scratch = scratch
        self._directives = directives

    async def __call__(self, path: str, size: int) -> str:
        """SHA-256 in hex of a file of `size` bytes. A directory, a submission, some looks, a download, a removal.

        Raises Refused where there is no such job, or it fails.
        """
        what = f"the checksum of {path}"
        async with self._scratch.temporary(path) as place:
            directory = place.path
            if not is_plain(directory):
                raise Unsupported(f"{directory} cannot be named in a job's directives")
            await self._files.make_directory(directory)
            script = batch_script(self._directives(), directory, [f"sha256sum < {shlex.quote(path)} > sum"])
            request = JobRequest(working_directory=directory, script=script, name=_NAME)
            job = TransferJob(await self._submit(request), f"{directory}/err")
            self._jobs.ids.add(job.job_id)
            try:
                bound = self._jobs.patience.upload(size)
                await self._jobs.follow(job, lambda: self._is_there(f"{directory}/done"), bound, what, patient=True)
            except BaseException:
                await self._jobs.cancel(job)
                raise
            return _digest_in(await self._files.read_direct(f"{directory}/sum"), what)

    async def _is_there(self, path: str) -> bool:
        try:
            await self._files.stat(path)
        except NotFound:
            return False
        return True


def _digest_in(answer: bytes, what: str) -> str:
    found = _DIGEST.match(answer.decode(errors="replace"))
    if found is None:
        raise RemoteFailure(f"{what}: its job wrote none")
    return found.group(1)
