"""Small things that every change of names needs."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from f7tfs.cluster.errors import NotADirectory, NotFound, Refused
from f7tfs.vfs.nodes import Directory, File, Node

Answer = TypeVar("Answer")


def join(parent: Directory, name: str) -> str:
    """The path of a name in a directory."""
    return f"{parent.path.rstrip('/')}/{name}"


async def at_its_place(node: Node, ask: Callable[[str], Awaitable[Answer]]) -> Answer:
    """What `ask` says of a node's place on the cluster: the next one, while a rename is being made there.

    Raises NotFound where another thing has taken its place meanwhile.
    """
    asked: list[str] = []
    error: Refused = NotFound(f"{node.path} is renamed again and again")
    while places := [path for path in node.remote_places if path not in asked]:
        asked.append(places[0])
        if node.displaced:
            raise NotFound(f"{places[0]} was replaced")
        try:
            answer = await ask(places[0])
        except (NotFound, NotADirectory) as missing:
            # A file may stand where it would lie if a rename that waits above it were made.
            error = missing
            continue
        except Refused as refused:
            if node.displaced:
                raise NotFound(f"{places[0]} was replaced") from refused
            raise
        if node.displaced:
            raise NotFound(f"{places[0]} was replaced")
        if places[0] in node.remote_places:
            return answer
        # It was renamed meanwhile: what is there now may be another thing.
    raise error


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
