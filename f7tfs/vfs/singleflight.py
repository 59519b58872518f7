"""Concurrent askers of one thing share one request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

import trio

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


class _Flight(Generic[Value]):
    def __init__(self) -> None:
        self.landed = trio.Event()
        self.value: list[Value] = []
        self.error: Exception | None = None


class SingleFlight(Generic[Key, Value]):
    """`run(key, ask)` asks once for all who come while the question is out.

    The first caller asks; if it is cancelled, one of those who wait asks again.
    """

    def __init__(self) -> None:
        self._flights: dict[Key, _Flight[Value]] = {}

    async def run(self, key: Key, ask: Callable[[], Awaitable[Value]]) -> Value:
        """The answer of `ask`, or its error, from whoever asked first."""
        while (flight := self._flights.get(key)) is not None:
            await flight.landed.wait()
            if flight.error is not None:
                raise flight.error
            if flight.value:
                return flight.value[0]
        return await self._lead(key, ask)

    async def _lead(self, key: Key, ask: Callable[[], Awaitable[Value]]) -> Value:
        # No await between the caller's look into the table and this line.
        flight = self._flights[key] = _Flight()
        try:
            value = await ask()
            flight.value.append(value)
            return value
        except Exception as error:
            flight.error = error
            raise
        finally:
            del self._flights[key]
            flight.landed.set()
