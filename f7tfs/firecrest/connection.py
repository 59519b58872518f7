"""What a user gives to make a client, in the terms of pyFirecREST."""

from __future__ import annotations

import inspect
import ssl
from typing import Any, TypeAlias, cast

from f7tfs.firecrest.auth import SyncAuthorization
from f7tfs.firecrest.credentials import ClientCredentialsAuth, TokenCommandAuth
from f7tfs.firecrest.session import Options
from f7tfs.firecrest.signing import Credentials, OwnHeaders

Verify: TypeAlias = bool | str | ssl.SSLContext | None


def authorization_of(given: Any) -> Credentials:
    """Any object with `get_access_token` or else `auth_headers`, blocking or not. Raises TypeError for others.

    The first is taken where there are both: a token is kept until its end, headers are asked for each time.
    """
    if isinstance(given, ClientCredentialsAuth | TokenCommandAuth):
        return given.source
    method = getattr(given, "get_access_token", None)
    if method is None:
        if hasattr(given, "auth_headers"):
            return OwnHeaders(given)
        raise TypeError(f"{type(given).__name__} has no method get_access_token() or auth_headers()")
    if not inspect.iscoroutinefunction(method):
        return SyncAuthorization(given)
    return cast(Credentials, given) if hasattr(given, "reject") else _Unrejecting(given)


class _Unrejecting:
    """An asynchronous source that cannot be told that a token was refused."""

    def __init__(self, source: Any) -> None:
        self._source = source

    async def get_access_token(self) -> str:
        return str(await self._source.get_access_token())

    def reject(self, token: str) -> None:
        """It is asked again anyway."""


def options_of(verify: Verify, options: Options | None) -> Options:
    """`verify` is as in HTTP libraries: True, False, a file of certificates, or a context."""
    if options is not None:
        return options
    if isinstance(verify, str):
        return Options(verify=ssl.create_default_context(cafile=verify))
    return Options(verify=True if verify is None else verify)
