"""The port over FirecREST v1."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from f7tfs.cluster import archives, storage, translate, windows
from f7tfs.cluster.errand import Errand
from f7tfs.cluster.errands_v1 import ErrandsV1
from f7tfs.cluster.errors import Unsupported
from f7tfs.cluster.files_v1 import FilesV1
from f7tfs.cluster.jobs_v1 import JobsV1
from f7tfs.cluster.join_jobs_v1 import JoinJobsV1
from f7tfs.cluster.ledger import Ledger
from f7tfs.cluster.model import Entry, Job, JobFiles, JobRequest, StagedObject
from f7tfs.cluster.names import check_v1
from f7tfs.cluster.patience import Patience
from f7tfs.cluster.pieces import ROUTES, Pieces
from f7tfs.cluster.port import Progress, Sink
from f7tfs.cluster.scratch import Scratch
from f7tfs.cluster.site_v1 import SiteV1
from f7tfs.cluster.staging_v1 import StagingV1
from f7tfs.cluster.tasks_v1 import TasksV1
from f7tfs.cluster.translate import translated
from f7tfs.cluster.upload import NEW_FILE_MODE, NoRecord, UploadRecord
from f7tfs.firecrest.client_v1 import FirecrestV1
from f7tfs.firecrest.errors import HeaderException
from f7tfs.firecrest.s3 import ObjectStorage


class ClusterV1(FilesV1):
    """One system of a v1 site: the direct calls, and what takes tasks or object storage."""

    def __init__(
        self,
        client: FirecrestV1,
        object_storage: ObjectStorage,
        site: SiteV1,
        *,
        account: str | None = None,
        root_hint: str | None = None,
        patience: Patience | None = None,
        verify: bool = False,
    ) -> None:
        super().__init__(client, site)
        self._storage = object_storage
        tasks = TasksV1(client, patience or Patience())
        self._scratch = Scratch(self, root_hint)
        self._jobs = JobsV1(self, client, tasks, account)
        self._staging = StagingV1(
            self,
            client,
            tasks,
            self._scratch,
            object_storage,
            url_seconds=site.url_seconds,
            largest=site.largest_upload,
            verify=verify,
        )
        self._pieces = Pieces(
            self, self._jobs.submit, JoinJobsV1(self, self._jobs, tasks.patience), self._scratch, list
        )
        self._errands = ErrandsV1(self, client, tasks, self._jobs, self._scratch, account)

    async def list_directory(self, path: str) -> list[Entry]:
        """One call."""
        entries = await super().list_directory(path)
        self._scratch.take(path, entries)
        return entries

    async def read_window(self, path: str, start: int, stop: int, size: int) -> bytes:
        """One call; up to three more where it begins or ends within a character. Only near an end of the file."""
        check_v1(path)

        async def head(count: int) -> str:
            with _decoded():
                return await self._client.head(self.system, path, bytes=count)

        async def tail(offset: int) -> str:
            with _decoded():
                return await self._client.tail(self.system, path, bytes=offset + 1, skip_beginning="true")

        return await windows.read_ends(head, tail, start, stop, size)

    def note_in(self, ledger: Ledger) -> None:
        """From now on."""
        self._scratch.ledger = self._jobs.ledger = ledger

    async def tidy(self) -> None:
        """Nothing waits here to be removed."""

    # -- staging ---------------------------------------------------------------------------------

    async def stage_out(self, path: str, progress: Progress | None = None) -> StagedObject:
        """Two calls and the looks at the task; two more where the name is not plain."""
        return await self._staging.stage_out(path, progress or storage.no_progress)

    async def fetch(self, staged: StagedObject, start: int, stop: int, sink: Sink) -> None:
        """No call of the API: object storage is asked."""
        await storage.fetch(self._storage, staged, start, stop, sink)

    async def release(self, staged: StagedObject) -> None:
        """One call, which may fail without anybody being told."""
        await self._staging.release(staged)

    async def stage_in(
        self,
        path: str,
        source: Path,
        progress: Progress | None = None,
        record: UploadRecord | None = None,
        *,
        mode: int = NEW_FILE_MODE,
    ) -> None:
        """Five calls and the looks at the task."""
        record = record or NoRecord()
        if record.load().get("route") in ROUTES:
            await self.forget_upload(record)
        await self._staging.stage_in(path, source, progress or storage.no_progress, record, mode)

    async def send_pieces(
        self,
        path: str,
        source: Path,
        progress: Progress | None = None,
        record: UploadRecord | None = None,
        *,
        mode: int = NEW_FILE_MODE,
    ) -> None:
        """v1 submits no job of ours where its transfers run."""
        del source, progress, record, mode
        raise Unsupported(f"{path}: FirecREST v1 joins no pieces")

    async def append(
        self,
        path: str,
        source: Path,
        start: int,
        progress: Progress | None = None,
        record: UploadRecord | None = None,
    ) -> None:
        """One call for each piece, a job of the user's own, and the looks at its tasks."""
        await self._pieces.send(path, source, progress or storage.no_progress, record or NoRecord(), start)

    async def forget_upload(self, record: UploadRecord) -> None:
        """Two calls."""
        state = record.load()
        if state.get("route") == "form":
            await self._staging.give_up(state)
        elif state.get("route") in ROUTES:
            await self._pieces.give_up(state)
        await record.clear()

    # -- errands ---------------------------------------------------------------------------------

    async def copy(self, source: str, target: str, errand: Errand) -> None:
        """As `ErrandsV1` says."""
        await self._errands.copy(source, target, errand)

    async def move(self, source: str, target: str, errand: Errand) -> None:
        """As `ErrandsV1` says."""
        await self._errands.move(source, target, errand)

    async def remove_tree(self, path: str, errand: Errand) -> None:
        """As `ErrandsV1` says."""
        await self._errands.remove_tree(path, errand)

    # -- archives --------------------------------------------------------------------------------

    async def unpack(self, archive: Path, directory: str) -> None:
        """Three calls."""
        check_v1(directory)
        async with (
            archives.uploaded(self, self._scratch, archive, directory) as there,
            self._doubts.changing(there, directory),
        ):
            with translated(translate.v1):
                await self._client.extract(self.system, there, directory)

    async def pack(self, directory: str, archive: Path) -> None:
        """Three calls."""
        check_v1(directory)

        async def compress(target: str) -> None:
            with translated(translate.v1):
                await self._client.compress(self.system, directory, target)

        await archives.downloaded(self, self._scratch, compress, directory, archive)

    # -- scheduler -------------------------------------------------------------------------------

    async def submit(self, request: JobRequest) -> str:
        """One call where the script lies in its working directory, else three; and the looks at the task."""
        return await self._jobs.submit(request)

    async def find_submission(self, request: JobRequest, since: float, known: Collection[str]) -> str | None:
        """One call, or three and the looks at a task."""
        del since
        return await self._jobs.find_submission(request, known)

    async def attach(self, job_id: str, command: str) -> None:
        """v1 cannot."""
        raise Unsupported(f"FirecREST v1 runs no command inside a job ({job_id}: {command})")

    async def jobs(self, ids: Sequence[str] | None = None) -> list[Job]:
        """One or two calls, and the looks at their tasks."""
        return await self._jobs.jobs(ids)

    async def job_files(self, job_id: str) -> JobFiles:
        """One call for the script, and one more where the job has not been seen yet."""
        return await self._jobs.job_files(job_id)

    async def cancel(self, job_id: str) -> None:
        """One call, and the looks at its task."""
        await self._jobs.cancel(job_id)


@contextlib.contextmanager
def _decoded() -> Iterator[None]:
    """As `translated`, and NotDecoded for what is no text."""
    with translated(translate.v1):
        try:
            yield
        except HeaderException as error:
            lost = windows.not_decoded(error.message)
            if lost is None:
                raise
            raise lost from error
