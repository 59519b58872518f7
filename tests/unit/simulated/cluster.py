"""A cluster in memory: what the port promises, with the latencies of virtual time and nothing else."""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import io
import random
import tarfile
from collections.abc import AsyncIterator, Collection, Sequence
from pathlib import Path
from typing import NoReturn

import trio

from f7tfs.cluster.errand import Errand
from f7tfs.cluster.errors import (
    AlreadyExists,
    IsADirectory,
    NotADirectory,
    PermissionDenied,
    RemoteFailure,
    Unavailable,
    Uncertain,
    Unsupported,
)
from f7tfs.cluster.ledger import Ledger
from f7tfs.cluster.model import (
    Entry,
    Features,
    FileSystem,
    Identity,
    Job,
    JobFiles,
    JobRequest,
    Kind,
    Limits,
    StagedObject,
    Stat,
)
from f7tfs.cluster.port import Progress, Sink
from f7tfs.cluster.upload import NEW_FILE_MODE, UploadRecord
from tests.unit.simulated.site import Site, Thing, below

FEATURES = {
    "v1": Features(cheap_rename=True, empty_write=True, relative_symlink=True),
    "v2": Features(cheap_rename=False, empty_write=False, relative_symlink=False),
}
UMASK = 0o022


class SimulatedCluster:
    """One daemon's connection to a site. `rng` decides how long each call takes, and when its work is done.

    `slow`: seconds that half a call takes at most; `trouble`: the share of changes that are answered by an error.
    """

    def __init__(
        self, site: Site, version: str, rng: random.Random, *, slow: float = 0.1, trouble: float = 0.0
    ) -> None:
        self.site = site
        self.version = version
        self.rng = rng
        self.slow = slow
        self.trouble = trouble
        self.alive = True
        self.log: list[str] = []
        self.calls: dict[str, int] = {}
        self.losing: list[str] = []
        """Calls whose next answer is lost."""
        self.foreign: set[str] = set()
        """Paths of files that belong to somebody else."""

    system = "simulated"
    limits = Limits(direct_read=5 * 2**20, direct_write=5 * 2**20)

    @property
    def features(self) -> Features:
        return FEATURES[self.version]

    def check_name(self, path: str) -> None:
        """Any name will do."""

    def note_in(self, ledger: Ledger) -> None:
        """Nothing is made for a while."""

    async def tidy(self) -> None:
        """Nothing waits to be removed."""

    @contextlib.asynccontextmanager
    async def _call(self, *what: object, slow: float | None = None, changes: bool = True) -> AsyncIterator[None]:
        """The work is done at one moment within the call."""
        slow = self.slow if slow is None else slow
        self.calls[str(what[0])] = self.calls.get(str(what[0]), 0) + 1
        lost = changes and self.rng.random() < self.trouble
        before = self.rng.random() < 0.5
        if what[0] in self.losing:
            self.losing.remove(str(what[0]))
            lost, before = True, False
        await trio.sleep(self.rng.uniform(0, slow))
        if not self.alive:
            raise Unavailable("this daemon is gone")
        if lost and before:
            self.log.append(f"{trio.current_time():.3f} {what}: lost before")
            raise Unavailable("lost")
        told = "done"
        try:
            yield
        except Exception as error:
            told = repr(error)
            raise
        finally:
            self.log.append(f"{trio.current_time():.3f} {' '.join(map(str, what))}: {told}")
            await trio.sleep(self.rng.uniform(0, slow))
        if lost:
            self.log.append(f"{trio.current_time():.3f} {what}: lost after")
            raise Uncertain("lost")

    # -- who and where ---------------------------------------------------------------------------

    async def identity(self) -> Identity:
        return Identity(user="user", uid=1000, gid=1000, groups={1000: "users"})

    async def file_systems(self) -> Sequence[FileSystem]:
        return [FileSystem("/home")]

    # -- looking ---------------------------------------------------------------------------------

    def _entry(self, name: str, thing: Thing) -> Entry:
        modified = dt.datetime.fromtimestamp(thing.mtime, dt.UTC).strftime("%Y-%m-%dT%H:%M:%S")
        return Entry(name, thing.kind, thing.mode, "user", "users", thing.size, modified, thing.target)

    async def list_directory(self, path: str) -> list[Entry]:
        async with self._call("ls", path, changes=False):
            thing = self.site.find(path, follow=True)
            if thing.kind is not Kind.DIRECTORY:
                raise NotADirectory(path)
            return [self._entry(name, child) for name, child in thing.children.items()]

    async def list_tree(self, path: str) -> list[Entry]:
        async with self._call("ls -R", path, changes=False):
            thing = self.site.find(path)
            if thing.kind is not Kind.DIRECTORY:
                raise NotADirectory(path)
            return [self._entry(name, child) for name, child in below(thing)]

    async def stat(self, path: str) -> Stat:
        async with self._call("stat", path, changes=False):
            thing = self.site.find(path)
            return Stat(
                thing.kind, thing.mode, thing.ino, 1, 1000, 1000, thing.size, thing.mtime, thing.mtime, thing.mtime
            )

    async def checksum(self, path: str) -> str:
        async with self._call("checksum", path, changes=False):
            data = self._file(path).data
        return hashlib.sha256(data).hexdigest()

    def _file(self, path: str) -> Thing:
        thing = self.site.find(path, follow=True)
        if thing.kind is Kind.DIRECTORY:
            raise IsADirectory(path)
        return thing

    # -- content ---------------------------------------------------------------------------------

    async def read_direct(self, path: str) -> bytes:
        async with self._call("download", path, changes=False):
            return self._file(path).data

    async def write_direct(self, path: str, content: bytes) -> None:
        if not content and not self.features.empty_write:
            raise Unsupported(path)
        async with self._call("upload", path, len(content)):
            _directory, _name, there = self.site.place(path)
            if there is None:
                self.site.put(path, self.site.new(Kind.FILE, 0o644, content))
            else:
                file = self._file(path)
                if path in self.foreign or not file.mode & 0o200:
                    raise PermissionDenied(path)
                file.data, file.mtime = content, self.site.second()

    # -- changing --------------------------------------------------------------------------------

    async def make_directory(self, path: str) -> None:
        async with self._call("mkdir", path):
            if self.site.place(path)[2] is not None:
                raise AlreadyExists(path)
            self.site.put(path, self.site.new(Kind.DIRECTORY, 0o755))

    async def remove(self, path: str) -> None:
        async with self._call("rm", path):
            self.site.take(path)

    async def rename(self, old: str, new: str, *, free: bool = False) -> None:
        async with self._call("mv", old, new, slow=self.slow if self.features.cheap_rename else self.slow * 10):
            moved = self.site.find(old)
            _directory, _name, there = self.site.place(new)
            if there is not None and there.kind is Kind.DIRECTORY:
                raise AlreadyExists(new)
            if there is not None and moved.kind is Kind.DIRECTORY:
                raise RemoteFailure(f"cannot overwrite non-directory {new}")
            if new.startswith(f"{old}/"):
                raise RemoteFailure(f"cannot move {old} into itself")
            self.site.put(new, self.site.take(old))

    async def make_symlink(self, path: str, target: str) -> None:
        if not self.features.relative_symlink:
            raise Unsupported(path)
        async with self._call("ln", path):
            there = self.site.place(path)[2]
            if there is not None and there.kind is Kind.DIRECTORY:
                raise RemoteFailure(f"the link was made in {path}")
            if there is not None:
                raise AlreadyExists(path)
            self.site.put(path, self.site.new(Kind.SYMLINK, 0o777, target=target))

    async def chmod(self, path: str, mode: int) -> None:
        async with self._call("chmod", path, oct(mode)):
            if path in self.foreign:
                raise PermissionDenied(path)
            self.site.find(path, follow=True).mode = mode

    async def chown(self, path: str, user: str | None, group: str | None) -> None:
        async with self._call("chown", path):
            self.site.find(path, follow=True)

    # -- archives --------------------------------------------------------------------------------

    async def unpack(self, archive: Path, directory: str) -> None:
        packed = await trio.to_thread.run_sync(archive.read_bytes)
        await trio.sleep(self.rng.uniform(0, self.slow))
        async with self._call("extract", directory):
            self.site.find(directory, follow=True)
            with tarfile.open(fileobj=io.BytesIO(packed)) as members:
                for member in members:
                    self._extract(directory, members, member)

    def _extract(self, directory: str, members: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        path, mode = f"{directory.rstrip('/')}/{member.name}", member.mode & ~UMASK
        self.log.append(f"  member {path}")
        there = self.site.place(path)[2]
        if member.isdir():
            if there is not None and there.kind is Kind.DIRECTORY:
                there.mode = mode
                return
            made = self.site.new(Kind.DIRECTORY, mode)
        elif member.issym():
            made = self.site.new(Kind.SYMLINK, 0o777, target=member.linkname)
        else:
            content = members.extractfile(member)
            made = self.site.new(Kind.FILE, mode, content.read() if content else b"")
        if there is not None and there.kind is Kind.DIRECTORY and there.children:
            raise RemoteFailure(f"cannot replace {path}")
        self.site.put(path, made)

    async def pack(self, directory: str, archive: Path) -> None:
        raise Unsupported("no packing")

    # -- what nobody asks for here ---------------------------------------------------------------

    def _never(self) -> NoReturn:
        raise Unsupported("not simulated")

    async def read_window(self, path: str, start: int, stop: int, size: int) -> bytes:
        self._never()

    async def stage_out(self, path: str, progress: Progress | None = None) -> StagedObject:
        self._never()

    async def fetch(self, staged: StagedObject, start: int, stop: int, sink: Sink) -> None:
        self._never()

    async def release(self, staged: StagedObject) -> None:
        self._never()

    async def stage_in(
        self,
        path: str,
        source: Path,
        progress: Progress | None = None,
        record: UploadRecord | None = None,
        *,
        mode: int = NEW_FILE_MODE,
    ) -> None:
        self._never()

    async def send_pieces(
        self,
        path: str,
        source: Path,
        progress: Progress | None = None,
        record: UploadRecord | None = None,
        *,
        mode: int = NEW_FILE_MODE,
    ) -> None:
        self._never()

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
        self._never()

    async def append(
        self,
        path: str,
        source: Path,
        start: int,
        progress: Progress | None = None,
        record: UploadRecord | None = None,
    ) -> None:
        self._never()

    async def forget_upload(self, record: UploadRecord) -> None:
        await record.clear()

    async def copy(self, source: str, target: str, errand: Errand) -> None:
        self._never()

    async def move(self, source: str, target: str, errand: Errand) -> None:
        self._never()

    async def remove_tree(self, path: str, errand: Errand) -> None:
        self._never()

    async def submit(self, request: JobRequest) -> str:
        self._never()

    async def find_submission(self, request: JobRequest, since: float, known: Collection[str]) -> str | None:
        self._never()

    async def jobs(self, ids: Sequence[str] | None = None) -> list[Job]:
        return []

    async def job_files(self, job_id: str) -> JobFiles:
        self._never()

    async def attach(self, job_id: str, command: str) -> None:
        self._never()

    async def cancel(self, job_id: str) -> None:
        self._never()
