"""Several calls at once, whose first failure is raised as itself and not inside a group."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

import trio


async def gather(calls: Iterable[Callable[[], Awaitable[None]]]) -> None:
    """Run all of `calls`; when one fails, cancel the others and raise its error."""

    async def run(call: Callable[[], Awaitable[None]]) -> None:
        await call()

    try:
        async with trio.open_nursery() as nursery:
            for call in calls:
                nursery.start_soon(run, call)
    except BaseExceptionGroup as group:
        _, failures = group.split(trio.Cancelled)
        if failures is None:
            raise
        raise _first(failures) from None


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
