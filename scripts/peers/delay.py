"""A TCP proxy that adds a round trip's delay: `python delay.py TARGET_PORT SECONDS` prints the port it listens on.

Half of the delay is added each way, whatever the amount of data; a new connection costs a round trip more, as its
handshake would.
"""

from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import trio

HOST = "127.0.0.1"
BLOCKS = 256
"""So many are on their way at most, in each direction of a connection."""


async def serve(target: int, delay: float) -> None:
    """Serve until cancelled."""

    async def connection(near: trio.SocketStream) -> None:
        await trio.sleep(delay)
        with suppress(OSError, trio.BrokenResourceError, trio.ClosedResourceError):
            async with near, await trio.open_tcp_stream(HOST, target) as far, trio.open_nursery() as nursery:
                nursery.start_soon(carry, near, far, delay / 2)
                nursery.start_soon(carry, far, near, delay / 2)

    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, host=HOST), connection, 0)
        print(listener.socket.getsockname()[1], flush=True)


async def carry(source: trio.SocketStream, sink: trio.SocketStream, delay: float) -> None:
    """Pass on what comes, each block so much later."""
    send, receive = trio.open_memory_channel[tuple[float, bytes]](BLOCKS)

    async def pour() -> None:
        async with receive:
            async for due, block in receive:
                await trio.sleep_until(due)
                await sink.send_all(block)
        await sink.send_eof()

    with suppress(*GONE):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pour)
            async with send:
                async for block in source:
                    await send.send((trio.current_time() + delay, bytes(block)))


GONE = (OSError, trio.BrokenResourceError, trio.ClosedResourceError, ExceptionGroup)


@contextmanager
def delayed(target: int, seconds: float) -> Iterator[int]:
    """The port at which a server of this machine is that much farther away."""
    command = [sys.executable, str(Path(__file__)), str(target), str(seconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as proxy:
        assert proxy.stdout is not None
        try:
            yield int(proxy.stdout.readline())
        finally:
            proxy.terminate()


if __name__ == "__main__":
    target_port, seconds_of_delay = int(sys.argv[1]), float(sys.argv[2])
    assert math.isfinite(seconds_of_delay)
    trio.run(serve, target_port, seconds_of_delay)
