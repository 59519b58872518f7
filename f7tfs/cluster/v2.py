"""The port over FirecREST v2."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import trio

from f7tfs.cluster import archives, storage, translate, windows
from f7tfs.cluster.errand import Errand
from f7tfs.cluster.errands_v2 import ErrandsV2
from f7tfs.cluster.errors import NotFound, SchedulerRefused, Unsupported
from f7tfs.cluster.files_v2 import FilesV2
from f7tfs.cluster.ingest_v2 import IngestV2
from f7tfs.cluster.job_marks import has_mark, is_newer, marked, may_be_of
from f7tfs.cluster.jobs import base_id, files_of_v2, is_transfer_name, job_of_v2, settle_cancel
from f7tfs.cluster.ledger import Ledger
from f7tfs.cluster.model import Entry, Job, JobFiles, JobRequest, StagedObject
from f7tfs.cluster.patience import Patience
from f7tfs.cluster.pieces import ROUTES, Pieces
from f7tfs.cluster.port import Progress, Sink
from f7tfs.cluster.rename_v2 import RenameV2
from f7tfs.cluster.scratch import Scratch
from f7tfs.cluster.site_v2 import SiteV2
from f7tfs.cluster.staging_v2 import StagingV2
from f7tfs.cluster.transfer_v2 import TransferJobs
from f7tfs.cluster.translate import translated
from f7tfs.cluster.upload import NEW_FILE_MODE, NoRecord, UploadRecord
from f7tfs.firecrest.client_v2 import FirecrestV2
from f7tfs.firecrest.s3 import ObjectStorage

_DENIALS = 3
_PAUSE = 0.5
_FEW = 5
"""Up to so many jobs are asked for one by one."""
_CANDIDATES = 10
"""So many jobs are looked into at a time when one is searched by its script, the newest first."""


class ClusterV2(FilesV2):
    """One system of a v2 site: the direct calls, and what takes jobs or object storage."""

    def __init__(
        self,
        client: FirecrestV2,
        object_storage: ObjectStorage,
        site: SiteV2,
        *,
        account: str | None = None,
        root_hint: str | None = None,
        escape_quotes: bool = True,
        patience: Patience | None = None,
        verify: bool = False,
    ) -> None:
        super().__init__(client, site, escape_quotes=escape_quotes)
        self._storage = object_storage
        self._account = account
        self._submitted: set[str] = set()
        self._jobs = TransferJobs(client, site, account, patience or Patience())
        self._rename = RenameV2(self.stat, client, self._jobs)
        self._errands = ErrandsV2(self, client, self._jobs, self._rename)
        self._scratch = Scratch(self, root_hint)
        self._staging = StagingV2(
            self, client, self._jobs, self._scratch, object_storage, url_seconds=site.url_seconds
        )
        self._ingest = IngestV2(
            self,
            client,
            self._jobs,
            self._scratch,
            object_storage,
            self._rename,
            url_seconds=site.url_seconds,
            verify=verify,
        )
        self._pieces = Pieces(
            self, self.submit, self._jobs, self._scratch, lambda: site.directives_for(account), verify=verify
        )

    async def aclose(self) -> None:
        """Clean up after the last job. At most two calls."""
        await self.tidy()

    def note_in(self, ledger: Ledger) -> None:
        """From now on."""
        self._scratch.ledger = self._jobs.ledger = ledger

    async def tidy(self) -> None:
        """The logs of transfer jobs, two calls each."""
        await self._jobs.sweep(settle=True)

    async def list_directory(self, path: str) -> list[Entry]:
        """One call."""
        entries = await super().list_directory(path)
        self._scratch.take(path, entries)
        return entries

    async def read_window(self, path: str, start: int, stop: int, size: int) -> bytes:
        """One call; up to three more where it begins within a character."""
        del size

        async def view(length: int, offset: int) -> str:
            with translated(translate.v2):
                return await self._client.view(self.system, self._sent(path), length, offset)

        return await windows.read_views(view, start, stop)

    # -- renaming and staging --------------------------------------------------------------------

    async def rename(self, old: str, new: str, *, free: bool = False) -> None:
        """A job: two calls, one submission, some looks, two removals of logs."""
        del free
        await self._rename(old, new)

    async def stage_out(self, path: str, progress: Progress | None = None) -> StagedObject:
        """A job; one more where the name is not plain."""
        return await self._staging.stage_out(path, progress or storage.no_progress)

    async def fetch(self, staged: StagedObject, start: int, stop: int, sink: Sink) -> None:
        """No call of the API: object storage is asked."""
        await storage.fetch(self._storage, staged, start, stop, sink)

    async def release(self, staged: StagedObject) -> None:
        """v2 forgets by itself, when the object expires."""

    async def stage_in(
        self,
        path: str,
        source: Path,
        progress: Progress | None = None,
        record: UploadRecord | None = None,
        *,
        mode: int = NEW_FILE_MODE,
    ) -> None:
        """Two jobs: one takes the content, one moves it to its name."""
        record = record or NoRecord()
        if record.load().get("route") in ROUTES:
            await self.forget_upload(record)
        await self._ingest.send(path, source, progress or storage.no_progress, record, mode)

    async def send_pieces(
        self,
        path: str,
        source: Path,
        progress: Progress | None = None,
        record: UploadRecord | None = None,
        *,
        mode: int = NEW_FILE_MODE,
    ) -> None:
        """One call for each piece, one job, and a few looks."""
        record = record or NoRecord()
        if record.load().get("route") == "staged":
            # The site joins no pieces: that was found out by an earlier attempt.
            await self.stage_in(path, source, progress, record, mode=mode)
        else:
            await self._pieces.send(path, source, progress or storage.no_progress, record, mode=mode)

    async def append(
        self,
        path: str,
        source: Path,
        start: int,
        progress: Progress | None = None,
        record: UploadRecord | None = None,
    ) -> None:
        """One call for each piece, one job, and a few looks."""
        await self._pieces.send(path, source, progress or storage.no_progress, record or NoRecord(), start)

    async def forget_upload(self, record: UploadRecord) -> None:
        """Two calls."""
        state = record.load()
        if state.get("route") == "staged":
            await self._ingest.give_up(state)
        elif state.get("route") in ROUTES:
            await self._pieces.give_up(state)
        await record.clear()

    # -- errands ---------------------------------------------------------------------------------

    async def copy(self, source: str, target: str, errand: Errand) -> None:
        """As `ErrandsV2` says."""
        await self._errands.copy(source, target, errand)

    async def move(self, source: str, target: str, errand: Errand) -> None:
        """As `ErrandsV2` says."""
        await self._errands.move(source, target, errand)

    async def remove_tree(self, path: str, errand: Errand) -> None:
        """As `ErrandsV2` says."""
        await self._errands.remove_tree(path, errand)

    # -- archives --------------------------------------------------------------------------------

    async def unpack(self, archive: Path, directory: str) -> None:
        """Three calls."""
        async with (
            archives.uploaded(self, self._scratch, archive, directory) as there,
            self._doubts.changing(there, directory),
        ):
            with translated(translate.v2):
                await self._client.extract(self.system, self._sent(there), self._sent(directory))

    async def pack(self, directory: str, archive: Path) -> None:
        """Three calls."""

        async def compress(target: str) -> None:
            with translated(translate.v2):
                await self._client.compress(self.system, self._sent(directory), self._sent(target))

        await archives.downloaded(self, self._scratch, compress, directory, archive)

    # -- scheduler -------------------------------------------------------------------------------

    async def submit(self, request: JobRequest) -> str:
        """One call, never repeated."""
        job = job_description(request, self._account)
        with translated(translate.v2):
            job_id = await self._client.submit(self.system, job)
        self._submitted.add(job_id)
        return job_id

    async def find_submission(self, request: JobRequest, since: float, known: Collection[str]) -> str | None:
        """One call, and one for each candidate."""
        jobs = [job for job in await self._recent() if job.job_id not in known and not self._is_ours(job)]
        candidates = [job.job_id for job in jobs if may_be_of(job, request, since)]
        if request.script_path is not None:
            # It has no mark, and may have been submitted before, by others or long ago.
            candidates = [job_id for job_id in candidates if is_newer(job_id, known)]
        if not candidates:
            return None
        wanted = await self._script_of(request)
        found = [job_id for job_id in candidates[-_CANDIDATES:] if await self._has_script(job_id, request, wanted)]
        return found[0] if len(found) == 1 else None

    async def _script_of(self, request: JobRequest) -> str:
        if request.script_path is None:
            return ""
        return (await self.read_direct(request.script_path)).decode(errors="replace")

    async def _has_script(self, job_id: str, request: JobRequest, wanted: str) -> bool:
        try:
            with translated(translate.v2):
                found = await self._client.job_metadata(self.system, job_id)
        except NotFound:
            return False
        script = str(found[0].get("script") or "") if found else ""
        return has_mark(script, request.mark) if request.script_path is None else script == wanted

    async def jobs(self, ids: Sequence[str] | None = None) -> list[Job]:
        """One call for all jobs or for one; for several, one more for each old one. Unknown ones are left out."""
        if ids is None:
            return [job for job in await self._recent() if not self._is_ours(job)]
        found = {job.job_id: job for job in await self._recent()} if len(ids) > _FEW else {}
        for job_id in ids:
            if job_id not in found:
                found.update({job.job_id: job for job in await self._job(job_id)})
        return [job for job in found.values() if base_id(job.job_id) in ids or job.job_id in ids]

    async def _recent(self) -> list[Job]:
        with translated(translate.v2):
            return [job_of_v2(item) for item in await self._client.jobs(self.system)]

    def _is_ours(self, job: Job) -> bool:
        return job.job_id in self._jobs.ids or is_transfer_name(job.name)

    async def _job(self, job_id: str) -> list[Job]:
        # A job that was submitted just now may be denied once.
        for denials in range(_DENIALS if job_id in self._submitted else 1):
            if denials:
                await trio.sleep(_PAUSE)
            try:
                with translated(translate.v2):
                    return [job_of_v2(item) for item in await self._client.job_info(self.system, job_id)]
            except NotFound:
                continue
        return []

    async def job_files(self, job_id: str) -> JobFiles:
        """One call."""
        with translated(translate.v2):
            found = await self._client.job_metadata(self.system, job_id)
        if not found:
            raise NotFound(f"no job {job_id}")
        return files_of_v2(found[0])

    async def attach(self, job_id: str, command: str) -> None:
        """One call; the command's output is lost."""
        with translated(translate.v2):
            await self._client.attach(self.system, job_id, command)

    async def cancel(self, job_id: str) -> None:
        """One call."""
        try:
            with translated(translate.v2):
                await self._client.cancel(self.system, job_id)
        except SchedulerRefused as error:
            settle_cancel(str(error))


def job_description(request: JobRequest, account: str | None) -> dict[str, Any]:
    """The JSON of a submission. Raises Unsupported for what the server would change silently."""
    if (request.script is None) == (request.script_path is None):
        raise ValueError("a job has either a script or the path of one")
    for name, value in request.environment.items():
        if "," in value:
            raise Unsupported(f"FirecREST v2 cuts the value of {name} at its comma")
    told = {
        "name": request.name,
        "workingDirectory": request.working_directory,
        "script": None if request.script is None else marked(request.script, request.mark),
        "scriptPath": request.script_path,
        "account": request.account or account,
        "env": dict(request.environment) or None,
    }
    return {key: value for key, value in told.items() if value is not None}
