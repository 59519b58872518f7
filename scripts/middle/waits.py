"""How long real servers, their schedulers and a line take, as settings, faults and rules of the sandbox.

Medians that were seen on servers of both versions with an idle cluster. Seconds, and bytes.
"""

from __future__ import annotations

from typing import Any

ROUND_TRIP = 0.02
"""To the API, by a proxy; to object storage as a delay of each request."""
SLOW_LINE = 100e6 / 8
"""Bytes a second of 100 Mbit/s. `None` instead: as fast as the loopback."""
_JOB_START = 2.6
SETTINGS: dict[str, dict[str, Any]] = {
    # One part each: real servers have parts of 1 GiB and more.
    "v2": {"job_start_seconds": _JOB_START, "ingest_poll_seconds": 60.0, "max_part_size": 2**30},
    # Its look at object storage comes once a minute, whenever the file was sent: half of that, in the mean.
    "v1": {"job_start_seconds": _JOB_START, "ingest_poll_seconds": 30.0},
}
_EACH = {"v1": 0.24, "v2": 0.02}
_STAGING_BYTE = 0.025e-6
"""For each byte between the cluster's disk and its object storage."""


def staging(size: int) -> float:
    """What a transfer job or task takes more for a file of `size` bytes."""
    return size * _STAGING_BYTE


def api(version: str, biggest: int, at_once: int, line: float | None) -> list[dict[str, Any]]:
    """Rules for the calls, where direct ones carry `biggest` bytes at most, and share the line `at_once`."""
    on_line = biggest * at_once / line if line else 0.0
    mb = biggest / 1e6
    if version == "v2":
        delays = {
            "POST .*/transfer/(up|down)load": 0.5,
            "POST .*/ops/upload": 0.02 + 0.036 * mb + on_line,
            "GET .*/ops/download": 0.02 + 0.02 * mb,
            "GET .*/ops/view": 0.02 + 0.02 * mb,
            " .*/compute/": 0.1,
        }
    else:
        delays = {
            "GET .*/tasks": 0.005,
            "POST .*/xfer-external": 0.5,
            # One after the other.
            "POST .*/utilities/upload": (0.24 + 0.085 * mb) * at_once + on_line,
            # Two commands.
            "GET .*/utilities/download": 0.48 + 0.1 * mb,
        }
    return [_always(match, delay) for match, delay in {**delays, "": _EACH[version]}.items()]


def storage(version: str, size: int, line: float | None) -> list[dict[str, Any]]:
    """Rules for the requests to object storage."""
    sending = {"v2": "^PUT .*partNumber", "v1": "^POST /[^?]*$"}[version]
    return [_always(sending, ROUND_TRIP + (size / line if line else 0.0)), _always("^GET", ROUND_TRIP)]


def _always(match: str, delay: float) -> dict[str, Any]:
    return {"match": match, "count": None, "delay": delay}
