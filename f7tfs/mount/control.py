"""The control socket of a daemon: the serving side.

A Unix stream socket, one request a connection. A request is one line of JSON, `{"command": NAME, ...}`. The answer
is any number of lines `{"progress": [CHANGES_LEFT, BYTES_LEFT]}` or `{}`, and then one, `{"result": {...}}` or
`{"error": TEXT, "cure": TEXT}`. Whoever hangs up takes the request back.
"""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import trio

from f7tfs.mount.address import bind
from f7tfs.mount.errors import MountError

Progress = Callable[[int, int], None]
"""Told (changes left, bytes left)."""
Command = Callable[[Mapping[str, Any], Progress], Awaitable[dict[str, object]]]

_LONGEST_REQUEST = 65536
_REQUEST_SECONDS = 10.0
_PROGRESS_SECONDS = 0.2
_SIGN_OF_LIFE_SECONDS = 10.0
_FINISH_SECONDS = 5.0

_log = logging.getLogger(__name__)


class ControlServer:
    """Answers requests by a table of commands."""

    def __init__(self, address: Path, commands: Mapping[str, Command]) -> None:
        self._address = address
        self._commands = commands
        self._answering = 0
        self._idle = trio.Event()

    async def serve(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled. The caller holds the lock of the mount point, so what is there is a dead one's."""
        with _bound(self._address) as listening:
            # It listens already: who connects now waits in the backlog.
            task_status.started()
            await trio.serve_listeners(
                self._connection, [trio.SocketListener(trio.socket.from_stdlib_socket(listening))]
            )

    async def finish(self) -> None:
        """Let the answers that are under way go out, for a few seconds at most."""
        with trio.move_on_after(_FINISH_SECONDS):
            while self._answering:
                self._idle = trio.Event()
                await self._idle.wait()

    async def _connection(self, stream: trio.SocketStream) -> None:
        self._answering += 1
        try:
            async with stream:
                with suppress(trio.TooSlowError):
                    await self._answer(stream)
        except Exception:  # noqa: BLE001 - whatever a client does, the mount goes on
            _log.exception("control connection")
        finally:
            self._answering -= 1
            self._idle.set()

    async def _answer(self, stream: trio.SocketStream) -> None:
        with trio.fail_after(_REQUEST_SECONDS):
            request = await _receive_line(stream)
        latest: list[tuple[int, int]] = []
        answer: dict[str, object] = {}
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_cancel_at_hang_up, stream, nursery.cancel_scope)
            nursery.start_soon(_send_progress, stream, latest)
            answer = await self._run(request, lambda changes, size: latest.append((changes, size)))
            nursery.cancel_scope.cancel()
        if answer:
            await _send(stream, answer)

    async def _run(self, request: bytes, progress: Progress) -> dict[str, object]:
        try:
            arguments = json.loads(request)
            command = self._commands[arguments["command"]]
        except (ValueError, KeyError, TypeError):
            return {"error": "no such request"}
        try:
            return {"result": await command(arguments, progress)}
        except MountError as error:
            return {"error": str(error), "cure": error.cure}
        except Exception as error:  # noqa: BLE001 - a defect in one command must not end the mount
            _log.exception("control request %s", arguments["command"])
            return {"error": f"{type(error).__name__}: {error}"}


@contextmanager
def _bound(address: Path) -> Iterator[socket.socket]:
    address.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        try:
            bind(listening, address)
        except OSError as error:
            raise MountError(
                f"cannot make the control socket {address}: {error.strerror}", "set XDG_STATE_HOME to a local disk"
            ) from None
        try:
            address.chmod(0o600)
            listening.listen(16)
            yield listening
        finally:
            address.unlink(missing_ok=True)


async def _receive_line(stream: trio.SocketStream) -> bytes:
    received = b""
    with suppress(trio.BrokenResourceError):
        while b"\n" not in received and len(received) < _LONGEST_REQUEST:
            chunk = await stream.receive_some(_LONGEST_REQUEST)
            if not chunk:
                break
            received += chunk
    return received.partition(b"\n")[0]


async def _cancel_at_hang_up(stream: trio.SocketStream, scope: trio.CancelScope) -> None:
    with suppress(trio.BrokenResourceError):
        while await stream.receive_some(1024):
            pass
    scope.cancel()


async def _send_progress(stream: trio.SocketStream, latest: list[tuple[int, int]]) -> None:
    """Send the newest of what was told now and then, not each: there may be thousands.

    Without news `{}` is sent, as a sign of life.
    """
    sent = trio.current_time()
    while True:
        if latest or trio.current_time() >= sent + _SIGN_OF_LIFE_SECONDS:
            message = {"progress": latest[-1]} if latest else {}
            latest.clear()
            await _send(stream, message)
            sent = trio.current_time()
        await trio.sleep(_PROGRESS_SECONDS)


async def _send(stream: trio.SocketStream, message: Mapping[str, object]) -> None:
    # Who hung up has no use for it.
    with suppress(trio.BrokenResourceError):
        await stream.send_all(json.dumps(message).encode() + b"\n")
