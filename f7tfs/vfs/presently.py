"""Whether a change of names or attributes is made while its caller waits, or goes into the journal.

`sync` makes all of them at once, `async` none. `auto` makes those that nothing in the journal stands in the way of,
while the cluster answers; where it does not, or the answer is lost, the change is journaled and its caller goes on.
So it is in a burst.
"""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable, Collection, Sequence

import trio

from f7tfs.cluster.errors import ClusterError, TimedOut, Unavailable
from f7tfs.vfs.ahead import Ahead
from f7tfs.vfs.change import Change, State
from f7tfs.vfs.changelog import ChangeLog, is_final
from f7tfs.vfs.looks import Looks
from f7tfs.vfs.nodes import Directory, Node
from f7tfs.vfs.options import VfsOptions
from f7tfs.vfs.paces import Paces
from f7tfs.vfs.reachability import Reachability
from f7tfs.vfs.sender import Sender

Call = Callable[[Sequence[str]], Awaitable[object]]
Step = Callable[[], Awaitable[object]]
Ignored = Callable[[Change], bool]
Places = Callable[[], Sequence[str]]


TURN_SECONDS = 10.0
"""What could not be begun by then goes into the journal: its turn comes without its caller."""


class Attempt(enum.Enum):
    """What came of trying."""

    MADE = "the cluster has it"
    NONE = "it was not tried"
    UNCERTAIN = "it was tried, and may have been made"


class Presently:
    """Makes changes at once, where that is to be."""

    def __init__(
        self,
        log: ChangeLog,
        sender: Sender,
        reachability: Reachability,
        looks: Looks,
        paces: Paces,
        options: VfsOptions,
    ) -> None:
        self._log = log
        self._sender = sender
        self._paces = paces
        self._reachability = reachability
        self._looks = looks
        self._options = options
        self._holding: list[list[Node]] = []
        """The files whose locks those hold who wait for what is under way."""

    def expected(self, path: str) -> bool:
        """Whether there will be an attempt at all."""
        if self._options.write_mode == "auto":
            if self._paces.going_on(path):
                return False
            # While the cluster is away, one change now and then finds out whether it is back.
            return self._reachability.since is None or not self._reachability.paused
        return self._options.write_mode == "sync"

    @property
    def may_journal(self) -> bool:
        """Whether what is not made at once goes into the journal, and its caller on."""
        return self._options.write_mode != "sync"

    async def make(
        self,
        places: Places,
        call: Call,
        effect: Step,
        ignored: Ignored,
        *,
        held: Collection[Node | None] = (),
        dentries: Sequence[tuple[Directory, str]] = (),
    ) -> Attempt:
        """Run `call` on the cluster and then `effect` here, while nothing else is done at these places.

        `places`: asked for again after each wait, since a directory above may have another name by then; `call` is
        told those that the cluster has. They may be others here by the time of the `effect`.
        `ignored`: changes in the journal that do not stand in the way; `held`: files whose locks the caller holds;
        `dentries`: the names that change with it.
        Raises what is final, and in `sync` mode everything that keeps the change from being made.
        """
        if not self.expected(places()[0]):
            return Attempt.NONE
        attempt, settled = Attempt.NONE, False
        with trio.move_on_after(self._turn):
            settled = await self._settled_for(places, ignored, held)
        if not settled:
            if not self.may_journal:
                raise Unavailable(f"{places()[0]}: earlier changes could not be made yet; see f7tfs status")
            return Attempt.NONE
        # No await since the look at what is in the way.
        paths = tuple(places())
        with self._log.claim(paths, dentries):
            try:
                # What was made here before is forgotten first: after a kill it must not be made once more.
                await self._log.journal.settled()
                with trio.fail_after(self._patience):
                    await self._sender.end_older(*paths)
                    await call(paths)
            except trio.TooSlowError:
                attempt = self._lost(TimedOut("the cluster did not answer in time"))
            except ClusterError as error:
                if is_final(error):
                    raise
                attempt = self._lost(error)
            else:
                self._reachability.found()
                await effect()
                attempt = Attempt.MADE
            finally:
                for path in paths:
                    self._looks.outdate(path)
        return attempt

    @property
    def _turn(self) -> float:
        """Seconds that somebody waits for earlier changes, which may be many."""
        longest = self._options.answer_seconds
        return min(longest, TURN_SECONDS) if self.may_journal else longest

    @property
    def _patience(self) -> float:
        away = self._reachability.since is not None and self._options.write_mode != "sync"
        return self._reachability.patience if away else self._options.answer_seconds

    def _lost(self, error: ClusterError) -> Attempt:
        self._reachability.failed(error)
        if self._options.write_mode == "sync":
            raise error
        return Attempt.UNCERTAIN

    async def _settled_for(self, places: Places, ignored: Ignored, held: Collection[Node | None]) -> bool:
        """`_settled`, while the locks of these files are held."""
        nodes = [node for node in held if node is not None]
        self._holding.append(nodes)
        try:
            return await self._settled(places, ignored)
        finally:
            self._holding.remove(nodes)

    async def _settled(self, places: Places, ignored: Ignored) -> bool:
        """Wait for what is under way at these places. False if something there has to wait itself."""
        ahead = Ahead(self._log, lambda change: not ignored(change), _has_to_wait)
        while True:
            news, paths = self._log.news(), tuple(places())
            held_up = ahead.look(paths)
            if not ahead.anything and not self._log.claimed(paths):
                return True
            # What needs a lock that somebody holds who waits here, waits for him: so all would wait for each other.
            locked = {node for nodes in self._holding for node in nodes}
            if held_up or ahead.meets(change for node in locked for change in self._log.of(node)):
                return False
            self._log.hasten(ahead.fresh)
            await news.wait()


def _has_to_wait(change: Change) -> bool:
    """Whether it cannot be made now: it failed, is being written, or waits for another try."""
    return change.state is not State.READY or change.attempts > 0


def nothing_ignored(_change: Change) -> bool:
    """Whatever is at the same place stands in the way."""
    return False
