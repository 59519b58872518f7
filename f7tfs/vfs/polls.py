"""poll(2) and select(2): who asks whether a read would wait, and is told when it would not any more."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

import trio

from f7tfs.vfs.going_on import go_on
from f7tfs.vfs.handles import Handle, HandleTable
from f7tfs.vfs.virtual import VirtualFile

logger = logging.getLogger(__name__)

Wake = Callable[[], None]


@dataclass(eq=False, slots=True)
class Watch:
    """Of one open file that cannot be read yet. `wake`: tells all who wait for it; None: nobody waits, they ask."""

    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    wake: Wake | None = None
    over: bool = False
    """A read returns at once, be it with an error."""


class Polls:
    """Looks after open files that were polled, until they can be read or are closed."""

    def __init__(self, handles: HandleTable[Handle], nursery: trio.Nursery) -> None:
        self._handles = handles
        self._nursery = nursery
        self._watches: dict[int, Watch] = {}

    def ask(self, number: int, wake: Wake | None) -> bool:
        """Whether a read of an open file returns at once; if not, `wake` is called when it does."""
        inode = self._handles.get(number).inode
        if not isinstance(inode, VirtualFile) or inode.readable():
            return True
        watch = self._watches.get(number)
        if watch is None:
            watch = self._watches[number] = Watch()
            go_on(self._nursery, self._run, watch, inode)
        watch.wake = wake or watch.wake
        return watch.over

    def forget(self, number: int) -> None:
        """It is closed."""
        watch = self._watches.pop(number, None)
        if watch is not None:
            watch.scope.cancel()

    async def _run(self, watch: Watch, file: VirtualFile) -> None:
        try:
            with watch.scope:
                await file.until_readable()
        except Exception:
            # A defect must not take the mount down; the read that follows meets it too, and says so.
            logger.exception("waiting until a file can be read")
        # No await from here on: who asks after this is answered by `over`, who asked before is woken.
        watch.over = True
        wake, watch.wake = watch.wake, None
        if wake is not None and not watch.scope.cancel_called:
            with contextlib.suppress(OSError):  # unmounted meanwhile
                wake()
