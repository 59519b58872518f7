"""Each way that content can take is tried: written, read again, compared, removed, with its time."""

from __future__ import annotations

import io
import os
import tarfile
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import trio

from f7tfs.cli.checks.findings import SECONDS, SILENT, SILENT_CURE, Finding, failed, ok, warning
from f7tfs.cluster.errors import (
    AccountRequired,
    ClusterError,
    NoSpace,
    NotFound,
    PermissionDenied,
    QuotaExceeded,
    SchedulerRefused,
    TimedOut,
)
from f7tfs.cluster.port import Cluster

_CURES: tuple[tuple[type[ClusterError], str], ...] = (
    (QuotaExceeded, "remove what you do not need there: your quota is used up"),
    (NoSpace, "the file system there is full: ask the site, or mount another one"),
    (PermissionDenied, "mount a directory that you may write, or with -o ro"),
    (AccountRequired, "f7tfs login --account NAME, or FIRECREST_ACCOUNT"),
    (SchedulerRefused, "the scheduler refuses transfer jobs: check the account, ask the site"),
    (TimedOut, "the queue or the network is slow: try again later"),
)
_STAGED_CURE = "large files take this way: ask the site about its object storage and its transfer jobs"
_OTHER_CURE = "try again later; f7tfs status and the log of a mount (f7tfs log) tell more"
_CALLS = 3 * SECONDS
"""Of a route whose calls are answered at once."""
_JOBS = 180.0
"""Of a route that may wait for jobs."""
_CONTENT = b"f7tfs doctor\n"


class Wrong(ClusterError):
    """What came back is not what was sent."""


async def routes(cluster: Cluster, directory: str, names: tuple[str, ...]) -> AsyncIterator[Finding]:
    """Try the named routes in a directory of their own below `directory`, which is removed again."""
    place = f"{directory.rstrip('/')}/.f7tfs-doctor-{os.getpid()}-{time.time_ns()}"
    began = time.monotonic()
    try:
        with trio.fail_after(SECONDS):
            await cluster.make_directory(place)
    except ClusterError as error:
        yield _failed("rights", error, _OTHER_CURE)
        return
    except trio.TooSlowError:
        yield failed("rights", f"{directory}: {SILENT}; {place} may be there now", SILENT_CURE)
        return
    yield ok("rights", f"{directory} can be written", time.monotonic() - began)
    removed = True
    try:
        for name in names:
            finding, in_time = await _try(name, _ROUTES[name](cluster, place))
            yield finding
            if not in_time:
                # What comes after would wait for the same site.
                break
    finally:
        removed = await _removed(cluster, place)
    if not removed:
        yield warning("rights", f"{place} could not be removed", "remove it when the site answers again")


async def _removed(cluster: Cluster, place: str) -> bool:
    with trio.CancelScope(shield=True, deadline=trio.current_time() + _CALLS):
        try:
            await cluster.remove(place)
        except NotFound:
            return True
        except ClusterError:
            return False
        return True
    return False


async def _try(name: str, route: Awaitable[str]) -> tuple[Finding, bool]:
    """What is found of a route, and whether it was in time."""
    began = time.monotonic()
    otherwise = _STAGED_CURE if name == "staged" else _OTHER_CURE
    seconds = bound(name)
    try:
        with trio.fail_after(seconds):
            found = await route
    except ClusterError as error:
        return _failed(name, error, otherwise), True
    except trio.TooSlowError:
        return failed(name, f"not done within {seconds:.0f} s", otherwise), False
    return ok(name, found, time.monotonic() - began), True


def bound(name: str) -> float:
    """Seconds that a route may take."""
    return _CALLS if name == "direct" else _JOBS


def _failed(name: str, error: ClusterError, otherwise: str) -> Finding:
    cure = next((cure for kind, cure in _CURES if isinstance(error, kind)), otherwise)
    return failed(name, str(error), cure)


async def _direct(cluster: Cluster, place: str) -> str:
    path = f"{place}/direct"
    await cluster.write_direct(path, _CONTENT)
    _same(await cluster.read_direct(path))
    await cluster.remove(path)
    return "written, read and removed in a call each"


async def _archive(cluster: Cluster, place: str) -> str:
    inside = f"{place}/archive"
    await cluster.make_directory(inside)
    with tempfile.TemporaryDirectory() as here:
        archive = Path(here) / "probe.tar.gz"
        _write_archive(archive)
        await cluster.unpack(archive, inside)
        await cluster.pack(inside, archive)
        _same(_read_archive(archive))
    return "many small files go as one"


async def _staged(cluster: Cluster, place: str) -> str:
    path = f"{place}/staged"
    received = bytearray()
    with tempfile.TemporaryDirectory() as here:
        source = trio.Path(here) / "probe"
        await source.write_bytes(_CONTENT)
        await cluster.stage_in(path, Path(source))
        staged = await cluster.stage_out(path)
        await cluster.fetch(staged, 0, staged.size, lambda _offset, data: received.extend(data))
        await cluster.release(staged)
    _same(bytes(received))
    return "large files go through object storage"


_ROUTES: dict[str, Callable[[Cluster, str], Awaitable[str]]] = {
    "direct": _direct,
    "archive": _archive,
    "staged": _staged,
}
ALL = tuple(_ROUTES)


def _same(content: bytes) -> None:
    if content != _CONTENT:
        raise Wrong(f"{len(content)} bytes came back, and not those that were sent")


def _write_archive(archive: Path) -> None:
    with tarfile.open(archive, "w:gz") as tar:
        member = tarfile.TarInfo("member")
        member.size = len(_CONTENT)
        tar.addfile(member, io.BytesIO(_CONTENT))


def _read_archive(archive: Path) -> bytes:
    with tarfile.open(archive) as tar:
        member = next((each for each in tar if each.isfile() and each.name.endswith("/member")), None)
        content = tar.extractfile(member) if member else None
        return content.read() if content else b""
