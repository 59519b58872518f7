"""What is remembered of an upload under way, so that another attempt goes on from there instead of beginning anew."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import trio

from f7tfs.cluster.errors import RemoteFailure, Unavailable


class UploadRecord(Protocol):
    """One upload of one content. What is in it is the adapter's business: JSON, with secrets in it."""

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

    def load(self) -> dict[str, Any]:
        return {}

    async def save(self, state: Mapping[str, Any]) -> None:
        """Nobody asks."""

    async def clear(self) -> None:
        """Nothing is there."""


def is_interrupted(error: BaseException) -> bool:
    """Whether an attempt ended for a reason that has nothing to do with what was sent: it can be gone on with."""
    if isinstance(error, BaseExceptionGroup):
        return all(is_interrupted(each) for each in error.exceptions)
    return isinstance(error, Unavailable | trio.Cancelled)


def told(error: BaseException) -> BaseException:
    """What the caller of an upload gets: what failed on the cluster for no reason that is known is tried again."""
    if isinstance(error, RemoteFailure):
        again = Unavailable(f"{error}; it is sent again")
        again.__cause__ = error
        return again
    return error
