"""Faults that a test can switch on while the sandbox runs, and the count of the calls it got."""

from __future__ import annotations

import errno
import re
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

TRACES = 1000
ERRORS = {"EDQUOT": errno.EDQUOT, "ENOSPC": errno.ENOSPC}


@dataclass(slots=True)
class Rule:
    """What happens to the next `count` calls whose `METHOD /path?query` matches (None: to all of them).

    One of: `status` answers with that code instead of doing anything; `drop` cuts the connection, "before" the work
    or "after" it was done; `truncate` cuts it after so many bytes of the answer's body; with none of them, the call
    is only `delay`ed.
    """

    match: str = ""
    count: int | None = 1
    status: int | None = None
    body: str = '{"message":"Service unavailable"}'
    content_type: str = "application/json"
    retry_after: float | None = None
    drop: str | None = None
    truncate: int | None = None
    delay: float = 0.0

    def applies(self, call: str) -> bool:
        return (self.count is None or self.count > 0) and re.search(self.match, call) is not None

    def use(self) -> None:
        if self.count is not None:
            self.count -= 1


def take_rule(rules: list[Rule], call: str) -> Rule | None:
    """The first rule that applies to a call; it is used up by one."""
    for rule in rules:
        if rule.applies(call):
            rule.use()
            return rule
    return None


@dataclass(slots=True)
class Faults:
    """All that is switched on. Everything at its default is a healthy server."""

    latency: float = 0.0
    """Seconds added to every API call."""
    jitter: float = 0.0
    """Up to so many seconds more, at random."""
    rate_limit: int | None = None
    """So many API calls in `rate_seconds`; the rest are answered 429. Headers: `RateLimit-…`, `Retry-After`."""
    rate_seconds: float = 60.0
    rules: list[Rule] = field(default_factory=list)
    quota: int | None = None
    """Bytes that can still be written by uploads."""
    quota_error: str = "EDQUOT"
    """"EDQUOT" or "ENOSPC"."""
    expired_tokens: int = 0
    """The next so many calls find their token expired."""
    unhealthy: bool = False
    """v2: the health checks have failed."""
    connection_lost: int = 0
    """v2: the next so many commands find the SSH connection gone."""
    fail_transfers: int = 0
    """The next so many transfer jobs (v2) or tasks (v1) fail."""
    wrong_content: int = 0
    """The next so many transfers end well, but the content is cut short."""
    staging_delay: float = 0.0
    """Seconds that every transfer through the object store takes longer."""
    hold_tasks: str = ""
    """v1: tasks that reach this status stay there; transfers at any, all others at 100."""
    refuse_jobs: int = 0
    """The scheduler refuses the next so many jobs, transfer jobs included."""
    hold_jobs: bool = False
    """Jobs stay PENDING, as in a full queue. Not with a real Slurm."""
    fail_jobs: list[str] = field(default_factory=list)
    """The states that the user's next jobs end in, having done nothing: `["NODE_FAIL"]`. Not with a real Slurm."""
    jobs_unseen: int = 0
    """v2: the next so many looks at a job do not find it."""
    jobs_lagging: int = 0
    """v2: the next so many looks at a job show what the accounting has before it has caught up."""
    s3_rules: list[Rule] = field(default_factory=list)
    """Rules for requests to the object store: `METHOD /bucket/key?query`."""

    def take_rule(self, call: str) -> Rule | None:
        return take_rule(self.rules, call)

    def take(self, name: str) -> bool:
        """Use up one of a counted fault."""
        left: int = getattr(self, name)
        if left <= 0:
            return False
        setattr(self, name, left - 1)
        return True


class RateWindow:
    """Calls in the current window of a rate limit."""

    def __init__(self) -> None:
        self._began = 0.0
        self._count = 0

    def take(self, limit: int, seconds: float, now: float) -> tuple[int, float]:
        """Count a call; returns how many are left (negative: it is one too many), and seconds to the next window."""
        if now - self._began >= seconds:
            self._began, self._count = now, 0
        self._count += 1
        return limit - self._count, self._began + seconds - now


def parse_faults(value: dict[str, Any]) -> Faults:
    """Faults from JSON. Raises ValueError for what there is not."""
    plain = {k: v for k, v in value.items() if k not in {"rules", "s3_rules"}}
    try:
        rules = [Rule(**rule) for rule in value.get("rules", [])]
        s3_rules = [Rule(**rule) for rule in value.get("s3_rules", [])]
        faults = Faults(rules=rules, s3_rules=s3_rules, **plain)
        for rule in (*rules, *s3_rules):
            re.compile(rule.match)
    except (TypeError, re.error) as error:
        raise ValueError(str(error)) from error
    if faults.quota_error not in ERRORS:
        raise ValueError(f"quota_error is one of {sorted(ERRORS)}")
    return faults


ROUTES = [
    (re.compile(r"^(/v2/(?:filesystem|compute)/)[^/]+"), r"\1{system}"),
    (re.compile(r"^(/v2/status/)(?!systems|liveness)[^/]+"), r"\1{system}"),
    (re.compile(r"(/jobs/)(?!upload$|path$)[^/]+"), r"\1{job}"),
    (re.compile(r"^(/v1/tasks/)[^/]+"), r"\1{task}"),
    (re.compile(r"^(/v1/status/(?:systems|services|filesystems)/)[^/]+"), r"\1{name}"),
]


def route_of(path: str) -> str:
    """A path with its names and ids taken out, so that calls of one kind count together."""
    for pattern, replacement in ROUTES:
        path = pattern.sub(replacement, path)
    return path


@dataclass(frozen=True, slots=True)
class Trace:
    """What a request said of what it belongs to."""

    call: str
    """`METHOD route`."""
    request_id: str | None
    correlation_id: str | None


class Calls:
    """How many calls came, by `METHOD route`, and the ids that the last of them carried."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.traces: deque[Trace] = deque(maxlen=TRACES)

    def count(self, method: str, path: str, headers: Mapping[str, str]) -> None:
        call = f"{method} {route_of(path)}"
        self.counts[call] += 1
        self.traces.append(Trace(call, headers.get("x-request-id"), headers.get("x-correlation-id")))

    def clear(self) -> None:
        self.counts.clear()
        self.traces.clear()
