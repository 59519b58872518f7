"""Sends content to the cluster, by the route that the planner says, and with the mode that is asked for."""

from __future__ import annotations

import logging
import time
import uuid
from pathlib import Path

import trio

from f7tfs.cluster import compressed
from f7tfs.cluster.errors import ClusterError, PermissionDenied, SchedulerRefused, Unsupported
from f7tfs.cluster.model import Kind
from f7tfs.cluster.port import Cluster
from f7tfs.cluster.upload import NEW_FILE_MODE, UploadRecord, check_size
from f7tfs.vfs.archive import Member, write_archive
from f7tfs.vfs.compressing import Compressing
from f7tfs.vfs.content import Content
from f7tfs.vfs.nodes import UNKNOWN_MODE, Attributes, Sent
from f7tfs.vfs.records import LOCAL, FileRecord, UploadRecords
from f7tfs.vfs.routes import WriteRoute, plan_write
from f7tfs.vfs.transfers import Transfer, Transfers

logger = logging.getLogger(__name__)

# What a new directory gets there: 0777 less the usual umask.
NEW_DIRECTORY_MODE = 0o755
# The rest is left to whoever sends something to the same place, or the next start.
FORGETTING_SECONDS = 5.0
OWNER_WRITES = 0o200
# Bits that extraction keeps only as far as the umask there lets it.
MASKED_BITS = 0o022


class Sender:
    """Knows nothing of names and journals. `directory`: for the archives on their way."""

    def __init__(self, cluster: Cluster, directory: Path, transfers: Transfers, *, append: bool = False) -> None:
        self._cluster = cluster
        self._appends = append
        self._directory = directory
        self._transfers = transfers
        self._compressing = Compressing(cluster, directory)
        self._records = UploadRecords(directory / "uploads")

    def route(self, content: Content) -> WriteRoute:
        kept = content.kept if self._appends else 0
        return plan_write(content.size, self._cluster.limits, self._cluster.features, kept)

    def check_size(self, path: str, size: int) -> None:
        """Raises TooLarge for what is never taken whole. Of what is appended to, a part is sent."""
        if not self._appends:
            check_size(path, size, self._cluster.limits)

    async def chmod(self, path: str, mode: int) -> None:
        await self._cluster.chmod(path, mode)

    async def put(
        self, path: str, content: Content, sent: Sent, attributes: Attributes, remote_mode: int | None
    ) -> int:
        """Write a content to `path`, by the planned route, with its mode, which is returned.

        The content must not change meanwhile; `sent`: what it is known by. `remote_mode`: of the file that is there;
        None: there is none.
        """
        record = self._records.record(content.path, sent.digest)
        await self._end_others(path, record)
        if (begun := record.load()).get("route") == "append":
            # By an earlier run, perhaps: then nothing else tells.
            content.kept = int(begun["start"])
        if remote_mode is None:
            # It goes to another place than what it was appended to, or that is gone.
            content.kept = 0
        route, mode = self.route(content), attributes.mode
        if route is WriteRoute.APPEND and not await self._append(path, content, record):
            content.kept = 0
            route = self.route(content)
        if route is not WriteRoute.APPEND:
            transfer = Transfer("upload", path, content.size)
            try:
                await self._send(path, content.path, route, record, mode, attributes.mtime_ns, transfer)
            except PermissionDenied:
                if not _is_read_only(remote_mode):
                    raise
                # A rename replaces such a file, and who had it open before goes on writing it.
                remote_mode = mode | OWNER_WRITES
                await self._cluster.chmod(path, remote_mode)
                await self._send(path, content.path, route, record, mode, attributes.mtime_ns, transfer)
        if mode_after(route, mode, remote_mode) != mode:
            await self._cluster.chmod(path, mode)
        return mode

    async def put_local(
        self, path: str, source: Path, route: WriteRoute, digest: str, mode: int, transfer: Transfer
    ) -> None:
        """Write a local file that is none of the cache's to `path`. `digest`: what it is known by, and goes on by."""
        record = self._records.record(Path(f"{LOCAL}{digest}"), digest)
        await self._end_others(path, record)
        await self._send(path, source, route, record, mode, time.time_ns(), transfer)

    async def _send(
        self,
        path: str,
        source: Path,
        route: WriteRoute,
        record: FileRecord,
        mode: int,
        mtime_ns: int,
        transfer: Transfer,
    ) -> None:
        match route:
            case WriteRoute.DIRECT:
                await self._cluster.write_direct(path, await trio.to_thread.run_sync(source.read_bytes))
            case WriteRoute.STAGED | WriteRoute.PIECES:
                with self._transfers.running(transfer):
                    if not await self._send_compressed(path, source, record, mode, mtime_ns, transfer):
                        await self._transfer(path, source, route, record, mode, transfer)
            case WriteRoute.ARCHIVE:
                await self.archive(path, Kind.FILE, mode, mtime_ns)

    async def symlink(self, path: str, target: str) -> None:
        """Make a symlink where nothing is."""
        try:
            await self._cluster.make_symlink(path, target)
        except Unsupported:
            await self.archive(path, Kind.SYMLINK, 0o777, time.time_ns(), target)

    async def _send_compressed(
        self, path: str, source: Path, record: FileRecord, mode: int, mtime_ns: int, transfer: Transfer
    ) -> bool:
        """False where it is too large for that, or has begun to go another way."""
        if record.load().get("route") not in {None, compressed.ROUTE}:
            return False
        async with self._compressing.packed(path, source, record.content, mode, mtime_ns) as archive:
            packed = (await trio.Path(archive).stat()).st_size if archive else None
            route = plan_write(transfer.size, self._cluster.limits, self._cluster.features, packed=packed)
            if archive and route is WriteRoute.COMPRESSED:
                try:
                    await self._cluster.send_compressed(path, source, archive, transfer.progress, record, mode=mode)
                    return True
                except Unsupported as error:
                    logger.warning("%s goes another way: %s", path, error)
                    self._compressing.refuse(record.content)
        if record.load():
            await self._cluster.forget_upload(record)
        return False

    async def _transfer(
        self, path: str, source: Path, route: WriteRoute, record: UploadRecord, mode: int, transfer: Transfer
    ) -> None:
        """By a job or a task. Another attempt, of this run or the next, goes on where this one ends."""
        if route is WriteRoute.PIECES:
            try:
                await self._cluster.send_pieces(path, source, transfer.progress, record, mode=mode)
                return
            except (SchedulerRefused, Unsupported) as error:
                logger.warning("%s is staged, since pieces cannot be joined: %s", path, error)
        await self._cluster.stage_in(path, source, transfer.progress, record, mode=mode)

    async def _append(self, path: str, content: Content, record: FileRecord) -> bool:
        """Send only what was appended; an attempt that leaves nothing behind is not made again.

        False where there is no job to add it.
        """
        with self._transfers.running(Transfer("upload", path, content.size - content.kept)) as transfer:
            try:
                await self._cluster.append(path, content.path, content.kept, transfer.progress, record)
            except (SchedulerRefused, Unsupported) as error:
                logger.warning("%s is sent whole, since nothing can be appended: %s", path, error)
                return False
            except ClusterError:
                if not record.load():
                    content.kept = 0
                raise
        return True

    async def end_older(self, *paths: str) -> None:
        """Make sure that no interrupted upload arrives at these places any more: a job may still be bringing it.

        Raises Unavailable.
        """
        for record in [record for path in paths for record in self._records.to(path)]:
            await self._cluster.forget_upload(record)

    async def _end_others(self, path: str, record: FileRecord) -> None:
        """The same before a content is sent to `path`, which goes on where an earlier attempt of its own ended."""
        for other in [*self._records.to(path), record]:
            mine = other.name == record.name and other.load().get("content") == record.content
            if other.place is not None and not (mine and other.place == path):
                await self._cluster.forget_upload(other)

    async def forget(self, content: Content) -> None:
        """It is not to be sent: an upload of it that was interrupted is ended, now if that can be done quickly."""
        for record in self._records.of(content.path):
            with trio.move_on_after(FORGETTING_SECONDS):
                await self._forget(record)

    async def forget_uploads(self, kept: set[str]) -> None:
        """Clean up after uploads of an earlier run whose contents, but for those `kept`, are not to be sent."""
        for record in self._records.orphans(kept):
            await self._forget(record)

    async def _forget(self, record: FileRecord) -> None:
        try:
            await self._cluster.forget_upload(record)
        except ClusterError as error:
            logger.info("what is left of an upload could not be removed yet: %s", error)

    async def archive(self, path: str, kind: Kind, mode: int, mtime_ns: int, target: str = "") -> None:
        """Make one small thing at `path` that the API has no call for: an empty file, a symlink."""
        directory, _, name = path.rpartition("/")
        member = Member(name=name, kind=kind, mode=mode, mtime_ns=mtime_ns, target=target)
        archive = self._directory / f"{uuid.uuid4().hex}.tar.gz"
        try:
            await trio.to_thread.run_sync(write_archive, archive, [member])
            await self._cluster.unpack(archive, directory or "/")
        finally:
            archive.unlink(missing_ok=True)


def _is_read_only(remote_mode: int | None) -> bool:
    """Whether a file is there whose mode may let nobody write it."""
    return remote_mode is not None and (remote_mode == UNKNOWN_MODE or not remote_mode & OWNER_WRITES)


def mode_after(route: WriteRoute, asked: int, remote: int | None) -> int:
    """The mode that a file has on the cluster after its content was sent.

    `remote` is the mode of the file that stood there before, None if there was none. A direct upload keeps that one,
    and so does what is appended; what comes by a temporary gives that the mode asked for before it takes its place;
    extraction takes it as far as the umask there lets it.
    """
    match route:
        case WriteRoute.DIRECT | WriteRoute.APPEND:
            return NEW_FILE_MODE if remote is None else remote
        case WriteRoute.STAGED | WriteRoute.PIECES | WriteRoute.COMPRESSED:
            return asked
        case WriteRoute.ARCHIVE:
            return asked & ~MASKED_BITS
