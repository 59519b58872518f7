"""Whether a call is sent again, and when. Pure: the session does the waiting.

The table of what may be repeated is in `operations_v1` and `operations_v2`; here is what an outcome means.
"""

from __future__ import annotations

import enum
import random
from collections.abc import Callable
from dataclasses import dataclass

from f7tfs.firecrest.operations import Operation, Repeat
from f7tfs.firecrest.reply import Reply


class Outcome(enum.Enum):
    """What is known after one attempt that was not answered by a success."""

    FINAL = "final"
    """The server has decided; the same answer would come again."""
    NOT_DONE = "not done"
    """The request was provably not carried out, and may be later."""
    UNKNOWN = "unknown"
    """It may have been carried out, or may be still."""
    COMMAND_TIMEOUT = "command time-out"
    """The command on the cluster ran too long there; it may have been carried out, wholly or in part."""


# Of v2, both from before any command is run: the SSH connection has no room for another channel, or is not there.
_NEVER_STARTED = ("Unable to open a new SSH channel", "Unable to establish SSH connection", "(111,")
_UNHEALTHY = "is unhealthy"


def outcome_of(reply: Reply) -> Outcome:
    """What a response that is no success says of the call."""
    match reply.status:
        case 429:
            return Outcome.NOT_DONE
        case 424:
            return Outcome.NOT_DONE if _says(reply, *_NEVER_STARTED) else Outcome.UNKNOWN
        case 503:
            return Outcome.NOT_DONE if _says(reply, _UNHEALTHY) else Outcome.UNKNOWN
        case 408:
            return Outcome.COMMAND_TIMEOUT
        case 502 | 504:
            return Outcome.UNKNOWN
        case 500 if _says(reply, "(111,"):
            return Outcome.NOT_DONE
        case 400 if "x-timeout" in reply.headers:
            return Outcome.COMMAND_TIMEOUT
        case _:
            return Outcome.FINAL


def may_repeat(operation: Operation, outcome: Outcome) -> bool:
    """Whether a call of `operation` may be sent again after `outcome`."""
    match outcome:
        case Outcome.FINAL:
            return False
        case Outcome.NOT_DONE:
            return True
        case Outcome.UNKNOWN:
            return operation.repeat is not Repeat.NEVER
        case Outcome.COMMAND_TIMEOUT:
            return operation.repeat is Repeat.SAFE


def is_uncertain(operation: Operation, outcome: Outcome) -> bool:
    """Whether, when there will be no other attempt, nobody can say if the cluster has changed."""
    return operation.repeat is Repeat.NEVER and outcome in {Outcome.UNKNOWN, Outcome.COMMAND_TIMEOUT}


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Back-off with full jitter: the n-th wait is random between a half of and all of first * 2^n, at most `longest`.

    No attempt begins later than `total` seconds after the first. A gateway's 502 is often final (v1's server dies of
    some names), and the server's own time-outs cost seconds each: `few` attempts are made after those.
    """

    total: float = 30.0
    first: float = 0.25
    longest: float = 8.0
    few: int = 3
    rand: Callable[[], float] = random.random

    def wait(self, attempt: int) -> float:
        """Seconds to wait after the attempt of that number, from zero."""
        ceiling: float = min(self.longest, self.first * 2**attempt)
        return ceiling * (0.5 + 0.5 * self.rand())

    def attempts(self, status: int | None) -> int:
        """The most attempts that are made when they end in `status`; None is no answer."""
        return self.few if status in {400, 408, 502} else 1_000


def _says(reply: Reply, *phrases: str) -> bool:
    return any(phrase in reply.text for phrase in phrases)
