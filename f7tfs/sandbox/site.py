"""Everything that one running sandbox consists of, built once and given to both APIs."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace

import trio

from f7tfs.sandbox.coreutils.archive import Archiver
from f7tfs.sandbox.coreutils.change import Changer
from f7tfs.sandbox.coreutils.content import Quota, Reader
from f7tfs.sandbox.coreutils.listing import Lister
from f7tfs.sandbox.coreutils.transfer import Mover
from f7tfs.sandbox.faults import Calls, Faults, RateWindow
from f7tfs.sandbox.identity import Identity
from f7tfs.sandbox.jobs.local import LocalScheduler
from f7tfs.sandbox.jobs.model import BatchRequest, Scheduler, SlurmRefused, Work
from f7tfs.sandbox.objectstore.client import ObjectStore
from f7tfs.sandbox.root import Root
from f7tfs.sandbox.settings import SandboxSettings
from f7tfs.sandbox.slurm.scheduler import SlurmScheduler
from f7tfs.sandbox.tokens import Checked, Tokens, TokenState

API_KEY_HEADER = "x-api-key"
REFUSED = (
    "sbatch: error: QOSMaxSubmitJobPerUserLimit\n"
    "sbatch: error: Batch job submission failed: Job violates accounting/QOS policy "
    "(job submit limit, user's size and/or time limits)\n"
)


class TooManySessions(Exception):
    """The SSH connection has no free channel."""


class Site:
    """The cluster, its file tree, and the state of the test bench."""

    def __init__(self, settings: SandboxSettings, nursery: trio.Nursery) -> None:
        """The nursery is for what goes on after a call was answered: jobs and tasks."""
        self.settings = settings
        self.client_secret = settings.client_secret or secrets.token_urlsafe(24)
        self.admin_token = settings.admin_token or secrets.token_urlsafe(24)
        self.root = Root(settings.root)
        self.identity = Identity(settings)
        self.lister = Lister(
            self.root,
            self.identity,
            settings.time_zone,
            utf8=settings.utf8_locale,
            limit=settings.max_ops_file_size,
        )
        self.reader = Reader(self.root, limit=settings.max_ops_file_size, seconds=settings.command_seconds)
        self.changer = Changer(self.root, self.identity)
        self.mover = Mover(self.root)
        self.quota = Quota()
        self.archiver = Archiver(self.root, self.identity, self.quota, settings.command_seconds)
        self.tokens = Tokens(settings, self.client_secret)
        self.faults = Faults()
        self.calls = Calls()
        self.window = RateWindow()
        self.nursery = nursery
        self.scheduler: Scheduler = (
            SlurmScheduler(settings, nursery)
            if settings.scheduler == "slurm"
            else LocalScheduler(settings, self.root, nursery, lambda: self.faults.hold_jobs, self._fate)
        )
        self.store = ObjectStore(settings, settings.client_secret)
        self._sessions = 0

    def close(self) -> None:
        """Give back what outlives the nursery: processes, descriptors, temporary files."""
        self.scheduler.close()
        self.store.close()
        self.root.close()

    def check_headers(self, headers: Mapping[str, str]) -> Checked:
        """What the token of a call is worth, or the key in its place."""
        key = self.settings.api_key
        if key and hmac.compare_digest(headers.get(API_KEY_HEADER, "").encode(), key.encode()):
            return Checked(TokenState.VALID, self.settings.user)
        checked = self.tokens.check(headers.get("authorization"))
        if checked.state is TokenState.VALID and self.faults.take("expired_tokens"):
            return replace(checked, state=TokenState.EXPIRED)
        return checked

    async def submit(self, request: BatchRequest, work: Work | None = None) -> str:
        """Queue a job; returns its id. Raises SlurmRefused."""
        if self.faults.take("refuse_jobs"):
            raise SlurmRefused(1, REFUSED)
        return await self.scheduler.submit(request, work)

    def _fate(self) -> str:
        """The state that the job which would begin now ends in instead; empty: it begins."""
        return self.faults.fail_jobs.pop(0) if self.faults.fail_jobs else ""

    async def staging(self) -> None:
        """What a slow object store adds to a transfer."""
        await trio.sleep(self.faults.staging_delay)

    @contextmanager
    def session(self) -> Iterator[None]:
        """One channel of the user's SSH connection, as v2 takes for each command."""
        if self._sessions >= self.settings.max_sessions:
            raise TooManySessions
        self._sessions += 1
        try:
            yield
        finally:
            self._sessions -= 1
