"""The port over FirecREST v2."""

from __future__ import annotations

from pathlib import Path

from f7tfs.cluster import storage, windows
from f7tfs.cluster.assembled import Assembled, Parts
from f7tfs.cluster.checksum_job import ChecksumJob
from f7tfs.cluster.compressed import Compressed
from f7tfs.cluster.errands_v2 import ErrandsV2
from f7tfs.cluster.files_v2 import FilesV2
from f7tfs.cluster.ingest_v2 import IngestV2
from f7tfs.cluster.jobs_v2 import JobsV2
from f7tfs.cluster.links_v2 import LinksV2
from f7tfs.cluster.model import StagedObject
from f7tfs.cluster.patience import Patience
from f7tfs.cluster.pieces import Pieces
from f7tfs.cluster.port import Progress
from f7tfs.cluster.quoted_jobs_v2 import FileJobs
from f7tfs.cluster.rename_v2 import RenameV2
from f7tfs.cluster.scratch import Scratch
from f7tfs.cluster.script_jobs import ScriptJobs
from f7tfs.cluster.site_v2 import S3, SiteV2
from f7tfs.cluster.staging_v2 import StagingV2
from f7tfs.cluster.storage import ContentCheck
from f7tfs.cluster.transfer_v2 import TransferJobs
from f7tfs.cluster.upload import NEW_FILE_MODE, NoRecord, UploadRecord
from f7tfs.firecrest.client_v2 import FirecrestV2
from f7tfs.firecrest.s3 import ObjectStorage


class ClusterV2(Assembled[FirecrestV2, SiteV2], FilesV2):
    """One system of a v2 site: transfers and what takes long are jobs on it."""

    ROUTE = "staged"

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
        FilesV2.__init__(self, client, site, escape_quotes=escape_quotes)
        seconds = site.url_seconds
        scratch = Scratch(self, root_hint)
        self._transfers = transfers = TransferJobs(client, site, account, patience or Patience())
        jobs = JobsV2(self, client, transfers.ids, account)

        def directives() -> list[str]:
            return site.directives_for(account)

        by_jobs = FileJobs(client, jobs.submit, scratch, directives)
        scripts = ScriptJobs(self.stat, jobs.submit, transfers, directives)
        checksum = ChecksumJob(self, scripts, scratch)
        check = ContentCheck(self.checksum, checksum) if verify else None
        self._rename = rename = RenameV2(self.stat, by_jobs, transfers)
        self._parts = Parts(
            scratch=scratch,
            storage=object_storage,
            staging=StagingV2(self, client, by_jobs, transfers, scratch, object_storage, url_seconds=seconds),
            uploads=IngestV2(
                self, client, transfers, scratch, object_storage, rename, url_seconds=seconds, verify=check
            ),
            pieces=Pieces(self, scripts, scratch, verify=verify, another_way=site.method == S3),
            compressed=Compressed(self, LinksV2(self), scratch, check),
            errands=ErrandsV2(self, by_jobs, transfers, rename),
            scheduler=jobs,
            noting=(scratch, transfers),
        )

    async def aclose(self) -> None:
        """Clean up after the last jobs, as `tidy` does."""
        await self.tidy()

    async def tidy(self) -> None:
        """The logs of transfer jobs, two calls each."""
        await self._transfers.sweep(settle=True)

    async def read_window(self, path: str, start: int, stop: int, size: int) -> bytes:
        """One call; up to three more where it begins within a character."""
        del size

        async def view(length: int, offset: int) -> str:
            with self._errors():
                return await self._client.view(self.system, self._sent(path), length, offset)

        return await windows.read_views(view, start, stop)

    async def rename(self, old: str, new: str, *, free: bool = False) -> None:
        """A job: two calls, one submission, some looks, two removals of logs."""
        del free
        await self._rename(old, new)

    async def release(self, staged: StagedObject) -> None:
        """v2 forgets by itself, when the object expires."""

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
        if record.load().get("route") == self.ROUTE:
            # The site joins no pieces: that was found out by an earlier attempt.
            await self.stage_in(path, source, progress, record, mode=mode)
        else:
            await self._parts.pieces.send(path, source, progress or storage.no_progress, record, mode=mode)
