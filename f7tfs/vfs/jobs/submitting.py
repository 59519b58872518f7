"""Submitting a script exactly once.

    waiting ──all earlier changes are on the cluster──▶ sending ──answered──▶ submitted
       │                                                   ├──refused──────▶ refused
       └──a change below its directory failed──▶ refused   └──answer lost──▶ looked up ──found──▶ submitted
                                                                               └──not found──▶ uncertain

Each step is written down before it is taken. A submission is repeated only where the request never left: the client
tells the two apart. It runs in the background of the mount, so neither a deadline nor a killed `cp` cuts it in two.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import trio

from f7tfs.cluster.errors import ClusterError, Refused, Unavailable, Uncertain
from f7tfs.cluster.model import Job, JobState
from f7tfs.cluster.port import Cluster
from f7tfs.vfs.going_on import go_on
from f7tfs.vfs.jobs.book import Book
from f7tfs.vfs.jobs.record import Phase, Record

logger = logging.getLogger(__name__)

LOOKUP_SECONDS = 8.0
"""So long a close waits for a job to turn up whose answer was lost: the scheduler may lag by seconds."""
LATE_LOOKUP_SECONDS = 900.0
"""So long it is looked for in the background after that."""
LONGEST_PAUSE = 60.0


@dataclass(eq=False, slots=True)
class Attempt:
    """One submission under way. `told`: its close has returned, so nobody hears of a failure any more."""

    record: Record
    told: bool = False
    done: trio.Event = field(default_factory=trio.Event)
    error: ClusterError | None = None


class Submitter:
    """`settle`: waits for the changes that a job in a directory must find on the cluster. Raises what prevents it."""

    def __init__(
        self,
        cluster: Cluster,
        book: Book,
        settle: Callable[[str], Awaitable[None]],
        nursery: trio.Nursery,
        *,
        account: str | None,
        environment: dict[str, str],
        patience: float,
    ) -> None:
        self._cluster = cluster
        self._book = book
        self._settle = settle
        self._nursery = nursery
        self._account = account
        self._environment = environment
        self._patience = patience
        self.problems: dict[tuple[str, str], str] = {}
        """(directory, name) -> why the script of that name was not submitted."""
        self._attempts: set[Attempt] = set()

    # -- from outside ----------------------------------------------------------------------------

    async def submit(self, record: Record) -> None:
        """Returns once the scheduler has it; or earlier, where what was written before takes longer than `patience`.

        Raises what the scheduler said, or Uncertain.
        """
        attempt = Attempt(record)
        await self._book.add(record)
        self._start(attempt)
        with trio.move_on_after(self._patience):
            await attempt.done.wait()
        if not attempt.done.is_set() and record.phase is Phase.WAITING:
            logger.info("%s waits for what was written before it", record.name)
            attempt.told = True
            return
        await attempt.done.wait()
        if attempt.error is not None:
            raise attempt.error

    async def resume(self) -> None:
        """Go on with what an earlier run of the mount left."""
        for record in self._book.ours():
            if record.phase is Phase.SENDING:
                record.phase, record.problem = Phase.UNCERTAIN, "the mount ended while it was being submitted"
            if record.problem:
                self.problems[record.dropped, record.name] = f"{record.problem}\n"
            if record.phase in (Phase.WAITING, Phase.UNCERTAIN):
                self._start(Attempt(record, told=True))

    async def settled(self) -> None:
        """Wait until nothing waits any more to be submitted."""
        for attempt in list(self._attempts):
            if attempt.record.phase in (Phase.WAITING, Phase.SENDING):
                await attempt.done.wait()

    @property
    def under_way(self) -> int:
        """How many submissions are not decided yet."""
        return len(self._attempts)

    # -- in the background -----------------------------------------------------------------------

    def _start(self, attempt: Attempt) -> None:
        self._attempts.add(attempt)
        go_on(self._nursery, self._run, attempt)

    async def _run(self, attempt: Attempt) -> None:
        record = attempt.record
        try:
            if record.phase is Phase.WAITING:
                await self._wait_and_send(attempt)
            if record.phase is Phase.UNCERTAIN:
                await self._look_up_late(record)
        except Exception as error:
            # A defect, or the local disk: the mount goes on, and nobody can say what became of this one.
            logger.exception("submitting %s", record.name)
            attempt.error = Uncertain(f"{type(error).__name__}: {error}")
            record.phase = Phase.UNCERTAIN if record.sent else Phase.REFUSED
        finally:
            attempt.done.set()
            self._attempts.discard(attempt)

    async def _wait_and_send(self, attempt: Attempt) -> None:
        record = attempt.record
        pause = 1.0
        while True:
            try:
                await self._send(record)
            except Unavailable as error:
                # It has provably not been sent. Who still waits for it is told; else it is tried until it works.
                record.phase = Phase.WAITING
                if not attempt.told:
                    return await self._refuse(attempt, error)
                record.problem = str(error)
                await trio.sleep(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
            except Uncertain as error:
                return await self._not_known(attempt, error)
            except ClusterError as error:
                return await self._refuse(attempt, error)
            else:
                return None

    async def _send(self, record: Record) -> None:
        try:
            await self._settle(record.directory)
        except Unavailable as error:
            raise Refused(str(error)) from error
        if record.script_path is not None:
            # It bears no mark: should the answer be lost, only what is newer than all that is there now can be it.
            await self._book.look()
        # No await between this look at the phase and its change: the user may have cancelled it meanwhile.
        if record.phase is not Phase.WAITING:
            raise Refused(record.problem)
        record.phase, record.sent, record.before = Phase.SENDING, time.time(), self._book.newest_id()
        await self._book.save(record)
        try:
            job_id = await self._cluster.submit(record.request(self._account, self._environment))
        except Uncertain as error:
            logger.warning("the answer to submitting %s was lost: %s", record.name, error)
            found = await self._look_up(record, LOOKUP_SECONDS)
            if found is None:
                raise
            job_id = found
        await self._submitted(record, job_id)

    async def _submitted(self, record: Record, job_id: str) -> None:
        logger.info("job %s was submitted from %s in %s", job_id, record.name, record.directory)
        self.problems.pop((record.dropped, record.name), None)
        job = Job(
            job_id=job_id,
            name="",  # the scheduler's to tell
            state=JobState.PENDING,
            working_directory=record.directory,
            submitted=record.sent,
        )
        await self._book.submitted(record, job)

    async def _refuse(self, attempt: Attempt, error: ClusterError) -> None:
        record = attempt.record
        self.problems[record.dropped, record.name] = f"{error}\n"
        record.phase, record.problem = Phase.REFUSED, str(error)
        if attempt.told:
            logger.error("%s was not submitted: %s", record.name, error)
            await self._book.save(record)
        else:
            await self._book.drop(record)
        attempt.error = error

    # -- lost answers ----------------------------------------------------------------------------

    async def _not_known(self, attempt: Attempt, error: Uncertain) -> None:
        record = attempt.record
        told = f"whether it was submitted is not known, and it is not submitted again: {error}"
        self.problems[record.dropped, record.name] = f"{told}\n"
        record.phase, record.problem = Phase.UNCERTAIN, told
        await self._book.save(record)
        attempt.error = Uncertain(told)
        attempt.done.set()

    async def _look_up(self, record: Record, seconds: float) -> str | None:
        """The id of the job that a lost submission made; None where none turns up in that time."""
        request = record.request(self._account, self._environment)
        pause = 0.5
        ends = trio.current_time() + seconds
        while True:
            try:
                found = await self._cluster.find_submission(request, record.sent, self._book.others(record))
            except ClusterError as error:
                logger.info("%s cannot be looked up: %s", record.name, error)
                found = None
            if found is not None and found not in self._book.our_ids():
                logger.warning("the submission of %s whose answer was lost made job %s", record.name, found)
                return found
            if trio.current_time() + pause > ends:
                return None
            await trio.sleep(pause)
            pause = min(pause * 1.5, LONGEST_PAUSE)

    async def _look_up_late(self, record: Record) -> None:
        found = await self._look_up(record, LATE_LOOKUP_SECONDS)
        if found is not None and record.phase is Phase.UNCERTAIN:
            await self._submitted(record, found)
