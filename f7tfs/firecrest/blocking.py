"""Blocking twins of asynchronous classes, made of their methods: signatures and types are those of the originals.

class Firecrest(Twin):
    all_systems = blocking(AsyncFirecrest.all_systems)
"""

from __future__ import annotations

import weakref
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial, wraps
from types import TracebackType
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, cast, overload

from f7tfs.firecrest.portal import portal

P = ParamSpec("P")
A = TypeVar("A")
R = TypeVar("R")
W = TypeVar("W")


class Twin:
    """Stands for an asynchronous object, which lives in the portal's thread."""

    def __init__(self, original: Any) -> None:
        self.original = original


class BlockingClient(Twin):
    """The twin of a client, which closes its connections when nobody needs it any more."""

    def __init__(self, original: Any) -> None:
        super().__init__(original)
        self._close = weakref.finalize(self, portal().post, original.close_session)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close_session()

    def close_session(self) -> None:
        """Close the connections."""
        self._close.detach()
        portal().run(self.original.close_session)

    def create_new_session(self) -> None:
        """Close the connections, and let there be new ones."""
        portal().run(self.original.create_new_session)
        if not self._close.alive:
            self._close = weakref.finalize(self, portal().post, self.original.close_session)

    @property
    def is_session_closed(self) -> bool:
        """Whether the connections are closed."""
        return bool(self.original.is_session_closed)

    def set_api_version(self, api_version: str) -> None:
        """Nothing here depends on the server's version: for scripts that tell it."""
        self.original.set_api_version(api_version)

    @property
    def calls(self) -> dict[str, int]:
        """Requests sent so far, by `METHOD route`."""
        return dict(self.original.calls)

    @property
    def polling_sleep_times(self) -> Sequence[float]:
        """Seconds before each look at what is not done yet; the last one is repeated."""
        return tuple(self.original.polling_sleep_times)

    @polling_sleep_times.setter
    def polling_sleep_times(self, seconds: Sequence[float]) -> None:
        self.original.polling_sleep_times = seconds


def blocking(method: Callable[Concatenate[Any, P], Coroutine[Any, Any, R]]) -> Callable[Concatenate[Any, P], R]:
    """A method of a twin that runs `method` of the original and waits for its result."""
    return blocking_object(method, _same)


def blocking_object(
    method: Callable[Concatenate[Any, P], Coroutine[Any, Any, R]], twin: Callable[[R], W]
) -> Callable[Concatenate[Any, P], W]:
    """The same for a method whose result has a twin of its own."""

    @wraps(method)
    def call(self: Any, *args: P.args, **kwargs: P.kwargs) -> W:
        return twin(portal().run(partial(method, self.original, *args, **kwargs)))

    return cast(Callable[Concatenate[Any, P], W], call)


class blocking_property(Generic[A, R]):  # noqa: N801 - used like `property`
    """A property of a twin that waits for that of the original."""

    def __init__(self, kind: type[A], read: Callable[[A], Awaitable[R]]) -> None:
        del kind  # it tells the type checker what `read` takes
        self._read = read

    @overload
    def __get__(self, twin: None, owner: type[Twin]) -> Self: ...
    @overload
    def __get__(self, twin: Twin, owner: type[Twin]) -> R: ...
    def __get__(self, twin: Twin | None, owner: type[Twin]) -> R | Self:
        if twin is None:
            return self
        return portal().run(partial(self._read, twin.original))


def _same(value: R) -> R:
    return value
