"""Access tokens: signed JWTs made and checked here. A restarted sandbox with the same secret accepts them still."""

from __future__ import annotations

import base64
import binascii
import enum
import hashlib
import hmac
import json
import time
from dataclasses import dataclass
from typing import Any

from f7tfs.sandbox.settings import SandboxSettings


class TokenState(enum.Enum):
    VALID = "valid"
    MISSING = "missing"
    INVALID = "invalid"
    BAD_SIGNATURE = "bad signature"
    EXPIRED = "expired"
    EXPIRING = "expiring"
    """Valid, but for less than v2 demands."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What a token turned out to be, and whose it is."""

    state: TokenState
    user: str | None = None
    token: str = ""


class Tokens:
    """Issues and checks the tokens of one client."""

    def __init__(self, settings: SandboxSettings, secret: str) -> None:
        self._settings = settings
        self._key = hashlib.sha256(b"sandbox tokens " + secret.encode()).digest()
        self._secret = secret
        self._valid_from = 0.0

    def expire_all(self) -> None:
        """Every token issued until now counts as expired."""
        self._valid_from = time.time()

    def right_client(self, client_id: str, secret: str) -> bool:
        same_id = hmac.compare_digest(client_id.encode(), self._settings.client_id.encode())
        return same_id and hmac.compare_digest(secret.encode(), self._secret.encode())

    def issue(self, user: str | None = None, seconds: float | None = None) -> str:
        now = time.time()
        lifetime = self._settings.token_seconds if seconds is None else seconds
        claims = {
            "iss": "sandbox",
            "iat": now,
            "exp": int(now + lifetime),
            "sub": user or self._settings.user,
            "preferred_username": user or self._settings.user,
            "azp": self._settings.client_id,
            "scope": "firecrest profile email",
        }
        head = _encode({"alg": "HS256", "typ": "JWT", "kid": "sandbox"})
        body = f"{head}.{_encode(claims)}"
        return f"{body}.{self._signature(body)}"

    def check(self, authorization: str | None) -> Checked:
        """Judge the value of an Authorization header."""
        if not authorization:
            return Checked(TokenState.MISSING)
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token:
            return Checked(TokenState.MISSING)
        body, _, signature = token.rpartition(".")
        claims = _decode(body.partition(".")[2])
        if claims is None:
            return Checked(TokenState.INVALID, token=token)
        if not hmac.compare_digest(signature.encode(), self._signature(body).encode()):
            return Checked(TokenState.BAD_SIGNATURE, token=token)
        left = float(claims["exp"]) - time.time()
        user = str(claims["sub"])
        if left <= 0 or float(claims["iat"]) < self._valid_from:
            return Checked(TokenState.EXPIRED, user, token)
        if left < self._settings.minimum_token_seconds:
            return Checked(TokenState.EXPIRING, user, token)
        return Checked(TokenState.VALID, user, token)

    def _signature(self, body: str) -> str:
        return _base64(hmac.new(self._key, body.encode("utf-8", "replace"), hashlib.sha256).digest())


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _encode(value: dict[str, Any]) -> str:
    return _base64(json.dumps(value, separators=(",", ":")).encode())


def _decode(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError):
        return None
    return value if isinstance(value, dict) and {"exp", "iat", "sub"} <= value.keys() else None
