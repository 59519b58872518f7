"""Whose turn it is: who waits for changes before his own, hurries them, and holds others up meanwhile."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence

import trio

from f7tfs.vfs.ahead import Ahead
from f7tfs.vfs.change import Change, State
from f7tfs.vfs.nodes import Directory
from f7tfs.vfs.precedence import Precedence


class Turns(Precedence):
    """Adds waiting to what may be made when: everybody who waits is woken at each news, and looks himself."""

    def __init__(self) -> None:
        super().__init__()
        self._news = trio.Event()

    def news(self) -> trio.Event:
        """Set at the next change of anything in here."""
        return self._news

    def tell(self) -> None:
        """Wake everybody who waits for news."""
        self._news.set()
        self._news = trio.Event()

    async def turn(self, change: Change, *, even_open: bool = False) -> None:
        """Wait until it may be made. Raises the error of the failed change that it waits for, if there is one.

        With `even_open` what has to be made before is sent as it is now, though somebody still writes it: he may wait
        for who waits here.
        """

        def ends(other: Change) -> bool:
            return (other.state is State.FAILED and other.error is not None) or (
                even_open and other.state is State.OPEN
            )

        ahead = Ahead(self, lambda other: other.blocks, ends)
        while True:
            for other in ahead.look(change.paths, change.row):
                if other.state is State.OPEN:
                    self._close(other)
                elif other.error is not None:
                    raise other.error
            if not ahead.anything and not self.claimed(change.paths):
                return
            self.hasten(ahead.fresh)
            await self._news.wait()

    def _close(self, written: Change) -> None:
        # The journal need not know: what it has is ready in the next run.
        written.state, written.not_before = State.READY, trio.current_time()
        self.tell()

    @contextlib.contextmanager
    def claim(self, paths: tuple[str, ...], dentries: Sequence[tuple[Directory, str]] = ()) -> Iterator[None]:
        """Nothing else is made at, above or below these places for the time of the block.

        `dentries`: the names that change with it. A listing that comes meanwhile may show them before or after.
        """
        self.claims.append(paths)
        for directory, name in dentries:
            directory.flux[name] += 1
        try:
            yield
        finally:
            self.claims.remove(paths)
            for directory, name in dentries:
                directory.settled(name, trio.current_time())
            self.tell()

    def hurry(self, changes: Iterable[Change]) -> None:
        """Do not wait for a temporary's rename any longer, nor for more; the pause after a failure stays.

        Nor does anything that has to be made before.
        """
        self.hasten(self.with_all_before(changes, lambda each: each.urgent))

    def hasten(self, changes: Iterable[Change]) -> None:
        """The same, without what has to be made before."""
        now, hastened = trio.current_time(), False
        for change in changes:
            if not change.urgent:
                change.urgent = hastened = True
                if change.attempts == 0:
                    change.not_before = min(change.not_before, now)
        if hastened:
            self.tell()

    def resume(self) -> None:
        """The cluster is back: what waits out a pause need not."""
        for change in self.changes.values():
            if change.attempts and change.state is State.READY:
                change.not_before = trio.current_time()
        self.tell()
