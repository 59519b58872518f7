"""The token endpoint: client credentials, in the body or as basic authentication."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable
from urllib.parse import unquote_plus

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from f7tfs.sandbox.site import Site


def token_endpoint(site: Site) -> Callable[[Request], Awaitable[Response]]:
    async def token(request: Request) -> Response:
        form = {k: v for k, v in (await request.form()).items() if isinstance(v, str)}
        client_id, secret = _basic(request) or (form.get("client_id", ""), form.get("client_secret", ""))
        if not site.tokens.right_client(client_id, secret):
            return _error("invalid_client", "Invalid client or Invalid client credentials", 401)
        if form.get("grant_type") != "client_credentials":
            return _error("unsupported_grant_type", "Unsupported grant_type", 400)
        body = {
            "access_token": site.tokens.issue(),
            "expires_in": int(site.settings.token_seconds),
            "refresh_expires_in": 0,
            "token_type": "Bearer",
            "not-before-policy": 0,
            "scope": "firecrest profile email",
        }
        return JSONResponse(body, headers={"cache-control": "no-store"})

    return token


def _basic(request: Request) -> tuple[str, str] | None:
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, _, secret = base64.b64decode(value).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return unquote_plus(name), unquote_plus(secret)


def _error(code: str, description: str, status: int) -> Response:
    return JSONResponse({"error": code, "error_description": description}, status)
