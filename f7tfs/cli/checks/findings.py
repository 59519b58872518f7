"""What a check finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warning", "failed", "not examined"]

SECONDS = 10.0
"""How long one answer of a service is waited for, as `f7tfs mount` does."""
SILENT = f"no answer within {SECONDS:.0f} s"
SILENT_CURE = "the site may be down or overloaded: see its status page, try again later"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor's report."""

    check: str
    state: State
    found: str
    cure: str = ""
    """What to do; empty where all is well."""
    seconds: float | None = None


def ok(check: str, found: str, seconds: float | None = None) -> Finding:
    return Finding(check, "ok", found, seconds=seconds)


def warning(check: str, found: str, cure: str) -> Finding:
    return Finding(check, "warning", found, cure)


def failed(check: str, found: str, cure: str) -> Finding:
    return Finding(check, "failed", found, cure)


def not_examined(check: str, why: str = "what it needs has failed") -> Finding:
    return Finding(check, "not examined", why)
