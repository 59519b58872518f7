"""The port over FirecREST v1."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from f7tfs.cluster import translate, windows
from f7tfs.cluster.assembled import Assembled, Parts
from f7tfs.cluster.checksum_job import ChecksumJob
from f7tfs.cluster.compressed import Compressed
from f7tfs.cluster.errands_v1 import ErrandsV1
from f7tfs.cluster.errors import Unsupported
from f7tfs.cluster.files_v1 import FilesV1
from f7tfs.cluster.jobs_v1 import JobsV1
from f7tfs.cluster.model import StagedObject
from f7tfs.cluster.names import check_v1
from f7tfs.cluster.own_jobs_v1 import OwnJobsV1
from f7tfs.cluster.patience import Patience
from f7tfs.cluster.pieces import Pieces
from f7tfs.cluster.port import Progress
from f7tfs.cluster.scratch import Scratch
from f7tfs.cluster.script_jobs import ScriptJobs
from f7tfs.cluster.site_v1 import SiteV1
from f7tfs.cluster.staging_v1 import StagingV1
from f7tfs.cluster.storage import ContentCheck
from f7tfs.cluster.tasks_v1 import TasksV1
from f7tfs.cluster.translate import translated
from f7tfs.cluster.upload import NEW_FILE_MODE, UploadRecord
from f7tfs.firecrest.client_v1 import FirecrestV1
from f7tfs.firecrest.errors import HeaderException
from f7tfs.firecrest.s3 import ObjectStorage


class ClusterV1(Assembled[FirecrestV1, SiteV1], FilesV1):
    """One system of a v1 site: transfers and the scheduler are tasks of the server."""

    ROUTE = "form"

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
        FilesV1.__init__(self, client, site)
        scratch = Scratch(self, root_hint)
        tasks = TasksV1(client, patience or Patience())
        jobs = JobsV1(self, client, tasks, account)
        scripts = ScriptJobs(self.stat, jobs.submit, OwnJobsV1(self, jobs, tasks.patience), list)
        checksum = ChecksumJob(self, scripts, scratch)
        check = ContentCheck(self.checksum, checksum) if verify else None
        self._staging = StagingV1(
            self,
            client,
            tasks,
            scratch,
            object_storage,
            url_seconds=site.url_seconds,
            verify=check,
        )
        self._parts = Parts(
            scratch=scratch,
            storage=object_storage,
            staging=self._staging,
            uploads=self._staging,
            pieces=Pieces(self, scripts, scratch),
            compressed=Compressed(self, self._put, scratch, check),
            errands=ErrandsV1(self, client, tasks, jobs, scratch, account),
            scheduler=jobs,
            noting=(scratch, jobs),
        )

    async def _put(self, new: str, path: str, ino: int, *, free: bool) -> None:
        del ino
        await self.rename(new, path, free=free)

    async def tidy(self) -> None:
        """Nothing waits here to be removed."""

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

    async def release(self, staged: StagedObject) -> None:
        """One call, which may fail without anybody being told."""
        await self._staging.release(staged)

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
