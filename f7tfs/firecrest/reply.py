"""A response as errors keep it: short, and without secrets."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

_SECRET_HEADERS = frozenset({"auth-token", "authorization", "set-cookie", "cookie", "www-authenticate", "location"})
_SECRET_TEXT = (
    # Signatures and credentials of presigned URLs and forms, and tokens, as they stand in URLs and in JSON.
    re.compile(
        r"((?:X-Amz-(?:Signature|Credential|Security-Token)|AWSAccessKeyId|Signature|policy)=)[^&\"'\\\s]+",
        re.IGNORECASE,
    ),
    re.compile(
        r"(\"(?:policy|x-amz-signature|x-amz-credential|signature|access_token|refresh_token|id_token)\"\s*:\s*\")[^\"]+",
        re.IGNORECASE,
    ),
    re.compile(r"(Bearer\s+)[\w.~+/=-]+", re.IGNORECASE),
)
_KEPT = 4000
_TAGS = re.compile(r"<[^>]+>")


@dataclass(frozen=True, slots=True)
class Reply:
    """Status, headers (names in any case) and the beginning of the body, all without secrets."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    text: str = ""
    request: str = ""
    """What was asked: `METHOD /route name=/path/on/the/cluster`."""

    @property
    def status_code(self) -> int:
        """The same as `status`, as HTTP libraries call it."""
        return self.status

    def json(self) -> Any:
        """The body. Raises ValueError if it is no JSON, or more than was kept."""
        return json.loads(self.text)

    @property
    def message(self) -> str:
        """What the server says of the error: v2 `message`, v1 `error` or `description`, a gateway's `message`."""
        try:
            body = json.loads(self.text)
        except ValueError:
            return _plain(self.text) or f"HTTP status {self.status}"
        if isinstance(body, dict):
            for key in ("error", "message", "description"):
                if isinstance(body.get(key), str) and body[key]:
                    return str(body[key])
        return f"HTTP status {self.status}"


def redacted(text: str) -> str:
    """`text` without the secret parts of presigned URLs and without tokens."""
    for pattern in _SECRET_TEXT:
        text = pattern.sub(r"\1<redacted>", text)
    return text


def reply_of(status: int, headers: Mapping[str, str], text: str, request: str = "") -> Reply:
    """Keep of a response what may be kept."""
    kept = {name.lower(): value for name, value in headers.items() if name.lower() not in _SECRET_HEADERS}
    return Reply(status, httpx.Headers(kept), redacted(text[:_KEPT]), request)


def _plain(text: str) -> str:
    return " ".join(_TAGS.sub(" ", text).split())[:200]
