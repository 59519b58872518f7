"""What both versions put together in the same way from their parts: transfers, errands, archives and the scheduler.

FilesV1, FilesV2    the direct calls
Assembled           these, and what is handed to the parts of a version
ClusterV1, V2       which parts these are, and what only one version does
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from f7tfs.cluster import archives, compressed, storage
from f7tfs.cluster.compressed import Compressed
from f7tfs.cluster.errand import Errand
from f7tfs.cluster.files import ClientT, Files, SiteT
from f7tfs.cluster.ledger import Ledger
from f7tfs.cluster.model import Entry, Job, JobFiles, JobRequest, StagedObject
from f7tfs.cluster.pieces import ROUTES, Pieces
from f7tfs.cluster.port import Progress, Sink
from f7tfs.cluster.scratch import Scratch
from f7tfs.cluster.upload import NEW_FILE_MODE, NoRecord, UploadRecord
from f7tfs.firecrest.s3 import ObjectStorage


class Staging(Protocol):
    """Brings files into object storage."""

    async def stage_out(self, path: str, progress: Progress) -> StagedObject: ...


class Uploads(Protocol):
    """Brings files to the cluster through object storage."""

    async def send(self, path: str, source: Path, progress: Progress, record: UploadRecord, mode: int) -> None: ...
    async def give_up(self, state: dict[str, Any]) -> None: ...


class Errands(Protocol):
    """What the cluster does by itself, as the port has it."""

    async def copy(self, source: str, target: str, errand: Errand) -> None: ...
    async def move(self, source: str, target: str, errand: Errand) -> None: ...
    async def remove_tree(self, path: str, errand: Errand) -> None: ...


class Scheduler(Protocol):
    """Jobs of the user's, as the port has them."""

    async def submit(self, request: JobRequest) -> str: ...
    async def find_submission(self, request: JobRequest, since: float, known: Collection[str]) -> str | None: ...
    async def jobs(self, ids: Sequence[str] | None) -> list[Job]: ...
    async def job_files(self, job_id: str) -> JobFiles: ...
    async def attach(self, job_id: str, command: str) -> None: ...
    async def cancel(self, job_id: str) -> None: ...


class Noting(Protocol):
    """Whatever makes something that is to be removed later."""

    ledger: Ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a version is put together from."""

    scratch: Scratch
    storage: ObjectStorage
    staging: Staging
    uploads: Uploads
    pieces: Pieces
    compressed: Compressed
    errands: Errands
    scheduler: Scheduler
    noting: Sequence[Noting]


class Assembled(Files[ClientT, SiteT]):
    """The direct calls, and what takes tasks, jobs or object storage."""

    ROUTE: ClassVar[str]
    """By which the record of an upload is known as one through object storage."""
    _parts: Parts
    """Set by the version's constructor: most parts need the direct calls."""

    def note_in(self, ledger: Ledger) -> None:
        """From now on."""
        for part in self._parts.noting:
            part.ledger = ledger

    async def list_directory(self, path: str) -> list[Entry]:
        """One call."""
        entries = await super().list_directory(path)
        self._parts.scratch.take(path, entries)
        return entries

    # -- staging ---------------------------------------------------------------------------------

    async def stage_out(self, path: str, progress: Progress | None = None) -> StagedObject:
        """As the version's staging says."""
        return await self._parts.staging.stage_out(path, progress or storage.no_progress)

    async def fetch(self, staged: StagedObject, start: int, stop: int, sink: Sink) -> None:
        """No call of the API: object storage is asked."""
        await storage.fetch(self._parts.storage, staged, start, stop, sink)

    async def stage_in(
        self,
        path: str,
        source: Path,
        progress: Progress | None = None,
        record: UploadRecord | None = None,
        *,
        mode: int = NEW_FILE_MODE,
    ) -> None:
        """As the version's uploads say."""
        record = record or NoRecord()
        if record.load().get("route") in ROUTES:
            await self.forget_upload(record)
        await self._parts.uploads.send(path, source, progress or storage.no_progress, record, mode)

    async def append(
        self,
        path: str,
        source: Path,
        start: int,
        progress: Progress | None = None,
        record: UploadRecord | None = None,
    ) -> None:
        """One call for each piece, a job of the user's own, and some looks."""
        await self._parts.pieces.send(path, source, progress or storage.no_progress, record or NoRecord(), start)

    async def send_compressed(
        self,
        path: str,
        source: Path,
        archive: Path,
        progress: Progress | None = None,
        record: UploadRecord | None = None,
        *,
        mode: int = NEW_FILE_MODE,
    ) -> None:
        """Seven calls, on v2 nine to eleven; one more for an unusual mode."""
        progress, record = progress or storage.no_progress, record or NoRecord()
        await self._parts.compressed.send(path, source, archive, progress, record, mode)

    async def forget_upload(self, record: UploadRecord) -> None:
        """Two calls."""
        state = record.load()
        route = state.get("route")
        if route == self.ROUTE:
            await self._parts.uploads.give_up(state)
        elif route in ROUTES:
            await self._parts.pieces.give_up(state)
        elif route == compressed.ROUTE:
            await self._parts.compressed.give_up(state)
        await record.clear()

    # -- errands ---------------------------------------------------------------------------------

    async def copy(self, source: str, target: str, errand: Errand) -> None:
        """As the version's errands say."""
        await self._parts.errands.copy(source, target, errand)

    async def move(self, source: str, target: str, errand: Errand) -> None:
        """As the version's errands say."""
        await self._parts.errands.move(source, target, errand)

    async def remove_tree(self, path: str, errand: Errand) -> None:
        """As the version's errands say."""
        await self._parts.errands.remove_tree(path, errand)

    # -- archives --------------------------------------------------------------------------------

    async def unpack(self, archive: Path, directory: str) -> None:
        """Three calls."""
        self._sent(directory)
        async with archives.uploaded(self, self._parts.scratch, archive, directory) as there:
            await self.extract(there, directory, directory)

    async def extract(self, archive: str, directory: str, *places: str) -> None:
        """One call: what is in an archive on the cluster, below `directory`. `places`: what that may change."""
        sent = self._sent(archive), self._sent(directory)
        async with self._doubts.changing(archive, *places):
            with self._errors():
                await self._client.extract(self.system, *sent)

    async def pack(self, directory: str, archive: Path) -> None:
        """Three calls."""
        sent = self._sent(directory)

        async def compress(target: str) -> None:
            with self._errors():
                await self._client.compress(self.system, sent, self._sent(target))

        await archives.downloaded(self, self._parts.scratch, compress, directory, archive)

    # -- scheduler -------------------------------------------------------------------------------

    async def submit(self, request: JobRequest) -> str:
        """As the version's scheduler says, and so are all of these."""
        return await self._parts.scheduler.submit(request)

    async def find_submission(self, request: JobRequest, since: float, known: Collection[str]) -> str | None:
        """A few calls."""
        return await self._parts.scheduler.find_submission(request, since, known)

    async def jobs(self, ids: Sequence[str] | None = None) -> list[Job]:
        """A few calls."""
        return await self._parts.scheduler.jobs(ids)

    async def job_files(self, job_id: str) -> JobFiles:
        """One call, or two."""
        return await self._parts.scheduler.job_files(job_id)

    async def attach(self, job_id: str, command: str) -> None:
        """One call; the command's output is lost."""
        await self._parts.scheduler.attach(job_id, command)

    async def cancel(self, job_id: str) -> None:
        """One call."""
        await self._parts.scheduler.cancel(job_id)
