"""Ids by which a site finds in its logs what belongs together, in headers of pyFirecREST's names."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_correlation: ContextVar[str | None] = ContextVar("f7tfs_correlation", default=None)


@contextmanager
def correlation_id(cid: str | None = None) -> Iterator[str]:
    """All requests made in here carry `X-Correlation-ID: cid`, a random UUID where none is given; it is yielded.

    Without this, the requests of each call of a client have one of their own.
    """
    given = cid or str(uuid.uuid4())
    token = _correlation.set(given)
    try:
        yield given
    finally:
        _correlation.reset(token)


@contextmanager
def correlated(default: str | None = None) -> Iterator[str]:
    """The id that is set already, else `default`, else a new one."""
    outer = _correlation.get()
    if outer is not None:
        yield outer
        return
    with correlation_id(default) as given:
        yield given


def current() -> str | None:
    """The id that is set."""
    return _correlation.get()


def tracing_headers() -> dict[str, str]:
    """Of one request: an id of its own, and that of what it belongs to."""
    correlation = _correlation.get()
    of_all = {} if correlation is None else {"X-Correlation-ID": correlation}
    return {"X-Request-ID": str(uuid.uuid4()), **of_all}
