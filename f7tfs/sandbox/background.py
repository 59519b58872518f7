"""What goes on after a call was answered: tasks, jobs."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TypeVarTuple

import trio

Arguments = TypeVarTuple("Arguments")

logger = logging.getLogger(__name__)


def go_on(nursery: trio.Nursery, work: Callable[[*Arguments], Awaitable[object]], *arguments: *Arguments) -> None:
    """Run `work` beside everything else. Whatever becomes of it, the sandbox serves on."""

    async def guarded() -> None:
        try:
            await work(*arguments)
        except Exception:
            logger.exception("what goes on after a call has failed")

    nursery.start_soon(guarded)
