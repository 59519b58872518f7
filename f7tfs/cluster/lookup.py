"""Looks at what is at a place: before a change, after it, or to find out what became of one whose answer was lost."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from f7tfs.cluster.errors import ClusterError, NotADirectory, NotFound, Uncertain
from f7tfs.cluster.model import Kind, Stat

StatCall = Callable[[str], Awaitable[Stat]]


@asynccontextmanager
async def looked_up(stat: StatCall, path: str, expected: Kind | None) -> AsyncIterator[None]:
    """Run one change; if its answer is lost, it was made where `path` is now of the kind `expected` (None: gone).

    That costs one call more. Uncertain is raised only where the look-up fails, or shows something else: the change
    may still be under way then.
    """
    try:
        yield
    except Uncertain as lost:
        try:
            found = await kind_of(stat, path)
        except ClusterError as error:
            raise Uncertain(f"{path}: {lost}; looking it up failed too: {error}") from lost
        if found is not expected:
            raise Uncertain(f"{path}: {lost}") from lost


async def kind_of(stat: StatCall, path: str) -> Kind | None:
    """What is at `path`; None where there is nothing."""
    try:
        return (await stat(path)).kind
    except (NotFound, NotADirectory):
        return None


async def has_size(stat: StatCall, path: str, size: int) -> bool:
    """Whether something of that size is at `path`."""
    try:
        return (await stat(path)).size == size
    except NotFound:
        return False
