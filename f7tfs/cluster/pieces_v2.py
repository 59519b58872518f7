"""Files of a middle size, on v2: sent in pieces by direct uploads, and joined by one job.

A staged upload takes two jobs, and its ingest job looks for the object once at its start and then once a minute; how
long the bytes are on their way decides whether that minute is waited. Here the job starts when all is there, makes
the file beside its place, checks its size, and moves it: one job, and nothing that looks again.

The job is submitted with the site's own directives for transfer jobs: it runs where those run.
"""

from __future__ import annotations

import logging
import secrets
import shlex
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import trio

from f7tfs.cluster.errors import AccountRequired, NotFound, RemoteFailure, Unsupported
from f7tfs.cluster.model import JobRequest, Limits, Stat
from f7tfs.cluster.names import is_plain
from f7tfs.cluster.port import Progress
from f7tfs.cluster.scratch import Scratch, removed
from f7tfs.cluster.site_v2 import SiteV2
from f7tfs.cluster.storage import Meter, check_target, digest_of
from f7tfs.cluster.transfer_v2 import TransferJob, TransferJobs
from f7tfs.cluster.upload import UploadRecord, fits, is_interrupted, removed_for_certain, settle, told
from f7tfs.firecrest.multipart import Slice
from f7tfs.firecrest.tasks import gather

logger = logging.getLogger(__name__)

_PARALLEL = 4
_NAME = "f7t_join"
"""What the job is called: as FirecREST's own, it is not shown among the user's jobs."""


class Files(Protocol):
    """What is needed of the direct calls."""

    @property
    def limits(self) -> Limits: ...
    async def stat(self, path: str) -> Stat: ...
    async def make_directory(self, path: str) -> None: ...
    async def write_direct(self, path: str, content: Slice) -> None: ...
    async def remove(self, path: str) -> None: ...


class PiecesV2:
    """Sends one file after the other, for one system."""

    def __init__(
        self,
        files: Files,
        submit: Callable[[JobRequest], Awaitable[str]],
        jobs: TransferJobs,
        scratch: Scratch,
        site: SiteV2,
        account: str | None,
        *,
        verify: bool = False,
    ) -> None:
        self._files = files
        self._submit = submit
        self._jobs = jobs
        self._scratch = scratch
        self._site = site
        self._account = account
        self._verify = verify

    async def send(self, path: str, source: Path, progress: Progress, record: UploadRecord) -> None:
        """Send `source` to `path`, which has it whole when this returns. Goes on from what `record` tells."""
        size = (await trio.Path(source).stat()).st_size
        await check_target(self._files.stat, path)
        state = await self._resumed(path, record, size) or await self._begun(path, size, record)
        try:
            await self._carry_on(path, source, size, state, progress, record)
        except BaseException as error:  # noqa: BLE001 -- raised again, after cleaning up
            if not (record.kept and is_interrupted(error)):
                await settle(state, record, self.give_up)
            raise told(error) from None
        await removed(self._files.remove, str(state["directory"]))
        await record.clear()

    async def _resumed(self, path: str, record: UploadRecord, size: int) -> dict[str, Any] | None:
        state = record.load()
        if state.get("route") != "pieces":
            return None
        if not fits(state, "pieces", path, size, record):
            await self.give_up(state)
            return None
        try:
            await self._files.stat(str(state["directory"]))
        except NotFound:
            return None
        return state

    async def _begun(self, path: str, size: int, record: UploadRecord) -> dict[str, Any]:
        directory = await self._scratch.name(path)
        if not is_plain(directory):
            raise Unsupported(f"{directory} cannot be named in a job's directives")
        state: dict[str, Any] = {
            "route": "pieces",
            "path": path,
            "content": record.content,
            "size": size,
            "directory": directory,
            "sent": {},
            "job": None,
        }
        await record.save(state)
        await self._files.make_directory(directory)
        return state

    async def give_up(self, state: dict[str, Any]) -> None:
        """Cancel the job, if there is one, and remove the pieces and what it has left beside them.

        Without them it brings nothing to its place, though it runs on. Raises Unavailable.
        """
        if state["job"]:
            await self._jobs.cancel(TransferJob(str(state["job"]), (), "", {}))
        await removed_for_certain(self._files.remove, str(state["directory"]))

    # -- the steps -------------------------------------------------------------------------------

    async def _carry_on(
        self, path: str, source: Path, size: int, state: dict[str, Any], progress: Progress, record: UploadRecord
    ) -> None:
        directory = str(state["directory"])
        if not state["job"]:
            await self._send_pieces(source, size, state, progress, record)
            progress("queued", size)
            digest = await trio.to_thread.run_sync(digest_of, source) if self._verify else None
            pieces = [str(name) for _, name in sorted(state["sent"].items(), key=lambda item: int(item[0]))]
            head = _directives(self._site, self._account)
            script = join_script(head, directory, pieces, size, path, digest)
            request = JobRequest(working_directory=directory, script=script, name=_NAME)
            state["job"] = await self._submit(request)
            await record.save(state)
        job = TransferJob(str(state["job"]), (), f"{directory}/err", {})
        self._jobs.ids.add(job.job_id)
        progress("finishing", size)
        await self._jobs.follow(
            job, lambda: self._is_there(f"{directory}/done"), self._jobs.patience.transfer(size), f"uploading {path}"
        )
        arrived = (await self._files.stat(path)).size
        if arrived != size:
            raise RemoteFailure(f"{path}: {arrived} bytes of {size} have arrived")

    async def _send_pieces(
        self, source: Path, size: int, state: dict[str, Any], progress: Progress, record: UploadRecord
    ) -> None:
        bounds = _bounds(size, self._files.limits.direct_write)
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

    async def _is_there(self, path: str) -> bool:
        try:
            await self._files.stat(path)
        except NotFound:
            return False
        return True


def _bounds(size: int, piece: int) -> list[tuple[int, int]]:
    return [(start, min(start + piece, size)) for start in range(0, size, piece)]


def _directives(site: SiteV2, account: str | None) -> list[str]:
    if site.needs_account and not account:
        raise AccountRequired("this site's transfer jobs need an account: give --account or set FIRECREST_ACCOUNT")
    return [line.replace("{account}", account or "") for line in site.directives]


def join_script(
    directives: list[str], directory: str, pieces: list[str], size: int, target: str, digest: str | None = None
) -> str:
    """The batch script that makes the file `target` of the `pieces` in `directory`; `done` is there at its end.

    `directory` and `pieces` are plain names. A target that is a directory is refused, and a symlink replaced.
    """
    where, path = shlex.quote(directory), shlex.quote(target)
    check = [f'[ "$(stat -c %s joined)" = {size} ] || {{ echo "wrong size" >&2; exit 1; }}']
    if digest is not None:
        check.append(f'[ "$(sha256sum < joined)" = "{digest}  -" ] || {{ echo "wrong checksum" >&2; exit 1; }}')
    return "\n".join(
        [
            "#!/bin/bash",
            *directives,
            f"#SBATCH --output={directory}/out",
            f"#SBATCH --error={directory}/err",
            "set -eu",
            f"cd {where}",
            f"cat {' '.join(pieces)} > joined",
            *check,
            f"mv -fT joined {path}",
            "touch done",
            "",
        ]
    )
