"""What real servers answered, and the comparison of a sandbox's answers with it.

What differs from one machine and one moment to another (times, inode numbers, ids, sizes of directories) is masked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx

DATA = Path(__file__).parents[1] / "data"
MASKED = {"ino", "dev", "atime", "ctime", "mtime", "lastModified", "last_modified", "task_id", "task_url", "cpus"}
COMPARED_HEADERS = re.compile(
    r"x-(?!request-id|correlation-id|amz|rgw).*|www-authenticate|content-(?:disposition|range)"
)

Function = TypeVar("Function", bound=Callable[..., None])


def recordings(version: str) -> dict[str, dict[str, Any]]:
    """All of them, by name."""
    lines = (DATA / f"{version}-transcripts.jsonl").read_text().splitlines()
    return {recording["name"]: recording for recording in map(json.loads, lines)}


V1, V2 = recordings("v1"), recordings("v2")

NOT_REPLAYED: dict[str, dict[str, str]] = {
    "v1": {
        "upload 6 MiB through the gateway": "a race: the gateway answers 502 or passes on the service's 413, "
        "both were seen; the sandbox always answers 413",
    },
    "v2": {},
}
"""Recordings that nothing here repeats, and why."""

IN_FLOWS: dict[str, set[str]] = {"v1": set(), "v2": set()}
"""Those that need what an earlier call brought about."""


def flow(version: str, *names: str) -> Callable[[Function], Function]:
    """A test that compares these recordings, each with `Expected.same`."""

    def mark(function: Function) -> Function:
        IN_FLOWS[version] |= set(names)
        function.recordings = (version, names)  # type: ignore[attr-defined]
        return function

    return mark


def single(version: str) -> list[dict[str, Any]]:
    """The recordings that stand for themselves. Call it after the flows were imported."""
    others = IN_FLOWS[version] | NOT_REPLAYED[version].keys()
    return [entry for name, entry in recordings(version).items() if name not in others]


def masked(value: Any) -> Any:
    """A body without what depends on the machine and the moment."""
    if isinstance(value, list):
        return [masked(entry) for entry in value]
    if isinstance(value, str):
        return re.sub(r"copied, [\d.]+ s", "copied, N s", value)
    if not isinstance(value, dict):
        return value
    kept = {k: masked(v) for k, v in value.items() if k not in MASKED}
    if kept.get("type") == "d":
        kept.pop("size", None)
    return kept


def recorded_headers(recording: dict[str, Any]) -> dict[str, str]:
    """Those that say something."""
    found = {name.lower(): value for name, value in recording["response"].get("headers", {}).items()}
    return {name: value for name, value in found.items() if COMPARED_HEADERS.fullmatch(name)}


def recorded_body(recording: dict[str, Any]) -> Any:
    """The JSON value of the body, or its text."""
    body = recording["response"].get("body")
    if not isinstance(body, str):
        return body
    try:
        return json.loads(body)
    except ValueError:
        return body


def body_of(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        return answer.text


def check_head(recording: dict[str, Any], answer: httpx.Response) -> None:
    """Status and headers."""
    assert answer.status_code == recording["response"]["status"], answer.text
    found = {name: value for name, value in answer.headers.items() if COMPARED_HEADERS.fullmatch(name)}
    assert found == recorded_headers(recording)


def check(recording: dict[str, Any], answer: httpx.Response, view: Callable[[Any], Any] = masked) -> None:
    """The answer is the recorded one. `view` picks what is compared of a body."""
    check_head(recording, answer)
    length = length_of(recording)
    if length is None:
        assert view(body_of(answer)) == view(recorded_body(recording))
    else:  # the content was random
        assert len(answer.content) == length


def length_of(recording: dict[str, Any]) -> int | None:
    """The length of a body that was not recorded."""
    response = recording["response"]
    body = response.get("body")
    if isinstance(body, dict) and "length" in body:
        return int(body["length"])
    return int(response["body_length"]) if body is None and "body_length" in response else None


MOMENT = {"hash_id", "created_at", "updated_at", "trace_id", "url", "command", "key", "policy", "system_addr"}
MOMENT |= {"x-amz-credential", "x-amz-date", "x-amz-signature", "jobId", "outputLog", "errorLog", "downloadUrl"}
MOMENT |= {"partsUploadUrls", "completeUploadUrl", "maxPartSize", "elapsed", "start", "end", "priority", "id"}
MOMENT |= {"job_file", "job_file_out", "job_file_err", "jobid", "latency", "lastChecked", "lastHealthCheck"}
MOMENT |= {"last_modify", "cluster", "publicUrl", "max_part_size", "port", "cpuLoad", "freeMemory"}


def outlined(value: Any) -> Any:
    """A masked body, where what differs from call to call is only known by its type, and texts by their words."""
    if isinstance(value, list):
        return [outlined(entry) for entry in value]
    if not isinstance(value, dict):
        return masked(value)
    return {k: kind_of(v) if k in MOMENT else outlined(v) for k, v in value.items() if k not in MASKED}


def kind_of(value: Any) -> Any:
    """What a value is, and how many there are of it."""
    return [kind_of(entry) for entry in value] if isinstance(value, list) else type(value).__name__


class Expected:
    """The recordings of one flow, each of which must be compared."""

    def __init__(self, version: str, names: tuple[str, ...]) -> None:
        self._all = recordings(version)
        self.left = set(names)

    def request(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self._all[name]["request"]
        return found

    def same(self, name: str, answer: httpx.Response, view: Callable[[Any], Any] = outlined) -> httpx.Response:
        self.left.discard(name)
        check(self._all[name], answer, view)
        return answer
