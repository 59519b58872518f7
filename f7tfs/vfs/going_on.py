"""What a mount does beside answering the kernel. A defect in that is logged, and the mount goes on."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TypeVarTuple

import trio

from f7tfs.vfs.deadlines import apart

Arguments = TypeVarTuple("Arguments")

logger = logging.getLogger(__name__)


def go_on(nursery: trio.Nursery, work: Callable[[*Arguments], Awaitable[object]], *arguments: *Arguments) -> None:
    """Run `work` beside everything else, without the deadline of the operation that asks for it."""
    with apart():
        nursery.start_soon(unharmed, work, *arguments)


async def unharmed(work: Callable[[*Arguments], Awaitable[object]], *arguments: *Arguments) -> bool:
    """Do it; False if it failed, which is in the log with where."""
    try:
        await work(*arguments)
    except Exception:
        logger.exception("a defect, and the mount goes on: %s", getattr(work, "__qualname__", work))
        return False
    return True
