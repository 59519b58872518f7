"""A thread that runs trio, so that blocking code can call asynchronous code. One serves the whole process."""

from __future__ import annotations

import contextlib
import contextvars
import os
import queue
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from functools import lru_cache
from typing import TypeVar

import trio
import trio.lowlevel

T = TypeVar("T")


class Portal:
    """Runs asynchronous calls in a thread of its own, for any number of other threads."""

    def __init__(self) -> None:
        started: queue.SimpleQueue[tuple[trio.lowlevel.TrioToken, trio.Nursery]] = queue.SimpleQueue()
        self._thread = threading.Thread(target=trio.run, args=(_serve, started), name="f7tfs-portal", daemon=True)
        self._thread.start()
        self._token, self._nursery = started.get()

    def run(self, call: Callable[[], Awaitable[T]]) -> T:
        """What `call` returns or raises. When the waiting thread is interrupted, the call is cancelled."""
        if threading.current_thread() is self._thread:
            raise RuntimeError("a blocking call inside the thread that would serve it")
        future: Future[T] = Future()
        scope = trio.CancelScope()
        self._spawn(call, future, scope)
        try:
            return future.result()
        except BaseException:
            with contextlib.suppress(trio.RunFinishedError):
                self._token.run_sync_soon(scope.cancel)
            raise

    def post(self, call: Callable[[], Awaitable[None]]) -> None:
        """Begin `call`, and do not wait for it."""
        with contextlib.suppress(trio.RunFinishedError):
            self._spawn(call, Future(), trio.CancelScope())

    def _spawn(self, call: Callable[[], Awaitable[T]], future: Future[T], scope: trio.CancelScope) -> None:
        context = contextvars.copy_context()

        def start() -> None:
            context.run(self._nursery.start_soon, _settle, call, future, scope)

        self._token.run_sync_soon(start)


async def _settle(call: Callable[[], Awaitable[T]], future: Future[T], scope: trio.CancelScope) -> None:
    with scope:
        try:
            future.set_result(await call())
        except trio.Cancelled:
            future.cancel()
            raise
        except BaseException as error:  # noqa: BLE001 - the caller's thread gets it, whatever it is
            future.set_exception(error)


async def _serve(started: queue.SimpleQueue[tuple[trio.lowlevel.TrioToken, trio.Nursery]]) -> None:
    async with trio.open_nursery() as nursery:
        started.put((trio.lowlevel.current_trio_token(), nursery))
        await trio.sleep_forever()


_making = threading.Lock()


def portal() -> Portal:
    """The portal of this process; a child of fork has one of its own."""
    with _making:
        return _portal_of(os.getpid())


@lru_cache(maxsize=1)
def _portal_of(_: int) -> Portal:
    return Portal()
