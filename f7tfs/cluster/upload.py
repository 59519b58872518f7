"""What is remembered of an upload under way, so that another attempt goes on from there instead of beginning anew."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

import trio

from f7tfs.cluster.errors import (
    ClusterError,
    Interrupted,
    NotADirectory,
    NotFound,
    RemoteFailure,
    TooLarge,
    Unavailable,
)
from f7tfs.cluster.model import Limits
from f7tfs.cluster.scratch import CLEANING

logger = logging.getLogger(__name__)

NEW_FILE_MODE = 0o644
"""What a new file gets on the cluster when no mode is asked for: 0666 less the usual umask there."""
GiveUp = Callable[[dict[str, Any]], Awaitable[None]]


class UploadRecord(Protocol):
    """One upload of one content. What is in it is the adapter's business: JSON, with secrets in it.

    An adapter puts in `path`, where the content goes, and `content`; and `given_up` where the upload failed, and what
    it has left on the cluster could not be removed.
    """

    @property
    def content(self) -> str:
        """What the content is known by: what was sent of another one is of no use."""

    @property
    def kept(self) -> bool:
        """Whether it outlives this attempt: then what was sent is left for the next one."""

    def load(self) -> dict[str, Any]:
        """What an earlier attempt has left; empty if nothing."""

    async def save(self, state: Mapping[str, Any]) -> None: ...

    async def clear(self) -> None: ...


class NoRecord:
    """For an upload that is made in one attempt or not at all."""

    kept = False
    content = ""

    def load(self) -> dict[str, Any]:
        return {}

    async def save(self, state: Mapping[str, Any]) -> None:
        """Nobody asks."""

    async def clear(self) -> None:
        """Nothing is there."""


def check_size(path: str, size: int, limits: Limits) -> None:
    """Raises TooLarge for what no upload of this site brings whole."""
    if limits.largest_write is not None and size > limits.largest_write:
        raise TooLarge(
            f"{path}: {size} bytes are more than the {limits.largest_write} that this site takes in one upload"
        )


def fits(state: Mapping[str, Any], route: str, path: str, size: int, record: UploadRecord) -> bool:
    """Whether an earlier attempt on that route was to bring the very same content to the same place."""
    known = (state.get("route"), state.get("path"), state.get("size"), state.get("content"))
    return known == (route, path, size, record.content) and not state.get("given_up")


async def settle(state: dict[str, Any], record: UploadRecord, give_up: GiveUp) -> None:
    """After a failure: nothing is to be left of the attempt; where that cannot be made sure, it is put down."""
    try:
        await give_up(state)
    except ClusterError as error:
        logger.warning("what an upload has left on the cluster could not be removed: %s", error)
        state["given_up"] = True
        await record.save(state)
    else:
        await record.clear()


async def removed_for_certain(remove: Callable[[str], Awaitable[None]], path: str) -> None:
    """Remove what an upload would bring to its place in the end: without it, it never arrives there.

    Raises Unavailable where it may still be there. Also where the caller is being cancelled.
    """
    with trio.CancelScope(shield=True, deadline=trio.current_time() + CLEANING) as scope:
        try:
            await remove(path)
        except (NotFound, NotADirectory):
            pass
        except ClusterError as error:
            raise Unavailable(f"an earlier upload may still be under way, {path} is not removed: {error}") from error
    if scope.cancelled_caught:
        raise Unavailable(f"an earlier upload may still be under way, {path} is not removed: no answer")


def is_interrupted(error: BaseException) -> bool:
    """Whether an attempt ended for a reason that has nothing to do with what was sent: it can be gone on with."""
    if isinstance(error, BaseExceptionGroup):
        return all(is_interrupted(each) for each in error.exceptions)
    return isinstance(error, Unavailable | trio.Cancelled)


def told(error: BaseException) -> BaseException:
    """What the caller of an upload gets: what failed on the cluster for no reason that is known is tried again."""
    if isinstance(error, RemoteFailure):
        again = Interrupted(f"{error}; it is sent again")
        again.__cause__ = error
        return again
    return error
