"""Where access tokens come from. Secrets are in no repr and no log line."""

from __future__ import annotations

import base64
import binascii
import json
import time
from collections.abc import Callable
from typing import Any, Literal, Protocol

import httpx
import trio

from f7tfs.firecrest.errors import ClientsCredentialsException, ConnectionFailed, RequestTimedOut
from f7tfs.firecrest.http import HttpClient
from f7tfs.firecrest.reply import reply_of

_MARGIN = 60.0
"""A server refuses a token with less than half a minute to live; a minute leaves room for a slow request."""
_ATTEMPTS = 3
_SECONDS = 60.0
_OPAQUE_SECONDS = 60.0
"""A token that does not tell its end is asked for again after this."""


class Authorization(Protocol):
    """Gives access tokens."""

    async def get_access_token(self) -> str:
        """A token that is good for a minute or more, where that can be known."""

    def reject(self, token: str) -> None:
        """The server did not accept `token`: do not give it again, if there is another to be had."""


class StaticToken:
    """One token that somebody else has fetched."""

    def __init__(self, token: str) -> None:
        self._token = token

    async def get_access_token(self) -> str:
        """The token."""
        return self._token

    def reject(self, token: str) -> None:
        """There is no other."""

    def __repr__(self) -> str:
        return "StaticToken(***)"


class CachedToken:
    """A token kept until a minute before its end, and fetched by one task at a time."""

    def __init__(self, clock: Callable[[], float] = time.time, margin: float = _MARGIN) -> None:
        self._clock = clock
        self._margin = max(margin, _MARGIN)
        self._lock = trio.Lock()
        self._token = ""
        self._fetched = 0.0
        self._good_until = 0.0

    async def get_access_token(self) -> str:
        """The token, a fresh one if the old one is about to end.

        Raises ClientsCredentialsException when it is refused, ConnectionFailed when nobody answers.
        """
        async with self._lock:
            if not self._token or self._clock() >= self._good_until:
                asked = self._clock()
                token, lifetime = await self._fetch()
                # A short-lived token would else be fetched anew for each call.
                margin = self._margin if lifetime > 2 * self._margin else lifetime / 2
                self._token, self._fetched, self._good_until = token, asked, asked + lifetime - margin
            return self._token

    @property
    def age(self) -> float | None:
        """Seconds since the token was fetched; None while there is none."""
        return self._clock() - self._fetched if self._token else None

    @property
    def good_for(self) -> float | None:
        """Seconds until another one is fetched; None while there is none."""
        return max(0.0, self._good_until - self._clock()) if self._token else None

    def reject(self, token: str) -> None:
        """Forget `token`, so that the next call fetches another."""
        if token == self._token:
            self._token = ""

    async def _fetch(self) -> tuple[str, float]:
        raise NotImplementedError

    def __repr__(self) -> str:
        return f"{type(self).__name__}(***)"


class ClientCredentials(CachedToken):
    """OAuth 2.0 client credentials; the secret goes into the form (`post`) or the header (`basic`)."""

    def __init__(
        self,
        client_id: str,
        client_secret: str,
        token_uri: str,
        *,
        method: Literal["post", "basic"] = "post",
        scope: str | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = time.time,
        margin: float = _MARGIN,
    ) -> None:
        super().__init__(clock, margin)
        if method not in {"post", "basic"}:
            raise ValueError(f"method must be post or basic, not {method!r}")
        self._credentials = (client_id, client_secret)
        self._token_uri = token_uri
        self._method = method
        self._scope = scope
        self._transport = transport

    async def _fetch(self) -> tuple[str, float]:
        async with HttpClient(transport=self._transport, timeout=_SECONDS) as client:
            for attempt in range(_ATTEMPTS):
                last = attempt == _ATTEMPTS - 1
                try:
                    response = await self._request(client)
                except httpx.TransportError:
                    # Asking twice does no harm: the provider just makes a second token.
                    if last:
                        raise
                else:
                    if response.status_code < 500 or last:
                        return _token_of(response)
                await trio.sleep(0.5 * 2**attempt)
        raise AssertionError("the last attempt returns or raises")

    async def _request(self, client: httpx.AsyncClient) -> httpx.Response:
        form = {"grant_type": "client_credentials"}
        if self._scope:
            form["scope"] = self._scope
        if self._method == "basic":
            return await client.post(self._token_uri, data=form, auth=httpx.BasicAuth(*self._credentials))
        client_id, client_secret = self._credentials
        return await client.post(
            self._token_uri, data={**form, "client_id": client_id, "client_secret": client_secret}
        )

    async def get_access_token(self) -> str:
        """The token; see the base class."""
        try:
            return await super().get_access_token()
        except httpx.TimeoutException as error:
            told = f"the identity provider did not answer in time: POST {self._token_uri}"
            raise RequestTimedOut(told, sent=True) from error
        except httpx.TransportError as error:
            told = f"the identity provider cannot be reached: POST {self._token_uri}: {error}"
            raise ConnectionFailed(told, sent=False) from error


class TokenCommand(CachedToken):
    """A shell command of the user's that prints a token."""

    def __init__(self, command: str, clock: Callable[[], float] = time.time) -> None:
        super().__init__(clock)
        self._command = command

    async def _fetch(self) -> tuple[str, float]:
        with trio.move_on_after(_SECONDS) as scope:
            done = await trio.run_process(
                ["/bin/sh", "-c", self._command],
                capture_stdout=True,
                capture_stderr=True,
                check=False,
            )
        if scope.cancelled_caught:
            raise ClientsCredentialsException(message=f"the token command did not end within {_SECONDS:.0f} s")
        token = done.stdout.decode(errors="replace").strip()
        if done.returncode != 0 or not token:
            said = done.stderr.decode(errors="replace").strip()[-300:] or "it printed nothing"
            raise ClientsCredentialsException(message=f"the token command failed ({done.returncode}): {said}")
        return token, _lifetime(token, self._clock())


class _Getter(Protocol):
    def get_access_token(self) -> str: ...


class SyncAuthorization(CachedToken):
    """Any object with a blocking `get_access_token()`, such as pyFirecREST's; it is called in a thread."""

    def __init__(self, source: _Getter, clock: Callable[[], float] = time.time) -> None:
        super().__init__(clock)
        self._source = source

    async def _fetch(self) -> tuple[str, float]:
        token = await trio.to_thread.run_sync(self._source.get_access_token)
        return token, _lifetime(token, self._clock())


def claims_of(token: str) -> dict[str, Any]:
    """What a JWT says; nothing for any other token. The signature is not looked at."""
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        payload = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError):
        return {}
    return payload if isinstance(payload, dict) else {}


def expiry_of(token: str) -> float | None:
    """The `exp` claim of a JWT, in epoch seconds; None for any other token."""
    try:
        return float(claims_of(token)["exp"])
    except (ValueError, KeyError, TypeError):
        return None


def _lifetime(token: str, now: float) -> float:
    expiry = expiry_of(token)
    return 2 * _OPAQUE_SECONDS if expiry is None else max(expiry - now, 0.0)


def _token_of(response: httpx.Response) -> tuple[str, float]:
    try:
        body = response.json()
        token = str(body["access_token"])
        lifetime = float(body.get("expires_in", 300))
    except (ValueError, KeyError, TypeError, AttributeError):
        token, lifetime = "", 0.0
    if response.is_success and token:
        return token, lifetime
    asked = f"{response.request.method} {str(response.request.url).partition('?')[0]}"
    raise ClientsCredentialsException([reply_of(response.status_code, response.headers, response.text, asked)])
