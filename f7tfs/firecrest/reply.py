"""A response as errors keep it: short, and without secrets."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

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
    """Status, headers (names in lower case) and the beginning of the body."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    text: str = ""

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


def reply_of(status: int, headers: Mapping[str, str], text: str) -> Reply:
    """Keep of a response what may be kept."""
    kept = {name.lower(): value for name, value in headers.items() if name.lower() not in _SECRET_HEADERS}
    return Reply(status, kept, redacted(text[:_KEPT]))


def _plain(text: str) -> str:
    return " ".join(_TAGS.sub(" ", text).split())[:200]
