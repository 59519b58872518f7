"""The life of one mount: served, drained, unmounted; and who may end it.

    serving ──SIGTERM, SIGINT, SIGHUP──▶ draining ──▶ unmounted by itself ─┐
       │                                    └─ a second signal: at once ──▶│
       ├──control: unmount──▶ draining ──▶ umount(8) ────────────────────▶ ├─▶ last drain ──▶ ended
       └──umount(8), fusermount3 -u by anybody ──────────────────────────▶ ┘

The last drain sends what was written between the first and the unmount. Whatever a drain cannot send in its time
stays in the journal and is sent at the next mount. One that comes while a drain is still at it takes over from it.
"""

from __future__ import annotations

import logging
import math
import posixpath
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import trio

from f7tfs.cluster.errors import ClusterError
from f7tfs.mount.control import Command, ControlServer, Progress
from f7tfs.mount.errands import commands as errand_commands
from f7tfs.mount.errors import MountError
from f7tfs.mount.metrics import serve_metrics
from f7tfs.mount.unmount import unmount
from f7tfs.vfs.errands import Errands
from f7tfs.vfs.going_on import go_on

_log = logging.getLogger(__name__)
_LETTING_GO_SECONDS = 5.0
"""So long the kernel may take to end the connection of what was unmounted."""


class MountedFilesystem(Protocol):
    """What a session needs of the file system."""

    errands: Errands

    def status(self) -> dict[str, object]: ...

    async def drain(self, progress: Progress) -> int: ...

    async def refresh(self, path: str | None) -> None: ...

    def journal_entries(self) -> list[dict[str, object]]: ...

    async def journal_retry(self) -> int: ...

    async def journal_export(self, row: int, target: str) -> None: ...

    async def journal_drop(self, row: int) -> None: ...


Serve = Callable[..., Awaitable[None]]
"""Serves the mount until it is unmounted or cancelled; reports `task_status.started()` once it is usable."""


class Session:
    """One mount from the moment its file system is open until it is drained and gone."""

    def __init__(
        self,
        filesystem: MountedFilesystem,
        serve: Serve,
        *,
        mountpoint: Path,
        control_socket: Path,
        drain_seconds: float,
        root: str,
        metrics_port: int | None = None,
        about: Mapping[str, object],
        live: Callable[[], Mapping[str, object]] = dict,
    ) -> None:
        self._filesystem = filesystem
        self._serve = serve
        self._mountpoint = mountpoint
        self._drain_seconds = drain_seconds
        self._root = root
        self._metrics_port = metrics_port
        self._about = about
        self._live = live
        self._control = ControlServer(control_socket, self._commands())
        self._serving = trio.CancelScope()
        self._unmounted = trio.Event()
        self._ended = trio.Event()
        self._drains: set[trio.CancelScope] = set()
        self._drain_until = math.inf
        """No drain that an unmount waits for goes on after this (trio's clock)."""
        self._left = 0

    async def run(self, on_ready: Callable[[], None]) -> int:
        """Serve, and return how many changes are left in the journal when the mount has gone."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self._control.serve)
            await nursery.start(self._watch_signals)
            if self._metrics_port is not None:
                await nursery.start(serve_metrics, self._metrics_port, self.status)
            await nursery.start(self._serve_until_unmounted)
            on_ready()
            await self._unmounted.wait()
            self._left = await self._drain(self._drain_seconds, _ignore)
            self._ended.set()
            await self._control.finish()
            nursery.cancel_scope.cancel()
        return self._left

    async def _serve_until_unmounted(self, task_status: trio.TaskStatus[None]) -> None:
        with self._serving:
            await self._serve(task_status=task_status)
        self._unmounted.set()

    async def _watch_signals(self, task_status: trio.TaskStatus[None]) -> None:
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
            task_status.started()
            async with trio.open_nursery() as nursery:
                asked = False
                async for _number in signals:
                    if asked:
                        _log.warning("asked again to end: not waiting for the cluster")
                        self._hurry()
                    else:
                        asked = True
                        go_on(nursery, self._drain_and_unmount)

    async def _drain_and_unmount(self) -> None:
        try:
            await self._drain(self._drain_seconds, _ignore)
        finally:
            self._serving.cancel()

    def _hurry(self) -> None:
        self._drain_until = -math.inf
        for scope in self._drains:
            scope.cancel()
        self._serving.cancel()

    async def _drain(self, seconds: float, progress: Progress) -> int:
        """Wait until the cluster has every change, or the time is over; returns how many it does not have."""
        with trio.CancelScope(deadline=min(trio.current_time() + seconds, self._drain_until)) as scope:
            self._drains.add(scope)
            try:
                await self._filesystem.drain(progress)
            finally:
                self._drains.discard(scope)
        left = self._changes_left()
        if left:
            _log.warning("changes that are not on the cluster and stay in the journal: %d", left)
        return left

    def _changes_left(self) -> int:
        left = self._filesystem.status()["changes_left"]
        assert isinstance(left, int)  # noqa: S101 - for the type checker; status() is JSON
        return left

    def _lacking(self) -> dict[str, object]:
        """What the cluster does not have, for who asks."""
        return {"left": self._changes_left(), "jobs_left": self._filesystem.status().get("jobs_waiting", 0)}

    # -- the control socket's commands -----------------------------------------------------------

    def _commands(self) -> dict[str, Command]:
        return {
            "status": self._status_command,
            "drain": self._drain_command,
            "refresh": self._refresh_command,
            "unmount": self._unmount_command,
            "hand_over": self._hand_over_command,
            "journal": self._journal_command,
            **errand_commands(lambda: self._filesystem.errands),
        }

    async def _status_command(self, arguments: Mapping[str, Any], progress: Progress) -> dict[str, object]:
        del arguments, progress
        return self.status()

    def status(self) -> dict[str, object]:
        """What a user asks a mount; JSON-able."""
        return {
            **self._about,
            "now": time.time(),
            "mounted": not self._unmounted.is_set(),
            **self._filesystem.status(),
            **self._live(),
        }

    async def _drain_command(self, arguments: Mapping[str, Any], progress: Progress) -> dict[str, object]:
        await self._drain(_seconds(arguments, math.inf), progress)
        return self._lacking()

    async def _refresh_command(self, arguments: Mapping[str, Any], progress: Progress) -> dict[str, object]:
        del progress
        inside = arguments.get("path")
        for path in paths_to_refresh(self._root, inside):
            await self._filesystem.refresh(path)
        return {}

    async def _journal_command(self, arguments: Mapping[str, Any], progress: Progress) -> dict[str, object]:
        del progress
        try:
            return await self._on_journal(arguments)
        except (ClusterError, OSError) as error:
            raise MountError(str(error)) from error

    async def _on_journal(self, arguments: Mapping[str, Any]) -> dict[str, object]:
        match arguments.get("action"):
            case "list":
                return {**self._about, "entries": self._filesystem.journal_entries()}
            case "retry":
                return {"retried": await self._filesystem.journal_retry()}
            case "export":
                await self._filesystem.journal_export(int(arguments["id"]), str(arguments["file"]))
                return {}
            case "drop":
                await self._filesystem.journal_drop(int(arguments["id"]))
                return {}
        raise MountError("no such action on the journal")

    async def _unmount_command(self, arguments: Mapping[str, Any], progress: Progress) -> dict[str, object]:
        if arguments.get("lazy"):
            await trio.to_thread.run_sync(partial(unmount, self._mountpoint, lazy=True))
            return {**self._about, **self._lacking()}
        seconds = _seconds(arguments, self._drain_seconds)
        # The last drain begins before the unmount below returns here, so its end is set now.
        before, self._drain_until = self._drain_until, min(self._drain_until, trio.current_time() + seconds)
        try:
            await self._drain(seconds, progress)
            await trio.to_thread.run_sync(partial(unmount, self._mountpoint, lazy=False))
        except BaseException:
            # It stays mounted.
            self._drain_until = before
            raise
        with trio.move_on_after(_LETTING_GO_SECONDS):
            await self._unmounted.wait()
        # A copy of the mount in another mount namespace (a container's) would keep the kernel's connection for ever.
        self._serving.cancel()
        await self._ended.wait()
        return {**self._about, **self._lacking()}

    async def _hand_over_command(self, arguments: Mapping[str, Any], progress: Progress) -> dict[str, object]:
        """What a new mount asks one that is unmounted and still sends: to leave the rest to it."""
        del arguments, progress
        if not self._unmounted.is_set():
            raise MountError(f"{self._mountpoint} is in use")
        _log.info("a new mount goes on with what is left: %d", self._changes_left())
        self._hurry()
        return {**self._about, **self._lacking()}


def paths_to_refresh(root: str, inside: str | None) -> list[str | None]:
    """What the file system is to forget for a path inside of the mount, `/a/b`; None stands for everything.

    A path may be a directory's or a file's, so its parent's listing is forgotten too.
    """
    if inside is None or inside == "/":
        return [None]
    path = root.rstrip("/") + inside
    return [path, posixpath.dirname(path)]


def _seconds(arguments: Mapping[str, Any], default: float) -> float:
    seconds = arguments.get("seconds")
    return default if seconds is None else float(seconds)


def _ignore(changes: int, size: int) -> None:
    del changes, size
