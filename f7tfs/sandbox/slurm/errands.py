"""Transfer jobs as jobs of Slurm: the job calls the sandbox up, which then does the work, and says how it ended.

So they queue, start, can be cancelled and run out of time as any job; only what they do is done by the sandbox.
"""

from __future__ import annotations

import secrets
from pathlib import Path

import trio

from f7tfs.sandbox.jobs.model import JobOutput, Work

SCRIPT = """#!/bin/bash
exec 3<>/dev/tcp/127.0.0.1/{port} || exit 1
echo {token} >&3
read -r status <&3 || exit 1
cat {file}.out
cat {file}.err >&2
exit "$status"
"""
MAX_TOKEN = 100


class Errands:
    """Waits for the calls of jobs, on a port of its own; a token says which work is meant."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        self._waiting: dict[str, Work] = {}
        self._port = 0
        self._directory = Path()

    async def start(self, directory: Path) -> None:
        """`directory` is one that jobs see at the same path."""
        self._directory = directory
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self._port = listeners[0].socket.getsockname()[1]
        self._nursery.start_soon(trio.serve_listeners, self._answer, listeners)

    def script(self, work: Work) -> str:
        """A batch script that has this work done."""
        token = secrets.token_hex(16)
        self._waiting[token] = work
        return SCRIPT.format(port=self._port, token=token, file=self._directory / token)

    async def _answer(self, stream: trio.SocketStream) -> None:
        async with stream:
            token = (await stream.receive_some(MAX_TOKEN)).decode("ascii", "replace").strip()
            work = self._waiting.pop(token, None)
            if work is None:
                return
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_until_hung_up, stream, nursery.cancel_scope)
                status = await self._done(token, work)
                nursery.cancel_scope.cancel()
                with trio.CancelScope(shield=True), trio.move_on_after(1.0):
                    await _say(stream, status)

    async def _done(self, token: str, work: Work) -> int:
        output = JobOutput()
        status = await work(output)
        for name, lines in (("out", output.out), ("err", output.err)):
            text = "".join(f"{line}\n" for line in lines)
            await trio.Path(self._directory / f"{token}.{name}").write_bytes(text.encode("utf-8", "surrogateescape"))
        return status


async def _until_hung_up(stream: trio.SocketStream, scope: trio.CancelScope) -> None:
    """A job that was cancelled hangs up: then its work ends, too."""
    try:
        while await stream.receive_some(MAX_TOKEN):
            pass
    except trio.BrokenResourceError:
        pass
    scope.cancel()


async def _say(stream: trio.SocketStream, status: int) -> None:
    try:
        await stream.send_all(f"{status}\n".encode())
    except trio.BrokenResourceError:
        return
