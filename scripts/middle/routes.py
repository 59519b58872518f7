"""Every route by which a file of a middle size can come and go, by the cluster port, and which one is chosen."""

from __future__ import annotations

import enum
import tarfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import trio

from f7tfs.cluster.compressed import MEMBER
from f7tfs.cluster.model import Features, Kind, Limits
from f7tfs.cluster.port import Cluster
from f7tfs.cluster.windows import LARGEST_V1
from f7tfs.vfs.archive import Member, write_archive
from f7tfs.vfs.compressing import LEVEL
from f7tfs.vfs.direct import STEP
from f7tfs.vfs.routes import ReadRoute, WriteRoute, plan_read, plan_write
from f7tfs.vfs.windows import ALLOWANCE, FIRST, GROWTH, LARGEST

AT_ONCE = 4
"""Pieces that are on their way together."""
PACKS = 8
"""So many times smaller is the text at least, when it is compressed."""
NAME = "result"


class Way(enum.Enum):
    """Seen from the cluster."""

    IN = "in"
    OUT = "out"


@dataclass(frozen=True, slots=True)
class Place:
    """`directory` of the cluster is for one file, `real` on this machine; `here` it comes from, or goes to."""

    directory: str
    here: Path
    real: Path
    archive: Path
    """What of it is packed, here."""

    @property
    def path(self) -> str:
        """Of the file on the cluster."""
        return f"{self.directory}/{NAME}"


Work = Callable[[Cluster, Place], Awaitable[None]]


def carried(way: Way, api: str, size: int, limits: Limits, text: bool) -> list[str]:
    """The routes that can carry it. An archive carries what is small enough in it: only text is."""
    limit = limits.direct_write if way is Way.IN else limits.direct_read
    fits = {
        "direct": size <= limit,
        "archive": text,
        "windows": text and way is Way.OUT and (api == "v2" or size <= 2 * LARGEST_V1),
        "pieces": way is Way.IN,
        "staged": True,
    }
    return [route for route, fit in fits.items() if fit]


def chosen(way: Way, api: str, size: int, limits: Limits, features: Features, text: bool) -> str:
    """By the planner; text is read through a mount, where the windows that are allowed bring all of it."""
    if way is Way.IN:
        names = {WriteRoute.DIRECT: "direct", WriteRoute.PIECES: "pieces", WriteRoute.COMPRESSED: "archive"}
        route = plan_write(size, limits, features, packed=size // PACKS if text else None)
        return names.get(route, "staged")
    if plan_read(size, limits) is ReadRoute.DIRECT:
        return "direct"
    most = ALLOWANCE * LARGEST if api == "v2" else 2 * LARGEST_V1
    return "windows" if text and size <= most else "staged"


def pieces_of(way: Way, route: str, size: int, limits: Limits, place: Place) -> tuple[int, int]:
    """(bytes, at once) of the largest direct calls that a route makes."""
    match route:
        case "pieces":
            return min(size, limits.direct_write), min(AT_ONCE, -(-size // limits.direct_write))
        case "windows":
            return min(size, LARGEST), 1
        case "archive" if way is Way.IN:
            _pack(place)
            return place.archive.stat().st_size, 1
        case "archive":
            return limits.direct_read // 2, 1
        case _:
            return min(size, limits.direct_write), 1


def work(way: Way, route: str) -> Work:
    """What brings the file."""
    return {
        (Way.IN, "direct"): _send,
        (Way.IN, "archive"): _send_archive,
        (Way.IN, "pieces"): _send_pieces,
        (Way.IN, "staged"): _stage_in,
        (Way.OUT, "direct"): _fetch,
        (Way.OUT, "archive"): _fetch_archive,
        (Way.OUT, "windows"): _read_windows,
        (Way.OUT, "staged"): _stage_out,
    }[way, route]


# -- to the cluster ------------------------------------------------------------------------------


async def _send(cluster: Cluster, place: Place) -> None:
    await cluster.write_direct(place.path, await trio.Path(place.here).read_bytes())


def _pack(place: Place) -> None:
    write_archive(place.archive, [Member(MEMBER, Kind.FILE, 0o644, 0, source=place.here)], LEVEL)


async def _send_archive(cluster: Cluster, place: Place) -> None:
    await trio.to_thread.run_sync(_pack, place)
    await cluster.send_compressed(place.path, place.here, place.archive)


async def _send_pieces(cluster: Cluster, place: Place) -> None:
    if cluster.features.pieces:
        await cluster.send_pieces(place.path, place.here)
    else:
        # All of it is new: so the job of the user's own joins pieces, and adds them to nothing.
        await cluster.append(place.path, place.here, 0)


async def _stage_in(cluster: Cluster, place: Place) -> None:
    await cluster.stage_in(place.path, place.here)


# -- from the cluster ----------------------------------------------------------------------------


async def _fetch(cluster: Cluster, place: Place) -> None:
    await cluster.stat(place.path)
    await trio.Path(place.here).write_bytes(await cluster.read_direct(place.path))


async def _fetch_archive(cluster: Cluster, place: Place) -> None:
    await cluster.pack(place.directory, place.archive)
    await trio.to_thread.run_sync(_unpack, place)


def _unpack(place: Place) -> None:
    with tarfile.open(place.archive) as archive:
        member = next(each for each in archive if each.isfile())
        content = archive.extractfile(member)
        assert content is not None
        place.here.write_bytes(content.read())


async def _read_windows(cluster: Cluster, place: Place) -> None:
    size, at, length = (await cluster.stat(place.path)).size, 0, FIRST
    with place.here.open("wb") as file:
        while at < size:
            data = await cluster.read_window(place.path, at, min(at + length, size), size)
            file.write(data)
            at, length = at + len(data), min(length * GROWTH, LARGEST)


async def _stage_out(cluster: Cluster, place: Place) -> None:
    staged = await cluster.stage_out(place.path)
    with place.here.open("wb") as file:

        def arrived(offset: int, data: memoryview) -> None:
            file.seek(offset)
            file.write(data)

        for start in range(0, staged.size, STEP):
            await cluster.fetch(staged, start, min(start + STEP, staged.size), arrived)
    await cluster.release(staged)
