"""The protocol that every cluster adapter fulfils, and all that the file system knows of a cluster.

Paths are absolute and normal (no trailing slash, no `.` or `..`). Every method raises errors of
`f7tfs.cluster.errors` only. No method follows a symlink in the last component unless it says so. Methods may be
cancelled; a change that was under way is then in an unknown state, as after `Uncertain`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Protocol

from f7tfs.cluster.errand import Errand
from f7tfs.cluster.ledger import Ledger
from f7tfs.cluster.model import (
    Entry,
    Features,
    FileSystem,
    Identity,
    Job,
    JobFiles,
    JobRequest,
    Limits,
    StagedObject,
    Stat,
)
from f7tfs.cluster.upload import NEW_FILE_MODE, UploadRecord

Sink = Callable[[int, memoryview], object]
"""Takes (offset, data) of what arrives; offsets are absolute in the file, and the data good until it returns.

It is called in worker threads: those of one fetch one after another, and never after the fetch has ended.
"""

Progress = Callable[[str, int], None]
"""Told (phase, bytes done so far) of a staged transfer; phases: queued, staging, transferring, finishing."""


class Cluster(Protocol):
    """One system of one site, as one user."""

    @property
    def system(self) -> str:
        """FirecREST's name of this cluster."""

    @property
    def limits(self) -> Limits: ...

    @property
    def features(self) -> Features: ...

    @property
    def calls(self) -> dict[str, int]:
        """API requests sent so far, by `METHOD route`; for accounting."""

    def check_name(self, path: str) -> None:
        """Raises InvalidName for a path of something new that this API cannot carry exactly. Asks nothing."""

    # -- what is left behind ---------------------------------------------------------------------

    def note_in(self, ledger: Ledger) -> None:
        """Note what is made for a while before it is made, so that a later process can remove it."""

    async def tidy(self) -> None:
        """Remove what waits to be removed. A few calls at most; none where nothing does."""

    # -- who and where ---------------------------------------------------------------------------

    async def identity(self) -> Identity: ...

    async def file_systems(self) -> Sequence[FileSystem]: ...

    # -- looking ---------------------------------------------------------------------------------

    async def list_directory(self, path: str) -> list[Entry]:
        """Every entry, hidden ones included, without `.` and `..`; a symlink to a directory is followed."""

    async def list_tree(self, path: str) -> list[Entry]:
        """Every entry below, parents before children; names are relative to `path`."""

    async def stat(self, path: str) -> Stat: ...

    async def checksum(self, path: str) -> str:
        """SHA-256 in hex. Raises TimedOut for a file too large for the call's time."""

    # -- direct content --------------------------------------------------------------------------

    async def read_direct(self, path: str) -> bytes:
        """The whole file, in one call. Raises TooLarge above `limits.direct_read`. Follows symlinks."""

    async def read_window(self, path: str, start: int, stop: int, size: int) -> bytes:
        """Bytes [start, stop), at most 2 MiB, of a text of `size` bytes, as last seen. Follows symlinks.

        Fewer where it ends before, or where what follows is not provably exact: the API gives text, and bytes that
        are none are lost. Raises NotText where that leaves nothing, and Unsupported, at no call, for a part that the
        API does not give.
        """

    async def write_direct(self, path: str, content: bytes) -> None:
        """Create or replace the content in one call; keeps the mode of an existing file. Follows symlinks.

        Zero bytes: only where `features.empty_write`. Idempotent, so it is retried.
        """

    # -- staged content --------------------------------------------------------------------------

    async def stage_out(self, path: str, progress: Progress | None = None) -> StagedObject:
        """Bring a file into object storage and wait until it is there whole. Not for symlinks or empty files."""

    async def fetch(self, staged: StagedObject, start: int, stop: int, sink: Sink) -> None:
        """Bytes [start, stop) of a staged object, streamed into `sink`. Raises NotFound when it has expired."""

    async def release(self, staged: StagedObject) -> None:
        """Let the server forget a staged object, where the API can."""

    async def stage_in(
        self,
        path: str,
        source: Path,
        progress: Progress | None = None,
        record: UploadRecord | None = None,
        *,
        mode: int = NEW_FILE_MODE,
    ) -> None:
        """Upload a local file of any non-zero size through object storage, and wait until the cluster has it.

        On return `path` has the new content, whole, verified by its size. An existing file is replaced only when
        the new content is complete on the cluster, where the API allows that; the new one has `mode` as soon as it is
        there. With a `record`
        that is kept, an attempt that fails with Unavailable, or is cancelled, leaves what it has sent for the next.
        """

    async def send_pieces(
        self,
        path: str,
        source: Path,
        progress: Progress | None = None,
        record: UploadRecord | None = None,
        *,
        mode: int = NEW_FILE_MODE,
    ) -> None:
        """The same by direct uploads of pieces and one job that joins them: only where `features.pieces`."""

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
        """The same by one direct upload: only where `features.compressed`. `archive`: a .tar.gz within
        `limits.direct_write` whose one member, `compressed.MEMBER`, is `source`.

        It is extracted aside, and takes its place when it is whole. An attempt that fails leaves nothing that another
        goes on with. Raises Unsupported, with nothing changed, where the cluster does not extract it, in its time or
        at all, or cannot put it in its place by a call.
        """

    async def append(
        self,
        path: str,
        source: Path,
        start: int,
        progress: Progress | None = None,
        record: UploadRecord | None = None,
    ) -> None:
        """The same where `path` has the first `start` bytes of `source`: only the others are sent, and a job adds
        them.

        The checksum of the whole is compared before it takes its place. Raises Unavailable, and changes nothing,
        where `path` has not those bytes, or is changed meanwhile; SchedulerRefused or Unsupported where there is no
        such job.
        """

    async def forget_upload(self, record: UploadRecord) -> None:
        """Leave nothing on the cluster of an upload that will not be gone on with, and clear its record.

        Raises Unavailable where it may still arrive at its place: nothing newer is to be sent there before.
        """

    # -- changing --------------------------------------------------------------------------------

    async def make_directory(self, path: str) -> None: ...

    async def remove(self, path: str) -> None:
        """Remove an entry. WARNING: removes a directory with all below it; the caller checks first."""

    async def rename(self, old: str, new: str, *, free: bool = False) -> None:
        """Rename, replacing a file at `new`. Raises AlreadyExists if `new` is a directory.

        A call or two where `features.cheap_rename`; else a job, waited for and verified. `free`: nothing can be at
        `new`, which is not looked at.
        """

    async def make_symlink(self, path: str, target: str) -> None:
        """A symlink at `path`. Raises Unsupported for targets that this API cannot set; use `unpack` then."""

    async def chmod(self, path: str, mode: int) -> None: ...

    async def chown(self, path: str, user: str | None, group: str | None) -> None: ...

    # -- what the cluster does by itself, and may take long ---------------------------------------

    async def copy(self, source: str, target: str, errand: Errand) -> None:
        """Copy an entry, a directory with all below it, to the exact name `target`, with modes and times.

        A file there is replaced; anything else is AlreadyExists. On return all of it is there. What fails half way
        leaves a part.
        """

    async def move(self, source: str, target: str, errand: Errand) -> None:
        """As `rename`, but between file systems too, where it takes its time."""

    async def remove_tree(self, path: str, errand: Errand) -> None:
        """As `remove`, of whatever size. What fails half way has removed a part."""

    # -- archives --------------------------------------------------------------------------------

    async def unpack(self, archive: Path, directory: str) -> None:
        """Upload a .tar.gz within `limits.direct_write` and extract it in `directory`. Verify by a listing."""

    async def pack(self, directory: str, archive: Path) -> None:
        """Compress a whole directory on the cluster and download it as a .tar.gz to `archive`.

        Members are below the directory's own name. Raises TooLarge above `limits.direct_read`.
        """

    # -- scheduler -------------------------------------------------------------------------------

    async def submit(self, request: JobRequest) -> str:
        """Submit a batch script once; returns the job's id. Never retried blindly: may raise Uncertain."""

    async def find_submission(self, request: JobRequest, since: float, known: Collection[str]) -> str | None:
        """The job that a submission whose answer was lost has made; None where none is seen (yet).

        `since`: epoch seconds when it was sent; `known`: ids of other jobs. A script of the cluster's own bears no
        mark: there only a single job with that very script counts, which is newer than all that are known.
        """

    async def jobs(self, ids: Sequence[str] | None = None) -> list[Job]:
        """The named jobs, or with None the user's active and recent ones, f7tfs's own transfer jobs left out."""

    async def job_files(self, job_id: str) -> JobFiles: ...

    async def attach(self, job_id: str, command: str) -> None:
        """Run a shell command inside a running job. Raises Unsupported where the API cannot."""

    async def cancel(self, job_id: str) -> None:
        """Cancel. Raises NotFound for a job that is unknown; one that has ended already is no error."""
