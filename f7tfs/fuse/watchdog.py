"""The watchdog: a killed process does not stay blocked in a request, nor does an unmounted daemon.

pyfuse3 passes no interrupts on, so a process that is killed while it waits for an answer would stay until the
deadline of its request. But what is to become of it can be seen in /proc: then the request is cancelled, and answered
EINTR. Only fatal signals count: an EINTR on others breaks programs (git and its SIGALRM).
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import trio

# A request that waits longer than this is looked at, each so many seconds.
PATIENCE = 0.5
# Looking takes at most this share of a processor's time, as long as two looks are no further apart than LONGEST: who
# was killed waits for the next.
SHARE = 0.05
LONGEST = 1.0
# What ends no process by default: stops, continues, or is ignored.
HARMLESS = frozenset(
    {
        signal.SIGCHLD,
        signal.SIGCONT,
        signal.SIGSTOP,
        signal.SIGTSTP,
        signal.SIGTTIN,
        signal.SIGTTOU,
        signal.SIGURG,
        signal.SIGWINCH,
    }
)
PROC = Path("/proc")
# Of /proc/PID/stat, counted from the state: which flags, and how it ended.
BLOCKED, FLAGS, EXIT_CODE = "D", 6, 49
EXITING, SIGNAL_PART = 0x4, 0x7F


@dataclass(eq=False, slots=True)
class Waiting:
    """A request that has no answer yet. `pid`: of the thread that waits, or of the one that opened the file."""

    scope: trio.CancelScope
    pid: int
    since: float
    kept: bool
    """It has to be done though nobody waits for it: a release."""
    interrupted: bool = False

    def interrupt(self) -> None:
        self.interrupted = True
        self.scope.cancel()


class Watchdog:
    """Knows every request under way. Nothing is looked at while none waits long."""

    def __init__(self) -> None:
        self._waiting: set[Waiting] = set()
        self._begun = trio.Event()
        self.connection = -1
        """The descriptor of /dev/fuse; -1: there is none."""

    @contextlib.contextmanager
    def watching(self, scope: trio.CancelScope, pid: int, *, kept: bool = False) -> Iterator[Waiting]:
        """For the time of the block, `scope` is cancelled when the process of `pid` is dying. 0: not known whose."""
        request = Waiting(scope, pid, trio.current_time(), kept)
        self._waiting.add(request)
        if not self._begun.is_set():
            self._begun.set()
        try:
            yield request
        finally:
            self._waiting.discard(request)

    async def run(self) -> None:
        """Look for ever."""
        while True:
            await self._begun.wait()
            pause = PATIENCE
            while self._waiting:
                await trio.sleep(pause)
                # Not the time by the clock: on a machine with much to do, a look takes long that costs little.
                before = time.thread_time()
                self.look(trio.current_time())
                pause = min(max(PATIENCE, (time.thread_time() - before) / SHARE), LONGEST)
            # No await between the last look into the set and this line.
            self._begun = trio.Event()

    def look(self, now: float) -> None:
        """Cancel what nobody waits for any more."""
        late = [request for request in self._waiting if now - request.since >= PATIENCE]
        if late and self._gone():
            for request in late:
                if not request.kept:
                    request.interrupt()
            return
        dying: dict[int, bool] = {}
        for request in late:
            if request.pid not in dying:
                dying[request.pid] = request.pid > 0 and is_dying(request.pid)
            if dying[request.pid] and not request.kept:
                request.interrupt()

    def _gone(self) -> bool:
        """Whether the kernel has ended the connection: it is unmounted, and nobody waits for anything any more."""
        if self.connection < 0:
            return False
        poll = select.poll()
        poll.register(self.connection, 0)
        return any(events & select.POLLERR for _, events in poll.poll(0))


def is_dying(pid: int) -> bool:
    """Whether a thread of the process that the thread `pid` belongs to has been killed, and is kept by the kernel.

    All threads of a process die together, and the one that waits is perhaps another one than the one that is known.
    """
    try:
        threads = os.listdir(PROC / str(pid) / "task")  # noqa: PTH208 -- names are wanted
    except OSError:
        return False
    return any(_is_killed(PROC / str(pid) / "task" / thread) for thread in threads)


def _is_killed(thread: Path) -> bool:
    with contextlib.suppress(OSError):
        # After the name, which is in parentheses and may hold anything; see proc(5).
        fields = (thread / "stat").read_text(errors="replace").rpartition(")")[2].split()
        if fields[0] != BLOCKED:
            return False
        return _ended_by_signal(fields) or has_fatal_signal((thread / "status").read_text(errors="replace"))
    return False


def _ended_by_signal(fields: list[str]) -> bool:
    """It is closing its files on its way out; who ends by itself waits for what `close` waits for."""
    return bool(int(fields[FLAGS]) & EXITING and int(fields[EXIT_CODE]) & SIGNAL_PART)


def has_fatal_signal(status: str) -> bool:
    """Whether /proc/PID/status shows a pending signal that will end the process."""
    masks = {name: _mask(status, name) for name in ("SigPnd", "ShdPnd", "SigBlk", "SigIgn", "SigCgt")}
    pending = masks["SigPnd"] | masks["ShdPnd"]
    handled = masks["SigBlk"] | masks["SigIgn"] | masks["SigCgt"] | _bits(HARMLESS)
    return bool(pending & (_bits({signal.SIGKILL}) | ~handled))


def _mask(status: str, name: str) -> int:
    _, found, rest = status.partition(f"\n{name}:")
    return int(rest.split(None, 1)[0], 16) if found else 0


def _bits(signals: frozenset[signal.Signals] | set[signal.Signals]) -> int:
    return sum(1 << (number - 1) for number in signals)


def fuse_descriptor() -> int:
    """This process's open descriptor of /dev/fuse; -1 where there is none."""
    for entry in os.scandir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            if os.readlink(entry.path) == "/dev/fuse":  # noqa: PTH115 -- a string is compared
                return int(entry.name)
    return -1
