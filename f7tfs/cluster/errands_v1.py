"""Copying, moving and removing on the cluster, by v1: one command for what is small, else a job of the site's own.

A command is stopped after some seconds, with a part of its work done. So a copy is made beside its place, and moved
there when it is whole; between file systems nothing is moved by a command.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Protocol

import trio

from f7tfs.cluster import translate
from f7tfs.cluster.errand import Errand, check_copied, check_copy, failure, submitting
from f7tfs.cluster.errors import (
    ClusterError,
    InvalidName,
    RemoteFailure,
    TimedOut,
    Unavailable,
    Uncertain,
)
from f7tfs.cluster.jobs_v1 import JobsV1
from f7tfs.cluster.lookup import kind_of
from f7tfs.cluster.model import Entry, FileSystem, JobState, Kind, Stat
from f7tfs.cluster.names import check_v1, is_plain
from f7tfs.cluster.patience import Poll
from f7tfs.cluster.scratch import Scratch, file_system_of
from f7tfs.cluster.tasks_v1 import TasksV1
from f7tfs.cluster.translate import translated
from f7tfs.firecrest.client_v1 import FirecrestV1

logger = logging.getLogger(__name__)

SMALL_BYTES = 32 * 2**20
SMALL_ENTRIES = 500
"""What a command copies well within its time."""
_MISSING = 3
_CANCELLING = 20.0


class Files(Protocol):
    """What is needed of the direct calls."""

    @property
    def system(self) -> str: ...
    async def file_systems(self) -> Sequence[FileSystem]: ...
    async def stat(self, path: str) -> Stat: ...
    async def list_tree(self, path: str) -> list[Entry]: ...
    async def read_direct(self, path: str) -> bytes: ...
    async def remove(self, path: str) -> None: ...
    async def rename(self, old: str, new: str) -> None: ...


class ErrandsV1:
    """One system's."""

    def __init__(
        self,
        files: Files,
        client: FirecrestV1,
        tasks: TasksV1,
        jobs: JobsV1,
        scratch: Scratch,
        account: str | None,
    ) -> None:
        self._files = files
        self._client = client
        self._tasks = tasks
        self._jobs = jobs
        self._scratch = scratch
        self._account = account

    async def copy(self, source: str, target: str, errand: Errand) -> None:
        """Some calls; for what is larger a job, a look at its log, and one at the copy."""
        check_v1(source)
        check_v1(target)
        before = await check_copy(self._files, source, target)
        if await self._is_small(source, before) and await self._copy_at_once(source, target, before):
            return
        told = await self._run(errand, "cp", f"copying {source} to {target}", sourcePath=source, targetPath=target)
        await check_copied(self._files, before, source, target, told)

    async def _is_small(self, source: str, before: Stat) -> bool:
        if before.kind is not Kind.DIRECTORY:
            return before.size <= SMALL_BYTES
        try:
            entries = await self._files.list_tree(source)
        except ClusterError:
            return False
        return len(entries) <= SMALL_ENTRIES and sum(entry.size for entry in entries) <= SMALL_BYTES

    async def _copy_at_once(self, source: str, target: str, before: Stat) -> bool:
        """False: it took too long."""
        async with self._scratch.temporary(target) as temporary:
            try:
                with translated(translate.v1):
                    await self._client.copy(self._files.system, source, temporary.path)
            except TimedOut:
                return False
            await check_copied(self._files, before, source, temporary.path, "")
            await self._files.rename(temporary.path, target)
            temporary.gone = True
        return True

    async def move(self, source: str, target: str, errand: Errand) -> None:
        """Two calls within a file system; between two a job, and looks at both places."""
        check_v1(source)
        check_v1(target)
        systems = await self._files.file_systems()
        if file_system_of(source, systems) == file_system_of(target, systems):
            await self._files.rename(source, target)
            return
        before = await check_copy(self._files, source, target)
        what = f"moving {source} to {target}"
        told = await self._run(errand, "mv", what, sourcePath=source, targetPath=target)
        gone = await kind_of(self._files.stat, source) is None
        if not gone or await kind_of(self._files.stat, target) is not before.kind:
            raise failure(what, told)

    async def remove_tree(self, path: str, errand: Errand) -> None:
        """One call; a job for what takes longer than a call may."""
        check_v1(path)
        try:
            await self._files.remove(path)
        except (TimedOut, Uncertain):
            told = await self._run(errand, "rm", f"removing {path}", targetPath=path)
            if await kind_of(self._files.stat, path) is not None:
                raise failure(f"removing {path}", told) from None

    # -- jobs ------------------------------------------------------------------------------------

    async def _run(self, errand: Errand, action: str, what: str, **paths: str) -> str | None:
        """A job of the site's own, to its end. Returns what it complained of; None where that is not known."""
        for path in paths.values():
            if not is_plain(path):
                # Nobody knows how a site's own script quotes.
                raise InvalidName(f"{path!r}: a job of FirecREST v1 is given plain names only")
        fields = {**paths, "jobName": f"f7t_{action}", **({"account": self._account} if self._account else {})}
        with submitting():
            with translated(translate.v1):
                task_id = await self._client.internal_transfer(self._files.system, action, fields)
            data = await self._tasks.result(task_id, what)
        if not isinstance(data, dict) or "jobid" not in data:
            raise RemoteFailure(f"{what}: the server does not tell the job's id")
        job_id = str(data["jobid"])
        errand.begin(job_id)
        try:
            state = await self._ended(job_id, what)
        except BaseException as error:
            if not (errand.leave and isinstance(error, trio.Cancelled)):
                await self._cancel(job_id)
            raise
        told = await self._told(str(data.get("job_file_err") or ""))
        return told if told or state is JobState.COMPLETED else None

    async def _ended(self, job_id: str, what: str) -> JobState | None:
        poll = Poll(self._tasks.patience, self._tasks.patience.errand, what, self._tasks.patience.rarest)
        missing = 0
        while missing < _MISSING:
            await poll.wait()
            try:
                found = [job.state for job in await self._jobs.jobs([job_id])]
            except Unavailable as error:
                logger.info("job %s cannot be looked at now: %s", job_id, error)
                continue
            if found and found[0].ended:
                return found[0]
            missing = 0 if found else missing + 1
        return None

    async def _told(self, log: str) -> str | None:
        try:
            return (await self._files.read_direct(log)).decode(errors="replace") if log else None
        except ClusterError as error:
            logger.debug("%s cannot be read: %s", log, error)
            return None

    async def _cancel(self, job_id: str) -> None:
        with trio.CancelScope(shield=True, deadline=trio.current_time() + _CANCELLING):
            try:
                await self._jobs.cancel(job_id)
            except ClusterError as error:
                logger.debug("job %s was not cancelled: %s", job_id, error)
