"""What a site says of how often it may be asked: Retry-After, and the RateLimit headers of gateways. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from f7tfs.firecrest.reply import Reply

_LONGEST = 300.0
"""Seconds: whatever a header says, nobody waits longer for it."""
_EPOCH = 1e8
"""A reset beyond this is a point in time, not a number of seconds: both are in use."""


@dataclass(frozen=True, slots=True)
class Budget:
    """So many more calls until `reset` seconds from now."""

    remaining: int
    reset: float


def budget_of(reply: Reply, now: datetime | None = None) -> Budget | None:
    """What is left, by RateLimit-Remaining and RateLimit-Reset, or the same with X-; None where they are not told."""
    remaining, reset = _number(reply, "remaining"), _number(reply, "reset")
    if remaining is None or reset is None:
        return None
    return Budget(int(remaining), _bounded(_seconds(reset, now)))


def retry_after(reply: Reply, now: datetime | None = None) -> float | None:
    """The seconds that a refusal asks to be waited, at most five minutes; None where it does not say.

    By Retry-After, a number or a date, else by RateLimit-Reset where that comes with a 429.
    """
    value = reply.headers.get("retry-after", "").strip()
    try:
        if value:
            return _bounded(float(value) if value.isdigit() else _until(value, now))
    except (ValueError, TypeError):
        pass
    reset = _number(reply, "reset") if reply.status == 429 else None
    return None if reset is None else _bounded(_seconds(reset, now))


def _number(reply: Reply, what: str) -> float | None:
    value = reply.headers.get(f"ratelimit-{what}") or reply.headers.get(f"x-ratelimit-{what}") or ""
    # `12, 12;w=60` is of a draft that tells several; the first is what counts.
    digits = value.partition(",")[0].partition(";")[0].strip()
    return float(digits) if digits.isdigit() else None


def _seconds(reset: float, now: datetime | None) -> float:
    return reset - (now or datetime.now(UTC)).timestamp() if reset > _EPOCH else reset


def _until(date: str, now: datetime | None) -> float:
    return (parsedate_to_datetime(date) - (now or datetime.now(UTC))).total_seconds()


def _bounded(seconds: float) -> float:
    return min(max(seconds, 0.0), _LONGEST)
