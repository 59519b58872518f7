"""Small things that every change of names needs."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from f7tfs.cluster.errors import NotFound
from f7tfs.vfs.nodes import Directory, File, Node

Answer = TypeVar("Answer")


def join(parent: Directory, name: str) -> str:
    """The path of a name in a directory."""
    return f"{parent.path.rstrip('/')}/{name}"


async def at_its_place(node: Node, ask: Callable[[str], Awaitable[Answer]]) -> Answer:
    """What `ask` says of a node's place on the cluster: the other one, while a rename is being made there.

    Raises NotFound where another thing has taken its place meanwhile.
    """
    asked = node.remote_path
    try:
        answer = await ask(asked)
    except NotFound:
        other = next((path for path in (node.remote_path, node.path) if path != asked), None)
        if other is None:
            raise
        answer = await ask(other)
    if node.displaced:
        raise NotFound(f"{asked} was replaced")
    return answer


def conflict_name(path: str) -> str:
    """Where something of ours goes while at its own place stands what another made: `NAME.conflict-HOST-TIME`."""
    now = time.time()
    stamp = f"{time.strftime('%Y%m%dT%H%M%S', time.localtime(now))}.{int(now * 1000) % 1000:03}"
    return f"{path}.conflict-{socket.gethostname()}-{stamp}"


@contextlib.asynccontextmanager
async def locked(*nodes: Node | None) -> AsyncIterator[None]:
    """Nothing is sent to any of these files meanwhile. In the order of their numbers: two renames cannot deadlock."""
    files = {file.number: file for file in nodes if isinstance(file, File)}
    async with contextlib.AsyncExitStack() as stack:
        for _, file in sorted(files.items()):
            await stack.enter_async_context(file.lock)
        yield
