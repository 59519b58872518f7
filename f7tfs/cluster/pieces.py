"""Files that are sent in pieces by direct uploads, and joined by one job: of a middle size, or appended to.

A staged upload of v2 takes two jobs, and its ingest job looks for the object once at its start and then once a
minute; how long the bytes are on their way decides whether that minute is waited. Here the job starts when all is
there, makes the file beside its place, checks it, and moves it: one job, and nothing that looks again.

A job that fails costs no piece: those that are on the cluster, of the right size, stay, and the next attempt submits
another job. Only after some failures all is sent anew.

Where something was appended to a file that the cluster has, only that is sent: the job begins with a copy of what is
there. Its checksum is compared always, since nobody else compares what was there with what is here.

On v2 the job is submitted with the site's own directives for transfer jobs: it runs where those run.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import trio

from f7tfs.cluster.errors import (
    ClusterError,
    Interrupted,
    NotADirectory,
    NotFound,
    RemoteFailure,
    Unavailable,
    Uncertain,
    Unsupported,
)
from f7tfs.cluster.join_script import SPOILED, Joined, appending, joining, known_by
from f7tfs.cluster.model import Entry, Kind, Limits, Stat
from f7tfs.cluster.names import check_directive
from f7tfs.cluster.port import Progress
from f7tfs.cluster.scratch import Scratch, removed
from f7tfs.cluster.script_jobs import ScriptJobs
from f7tfs.cluster.storage import Meter, check_target, digest_of
from f7tfs.cluster.upload import NEW_FILE_MODE, UploadRecord, fits, is_interrupted, removed_for_certain, settle, told
from f7tfs.firecrest.multipart import Slice
from f7tfs.firecrest.tasks import gather

logger = logging.getLogger(__name__)

_PARALLEL = 4
_MOST_FAILURES = 5
"""After so many the pieces, or this way of sending them, are believed to be the cause."""
_NAME = "f7t_join"
"""What the job is called: as FirecREST's own, it is not shown among the user's jobs."""
ROUTES = frozenset({"pieces", "append"})
"""What the records of these uploads have in `route`."""


class Files(Protocol):
    """What is needed of the direct calls."""

    @property
    def limits(self) -> Limits: ...
    async def stat(self, path: str) -> Stat: ...
    async def list_directory(self, path: str) -> list[Entry]: ...
    async def make_directory(self, path: str) -> None: ...
    async def write_direct(self, path: str, content: Slice) -> None: ...
    async def remove(self, path: str) -> None: ...
    async def chmod(self, path: str, mode: int) -> None: ...


class Pieces:
    """Sends one file after the other, for one system."""

    def __init__(
        self, files: Files, jobs: ScriptJobs, scratch: Scratch, *, verify: bool = False, another_way: bool = False
    ) -> None:
        """`another_way`: a file that its jobs do not join can be staged."""
        self._files = files
        self._jobs = jobs
        self._scratch = scratch
        self._verify = verify
        self._another_way = another_way

    async def send(
        self,
        path: str,
        source: Path,
        progress: Progress,
        record: UploadRecord,
        start: int = 0,
        mode: int = NEW_FILE_MODE,
    ) -> None:
        """Send `source` to `path`, which has it whole when this returns. Goes on from what `record` tells.

        `start`: so many bytes at its beginning are what `path` has already; then its mode stays. Raises Unsupported
        where its job fails again and again, and there is another way.
        """
        size = (await trio.Path(source).stat()).st_size
        state = await self._resumed(path, record, size, start) or await self._begun(path, size, record, start)
        try:
            if not state["job"]:
                state["mode"] = mode
            await self._carry_on(path, source, size, state, progress, record)
            if mode != state["mode"] and not start:
                # It was changed since an earlier run submitted the job.
                await self._files.chmod(path, mode)
        except BaseException as error:  # noqa: BLE001 -- raised again, after cleaning up
            if not (record.kept and is_interrupted(error)):
                await settle(state, record, self.give_up)
            if isinstance(error, Unsupported) and state.get("given_up"):
                # Not the other way yet: a job out of sight might bring this content over a later one.
                raise Interrupted(f"{error}; it is sent again") from None
            raise told(error) from None
        await removed(self._files.remove, str(state["directory"]))
        await record.clear()

    async def _resumed(self, path: str, record: UploadRecord, size: int, start: int) -> dict[str, Any] | None:
        """What an earlier attempt has left; of its pieces those that are there whole, by one listing."""
        state, piece = record.load(), self._files.limits.direct_write
        if state.get("route") not in ROUTES:
            return None
        state = {"start": 0, "before": None, "mode": NEW_FILE_MODE, "piece": piece, "failures": 0, **state}
        if not fits(state, _route(start), path, size, record) or (state["start"], state["piece"]) != (start, piece):
            await self.give_up(state)
            return None
        try:
            found = await self._files.list_directory(str(state["directory"]))
        except (NotFound, NotADirectory):
            return None
        there = {(entry.name, entry.size) for entry in found if entry.kind is Kind.FILE}
        wanted = {str(index): last - first for index, (first, last) in enumerate(_bounds(start, size, piece))}
        sent = {index: name for index, name in state["sent"].items() if (name, wanted.get(index)) in there}
        if len(sent) < len(state["sent"]):
            logger.warning("%s: %d of its pieces are lost, and sent again", path, len(state["sent"]) - len(sent))
        return {**state, "sent": sent}

    async def _begun(self, path: str, size: int, record: UploadRecord, start: int) -> dict[str, Any]:
        before = await self._known(path, start) if start else None
        if not start:
            await check_target(self._files.stat, path)
        directory = await self._scratch.name(path)
        check_directive(directory)
        state: dict[str, Any] = {
            "route": _route(start),
            "path": path,
            "content": record.content,
            "size": size,
            "start": start,
            "before": before,
            "piece": self._files.limits.direct_write,
            "directory": directory,
            "sent": {},
            "job": None,
            "failures": 0,
        }
        await record.save(state)
        await self._files.make_directory(directory)
        return state

    async def _known(self, path: str, start: int) -> str:
        """What the file is known by that is appended to. Raises Unavailable where it is not what it should be."""
        try:
            found = await self._files.stat(path)
        except (NotFound, NotADirectory):
            found = None
        if found is None or found.kind is not Kind.FILE or found.size != start:
            raise Unavailable(f"{path}: what was appended to is not there as it was; it is sent whole")
        return known_by(found)

    async def give_up(self, state: dict[str, Any]) -> None:
        """Cancel the job, if there is one, and remove the pieces and what it has left beside them.

        Without them it brings nothing to its place, though it runs on. Raises Unavailable.
        """
        if state["job"]:
            await self._jobs.cancel(str(state["job"]), str(state["directory"]))
        await removed_for_certain(self._files.remove, str(state["directory"]))

    # -- the steps -------------------------------------------------------------------------------

    async def _carry_on(
        self, path: str, source: Path, size: int, state: dict[str, Any], progress: Progress, record: UploadRecord
    ) -> None:
        directory = str(state["directory"])
        async with self._kept(state, record):
            if not state["job"]:
                await self._send_pieces(source, size, state, progress, record)
                progress("queued", size - int(state["start"]))
                commands = await self._commands(path, source, size, state)
                state["job"] = await self._jobs.start(_NAME, directory, commands)
                await record.save(state)
            progress("finishing", size - int(state["start"]))
            await self._jobs.finish(str(state["job"]), directory, size, f"uploading {path}")
        arrived = (await self._files.stat(path)).size
        if arrived != size:
            raise RemoteFailure(f"{path}: {arrived} bytes of {size} have arrived")

    @asynccontextmanager
    async def _kept(self, state: dict[str, Any], record: UploadRecord) -> AsyncIterator[None]:
        """What fails in the block for no reason of its own leaves the pieces to the next attempt, which joins them.

        A job that is lost out of sight may still run: two of them harm nothing.
        """
        try:
            yield
        except (RemoteFailure, Uncertain) as error:
            if not record.kept or _is_spoiled(error):
                raise
            if state["failures"] >= _MOST_FAILURES:
                if self._another_way and not state["start"]:
                    raise Unsupported(f"their job failed {_MOST_FAILURES + 1} times: {error}") from error
                raise
            if state["job"]:
                await self._jobs.cancel(str(state["job"]), str(state["directory"]))
            state.update(job=None, failures=state["failures"] + 1)
            await record.save(state)
            left = f"failure {state['failures']} of at most {_MOST_FAILURES}"
            raise Interrupted(f"{error}; what was sent is kept for the next attempt ({left})") from error

    async def _commands(self, path: str, source: Path, size: int, state: Mapping[str, Any]) -> list[str]:
        before = state["before"]
        pieces = [str(name) for _, name in sorted(state["sent"].items(), key=lambda item: int(item[0]))]
        checked = self._verify or before is not None
        joined = Joined(path, size, await trio.to_thread.run_sync(digest_of, source) if checked else None)
        if before is None:
            mode = int(state["mode"])
            return joining(pieces, replace(joined, mode=None if mode == NEW_FILE_MODE else mode))
        return appending(pieces, joined, str(before))

    async def _send_pieces(
        self, source: Path, size: int, state: dict[str, Any], progress: Progress, record: UploadRecord
    ) -> None:
        bounds = _bounds(int(state["start"]), size, int(state["piece"]))
        meter = Meter(progress, "transferring")
        meter.moved(sum(stop - start for index, (start, stop) in enumerate(bounds) if str(index) in state["sent"]))
        room = trio.CapacityLimiter(_PARALLEL)

        async def send(index: int, start: int, stop: int) -> None:
            async with room:
                # A name of this attempt's own: an earlier request may still be writing under its.
                name = f"p{index:05d}-{secrets.token_hex(3)}"
                await self._files.write_direct(f"{state['directory']}/{name}", Slice(source, start, stop))
                state["sent"][str(index)] = name
                await record.save(state)
                meter.moved(stop - start)

        left = [partial(send, index, *bound) for index, bound in enumerate(bounds) if str(index) not in state["sent"]]
        await gather(left)


def _is_spoiled(error: ClusterError) -> bool:
    return any(complaint in str(error) for complaint in SPOILED)


def _route(start: int) -> str:
    return "append" if start else "pieces"


def _bounds(first: int, size: int, piece: int) -> list[tuple[int, int]]:
    return [(start, min(start + piece, size)) for start in range(first, size, piece)]
