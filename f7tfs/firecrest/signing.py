"""The headers that show a server who sends a request: a bearer token's, or whatever an object of the user's gives."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, Protocol, TypeAlias

import trio

from f7tfs.firecrest.auth import Authorization


class OwnHeaders:
    """Headers by an object's `auth_headers()`, blocking or not, which is asked for each request."""

    def __init__(self, source: Any) -> None:
        self._source = source

    async def headers(self) -> Mapping[str, str]:
        """What `auth_headers()` gives."""
        method = self._source.auth_headers
        if inspect.iscoroutinefunction(method):
            return dict(await method())
        return dict(await trio.to_thread.run_sync(method))

    def reject(self, headers: Mapping[str, str]) -> None:
        """It is asked again anyway."""

    def __repr__(self) -> str:
        return f"OwnHeaders({type(self._source).__name__})"


Credentials: TypeAlias = Authorization | OwnHeaders


class Signer(Protocol):
    """Gives the headers for one request."""

    async def headers(self) -> Mapping[str, str]:
        """The headers. Raises FirecrestException."""

    def reject(self, headers: Mapping[str, str]) -> None:
        """The server did not accept these."""


class _Bearer:
    def __init__(self, authorization: Authorization) -> None:
        self._authorization = authorization

    async def headers(self) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {await self._authorization.get_access_token()}"}

    def reject(self, headers: Mapping[str, str]) -> None:
        self._authorization.reject(headers["Authorization"].removeprefix("Bearer "))


def signer_of(credentials: Credentials) -> Signer:
    """What signs requests by these."""
    return credentials if isinstance(credentials, OwnHeaders) else _Bearer(credentials)
