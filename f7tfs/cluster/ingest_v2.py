"""Staged uploads of v2: parts go into object storage, and a job on the cluster makes a file of them.

POST → PUT parts → complete → (temporary whole?) → mv job → (target right?) → clean

The ingest job looks for its object once at its start, 0.5 to 3 s after the POST, and then once a minute: so the parts
go out at once. It destroys `NAME.1` beside its target, and shows the target in pieces: so it writes to a private
directory. What has been done is written down after each part: another attempt goes on from there.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import trio

from f7tfs.cluster.errors import ClusterError, RemoteFailure, Unsupported
from f7tfs.cluster.following import TransferJob
from f7tfs.cluster.lookup import has_size
from f7tfs.cluster.model import Stat
from f7tfs.cluster.names import check_v2_job
from f7tfs.cluster.port import Progress
from f7tfs.cluster.scratch import Scratch
from f7tfs.cluster.storage import EARLY, ContentCheck, Meter, check_target, translated_storage
from f7tfs.cluster.transfer_v2 import TransferJobs
from f7tfs.cluster.upload import NEW_FILE_MODE, UploadRecord, fits, is_interrupted, removed_for_certain, settle, told
from f7tfs.firecrest.client_v2 import FirecrestV2
from f7tfs.firecrest.s3 import ObjectStorage, plan_parts


class Rename(Protocol):
    """Moves a file. `patient`: however long its job is in the scheduler's queue."""

    async def __call__(self, old: str, new: str, *, patient: bool) -> None: ...


class Files(Protocol):
    """What is needed of the direct calls."""

    async def stat(self, path: str) -> Stat: ...
    async def remove(self, path: str) -> None: ...
    async def chmod(self, path: str, mode: int) -> None: ...


class IngestV2:
    """Uploads for one system."""

    def __init__(
        self,
        files: Files,
        client: FirecrestV2,
        jobs: TransferJobs,
        scratch: Scratch,
        storage: ObjectStorage,
        rename: Rename,
        *,
        url_seconds: float,
        verify: ContentCheck | None,
    ) -> None:
        self._files = files
        self._client = client
        self._jobs = jobs
        self._scratch = scratch
        self._storage = storage
        self._rename = rename
        self._url_seconds = url_seconds
        self._verify = verify

    async def send(
        self, path: str, source: Path, progress: Progress, record: UploadRecord, mode: int = NEW_FILE_MODE
    ) -> None:
        """Upload to a temporary, and move it to `path` when it is whole. Goes on from what `record` tells."""
        check_v2_job(path)
        self._jobs.check_method(path)
        size = (await trio.Path(source).stat()).st_size
        if size == 0:
            raise Unsupported(f"{path}: an empty file cannot be staged")
        await check_target(self._files.stat, path)
        try:
            state = await self._resumed(path, record, size) or await self._begun(path, size, progress, record)
        except RemoteFailure as error:
            raise told(error) from None
        try:
            await self._carry_on(path, source, state, progress, record, mode)
        except BaseException as error:  # noqa: BLE001 -- raised again, after cleaning up
            if not (record.kept and is_interrupted(error)):
                await settle(state, record, self.give_up)
            raise told(error) from None
        await self._jobs.clean_later(_job(state))
        await record.clear()

    async def _resumed(self, path: str, record: UploadRecord, size: int) -> dict[str, Any] | None:
        """What an earlier attempt has left, if it is of use: its URLs live, and its job waits for its parts."""
        state = record.load()
        if state.get("route") != "staged":
            return None
        if fits(state, "staged", path, size, record) and (state["completed"] or await self._is_awaited(state)):
            self._jobs.ids.add(str(state["job"]))
            return {"mode": NEW_FILE_MODE, **state}
        await self.give_up(state)
        return None

    async def _is_awaited(self, state: Mapping[str, Any]) -> bool:
        return state["expires"] >= time.time() and await self._jobs.has_ended(str(state["job"])) is False

    async def _begun(self, path: str, size: int, progress: Progress, record: UploadRecord) -> dict[str, Any]:
        progress("queued", 0)
        temporary = await self._scratch.name(path)
        expires = time.time() + self._url_seconds - EARLY
        job = await self._jobs.start(self._client.transfer_upload, temporary, size)
        state: dict[str, Any] = {
            "route": "staged",
            "path": path,
            "content": record.content,
            "size": size,
            "temporary": temporary,
            "job": job.job_id,
            "logs": list(job.logs),
            "error_log": job.error_log,
            "directives": dict(job.directives),
            "expires": expires,
            "etags": {},
            "completed": False,
            "ino": None,
            "mode": NEW_FILE_MODE,
        }
        await record.save(state)
        if record.kept:
            # Whoever goes on with the upload needs the logs, and removes them.
            await self._jobs.ledger.strike(*job.logs)
        return state

    async def give_up(self, state: Mapping[str, Any]) -> None:
        """Leave nothing of an upload behind. The job might hold a node until its time limit. Raises Unavailable."""
        job = _job(state)
        await self._jobs.cancel(job)
        await self._jobs.clean_later(job)
        await removed_for_certain(self._files.remove, str(state["temporary"]))

    # -- the steps -------------------------------------------------------------------------------

    async def _carry_on(
        self, path: str, source: Path, state: dict[str, Any], progress: Progress, record: UploadRecord, mode: int
    ) -> None:
        size, temporary = int(state["size"]), str(state["temporary"])
        if not (state["ino"] and await self._is_moved(path, state)):
            if not state["completed"]:
                await self._put(path, source, state, progress, record)
            progress("staging", size)
            bound, what = self._jobs.patience.upload(size), f"uploading {path}"
            await self._jobs.follow(
                _job(state), lambda: has_size(self._files.stat, temporary, size), bound, what, patient=True
            )
            if self._verify:
                await self._verify(path, temporary, source)
            progress("finishing", size)
            if mode != state["mode"]:
                # Before it is at its place: nobody else is to read it meanwhile.
                await self._files.chmod(temporary, mode)
            state["ino"], state["mode"] = (await self._files.stat(temporary)).ino, mode
            await record.save(state)
            await self._rename(temporary, path, patient=True)
        elif mode != state["mode"]:
            await self._files.chmod(path, mode)
        if not await has_size(self._files.stat, path, size):
            raise RemoteFailure(f"{path}: the upload arrived, but the file there is not of {size} bytes")

    async def _put(
        self, path: str, source: Path, state: dict[str, Any], progress: Progress, record: UploadRecord
    ) -> None:
        directives, size = state["directives"], int(state["size"])
        urls = [str(url) for url in directives.get("partsUploadUrls") or []]
        parts = plan_parts(urls, int(directives.get("maxPartSize") or size), size)
        if not parts:
            raise Unsupported(f"{path}: this site does not stage files in object storage that speaks S3")
        known = {int(index): str(etag) for index, etag in state["etags"].items()}
        meter = Meter(progress, "transferring")
        meter.moved(sum(part.stop - part.start for index, part in enumerate(parts) if index in known))

        async def done(index: int, etag: str) -> None:
            state["etags"][str(index)] = etag
            await record.save(state)

        with translated_storage():
            etags = await self._storage.put_parts(source, parts, meter.moved, known, done)
            await self._storage.complete(str(directives.get("completeUploadUrl") or ""), etags)
        state["completed"] = True
        await record.save(state)

    async def _is_moved(self, path: str, state: Mapping[str, Any]) -> bool:
        """Whether an earlier attempt got as far as the last step, and its answer was lost."""
        try:
            found = await self._files.stat(path)
        except ClusterError:
            return False
        return (found.ino, found.size) == (state["ino"], state["size"])


def _job(state: Mapping[str, Any]) -> TransferJob:
    logs = tuple(str(log) for log in state["logs"])
    return TransferJob(str(state["job"]), str(state["error_log"]), logs, dict(state["directives"]))
