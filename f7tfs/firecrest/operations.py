"""What one endpoint is called, where it is, and whether a call of it may be repeated."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass


class Repeat(enum.Enum):
    """May a call be sent again when its answer is lost, or says 'not now'?"""

    SAFE = "safe"
    """Yes: it reads, or a second time changes nothing more."""
    COSTLY = "costly"
    """Yes, but not after the server's own command time-out: it would only run into it again."""
    NEVER = "never"
    """Only when the request provably was not carried out."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One endpoint. `seconds` bounds one attempt."""

    name: str
    method: str
    route: str
    repeat: Repeat
    seconds: float

    @property
    def label(self) -> str:
        """`METHOD route`, by which calls are counted."""
        return f"{self.method} {self.route}"


def table(operations: Iterable[Operation]) -> dict[str, Operation]:
    """The operations by name; a name that is there twice is a mistake."""
    result: dict[str, Operation] = {}
    for operation in operations:
        if operation.name in result:
            raise ValueError(f"operation {operation.name} is there twice")
        result[operation.name] = operation
    return result
