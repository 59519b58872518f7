"""The responses that led to an error, where one call of a user makes several requests."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from f7tfs.firecrest.errors import FirecrestException
from f7tfs.firecrest.reply import Reply
from f7tfs.firecrest.tracing import correlated

_MOST = 50
"""A task that is followed for hours answers often: the last replies are what tells."""

_trail: ContextVar[deque[Reply] | None] = ContextVar("f7tfs_trail", default=None)


@contextmanager
def trail() -> Iterator[deque[Reply]]:
    """The replies to what is asked in here, oldest first; an error that leaves it has them as its `responses`.

    Inside another trail this is that one: the outermost call, which is the user's, counts.
    All that is asked has one correlation id.
    """
    outer = _trail.get()
    if outer is not None:
        yield outer
        return
    replies: deque[Reply] = deque(maxlen=_MOST)
    token = _trail.set(replies)
    try:
        with correlated():
            yield replies
    except FirecrestException as error:
        error.came_after(replies)
        raise
    finally:
        _trail.reset(token)


def note(reply: Reply) -> None:
    """A response has come."""
    replies = _trail.get()
    if replies is not None:
        replies.append(reply)
