"""Whole files between the local disk and the cluster, past the cache of contents, of any size."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import trio

from f7tfs.cluster.errors import Interrupted, Unavailable
from f7tfs.cluster.model import Kind, StagedObject
from f7tfs.cluster.port import Cluster
from f7tfs.vfs.options import VfsOptions
from f7tfs.vfs.routes import ReadRoute, plan_read, plan_write
from f7tfs.vfs.sender import Sender, mode_after
from f7tfs.vfs.transfers import Transfer

logger = logging.getLogger(__name__)

STEP = 32 * 2**20
"""Bytes that one request brings."""
PAUSES = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
"""Seconds before another attempt, where the site is there and what it was to do failed: as often as pieces are kept,
and once more by the way that is taken then.
"""

Attempt = Callable[[], Awaitable[None]]


class DirectCopies:
    """Raises ClusterError, and OSError for what the local disk refuses."""

    def __init__(self, cluster: Cluster, sender: Sender, options: VfsOptions) -> None:
        self._cluster = cluster
        self._sender = sender
        self._options = options

    # -- to the cluster --------------------------------------------------------------------------

    async def upload(self, source: str, target: str, transfer: Transfer) -> None:
        """Read while it is sent, so it must not change meanwhile. Another attempt goes on where this one ends.

        So it is tried again where a job or a task failed for no reason of its own, but not where the site is away.
        """
        local = Path(source)
        before = await trio.to_thread.run_sync(_look, local)
        transfer.size = before.st_size
        route = plan_write(before.st_size, self._cluster.limits, self._cluster.features)
        mode = before.st_mode & 0o777
        known = _known_by(before, target)

        async def attempt() -> None:
            await self._sender.put_local(target, local, route, known, mode, transfer)

        async def check() -> None:
            if _version(await trio.to_thread.run_sync(_look, local)) != _version(before):
                raise Unavailable(f"{source} was changed while it was copied: copy it again")

        if route.quick:
            await attempt()
        else:
            await _persevere(source, attempt, check)
        await check()
        if mode_after(route, mode, None) != mode:
            await self._cluster.chmod(target, mode)

    # -- from the cluster ------------------------------------------------------------------------

    async def download(self, source: str, target: str, transfer: Transfer) -> None:
        """Under its name it is there only when it is whole."""
        stat = await self._cluster.stat(source)
        if stat.kind is Kind.SYMLINK:
            raise Unavailable(f"{source} is a symbolic link: copy what it points to")
        transfer.size = stat.size
        beside = Path(target).with_name(f".{Path(target).name}.f7tfs-part")
        with _new_file(beside, stat.mode & 0o777) as file:
            match plan_read(stat.size, self._cluster.limits):
                case ReadRoute.DIRECT:
                    content = await self._cluster.read_direct(source)
                    await trio.to_thread.run_sync(_write_all, file, content, 0)
                case ReadRoute.STAGED:
                    await self._fetch(source, file, transfer)
                case ReadRoute.NOTHING:
                    pass
            await trio.to_thread.run_sync(os.fsync, file)
            await trio.to_thread.run_sync(os.replace, beside, target)

    async def _fetch(self, source: str, file: int, transfer: Transfer) -> None:
        staged = await self._cluster.stage_out(source, transfer.progress)
        transfer.size, done = staged.size, 0
        os.posix_fallocate(file, 0, staged.size)
        room = trio.CapacityLimiter(self._options.streams)

        token = trio.lowlevel.current_trio_token()

        def count(size: int) -> None:
            nonlocal done
            done += size
            transfer.progress("transferring", done)

        def arrived(offset: int, data: memoryview) -> None:
            _write_all(file, data, offset)
            token.run_sync_soon(count, len(data))

        async def fetch(staged: StagedObject, start: int, stop: int) -> None:
            async with room:
                await self._cluster.fetch(staged, start, stop, arrived)

        try:
            async with trio.open_nursery() as nursery:
                for start in range(0, staged.size, STEP):
                    nursery.start_soon(fetch, staged, start, min(start + STEP, staged.size))
        finally:
            with trio.move_on_after(self._options.deadline) as scope:
                scope.shield = True
                await self._cluster.release(staged)


async def _persevere(source: str, attempt: Attempt, check: Attempt) -> None:
    """Make `attempt` until it succeeds, and `check` between two. Raises Unavailable that tells how to go on."""
    for pause in (*PAUSES, None):
        try:
            await attempt()
        except Unavailable as error:
            if pause is None or not isinstance(error, Interrupted):
                raise Unavailable(f"{error}; the same command again goes on with what was sent") from error
            logger.warning("%s is not on the cluster yet, next try in %.0f s: %s", source, pause, error)
        else:
            return
        await trio.sleep(pause)
        await check()


def _look(path: Path) -> os.stat_result:
    with path.open("rb") as file:
        return os.fstat(file.fileno())


def _version(stat: os.stat_result) -> tuple[int, int, int]:
    return stat.st_size, stat.st_mtime_ns, stat.st_ino


def _known_by(stat: os.stat_result, target: str) -> str:
    """What tells this file, as it is now, and its way from others."""
    return hashlib.sha256(f"{_version(stat)} {stat.st_dev} {target}".encode()).hexdigest()


@contextlib.contextmanager
def _new_file(path: Path, mode: int) -> Iterator[int]:
    """A descriptor of a new file, which is gone afterwards unless it was renamed. Raises OSError."""
    path.unlink(missing_ok=True)
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode | 0o200)
    try:
        yield file
    finally:
        os.close(file)
        path.unlink(missing_ok=True)


def _write_all(file: int, data: bytes | memoryview, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(file, view, offset)
        view, offset = view[written:], offset + written
