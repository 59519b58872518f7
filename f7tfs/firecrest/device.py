"""Login in a browser, by a code that is shown here (RFC 8628), for sites whose users have no OAuth client."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import trio

from f7tfs.firecrest.auth import CachedToken
from f7tfs.firecrest.errors import ClientsCredentialsException, ConnectionFailed
from f7tfs.firecrest.http import HttpClient
from f7tfs.firecrest.keyring import SecretStore
from f7tfs.firecrest.reply import reply_of

_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_SECONDS = 30.0
_INTERVAL = 5.0
"""Seconds between two questions, where the provider does not say; and so many more each time that it says so."""


@dataclass(frozen=True, slots=True)
class DeviceLogin:
    """What the user is to be shown."""

    url: str
    code: str
    url_with_code: str
    """The same with the code in it; empty where the provider has no such thing."""
    seconds: float
    """After which the code is void."""


def show_login(login: DeviceLogin) -> None:
    """Tell the user on stderr where to log in."""
    where = login.url_with_code or login.url
    sys.stderr.write(f"To log in, open {where} in a browser and enter the code {login.code}\n")
    sys.stderr.flush()


class DeviceFlow(CachedToken):
    """A token for whoever logs in in a browser; a refresh token spares the next login.

    With a `store` (such as Keyring) the refresh token is kept there, under `client_id@token_uri`.
    """

    def __init__(
        self,
        client_id: str,
        device_uri: str,
        token_uri: str,
        *,
        scope: str | None = None,
        show: Callable[[DeviceLogin], None] = show_login,
        store: SecretStore | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(clock)
        self._client_id = client_id
        self._device_uri = device_uri
        self._token_uri = token_uri
        self._scope = scope
        self._show = show
        self._store = store
        self._transport = transport
        self._refresh_token: str | None = None

    async def _fetch(self) -> tuple[str, float]:
        async with HttpClient(transport=self._transport, timeout=_SECONDS) as http:
            try:
                answer = await self._refreshed(http) or await self._logged_in(http)
                token, seconds = str(answer["access_token"]), float(answer.get("expires_in", 300))
            except (KeyError, TypeError, ValueError) as error:
                raise ClientsCredentialsException(message=f"the identity provider's answer lacks {error}") from error
        await self._keep(answer.get("refresh_token"))
        return token, seconds

    async def _refreshed(self, http: httpx.AsyncClient) -> dict[str, Any] | None:
        """A token for the refresh token; None where there is none, or it is void."""
        # The store first: another process may have used up the one that is remembered here, or logged in anew.
        refresh_token = await self._kept() or self._refresh_token
        if not refresh_token:
            return None
        response = await self._post(
            http, self._token_uri, {"grant_type": "refresh_token", "refresh_token": refresh_token}
        )
        if response.is_success:
            return _json(response)
        if response.status_code >= 500 or response.status_code == 429:
            raise _refusal(response)
        await self._forget()
        return None

    async def _logged_in(self, http: httpx.AsyncClient) -> dict[str, Any]:
        form = {"scope": self._scope} if self._scope else {}
        response = await self._post(http, self._device_uri, form)
        if not response.is_success:
            raise _refusal(response)
        asked = _json(response)
        login = DeviceLogin(
            str(asked["verification_uri"]),
            str(asked["user_code"]),
            str(asked.get("verification_uri_complete") or ""),
            float(asked.get("expires_in", 600)),
        )
        self._show(login)
        with trio.move_on_after(login.seconds):
            return await self._waited(http, str(asked["device_code"]), float(asked.get("interval", _INTERVAL)))
        raise ClientsCredentialsException(message="nobody has logged in with the code in time")

    async def _waited(self, http: httpx.AsyncClient, device_code: str, interval: float) -> dict[str, Any]:
        form = {"grant_type": _GRANT, "device_code": device_code}
        while True:
            await trio.sleep(interval)
            try:
                response = await self._post(http, self._token_uri, form)
            except ConnectionFailed:
                interval *= 2  # as the RFC wants it
                continue
            if response.is_success:
                return _json(response)
            match _error_code(response):
                case "authorization_pending":
                    pass
                case "slow_down":
                    interval += _INTERVAL
                case _:
                    raise _refusal(response)

    async def _post(self, http: httpx.AsyncClient, url: str, form: Mapping[str, str]) -> httpx.Response:
        try:
            return await http.post(url, data={"client_id": self._client_id, **form})
        except httpx.TransportError as error:
            told = str(error) or type(error).__name__
            raise ConnectionFailed(
                f"the identity provider cannot be reached: POST {url}: {told}", sent=True
            ) from error

    # -- the refresh token -----------------------------------------------------------------------

    @property
    def _name(self) -> str:
        return f"{self._client_id}@{self._token_uri}"

    async def _kept(self) -> str | None:
        return await trio.to_thread.run_sync(self._store.get, self._name) if self._store else None

    async def _keep(self, refresh_token: str | None) -> None:
        if refresh_token and refresh_token != self._refresh_token:
            self._refresh_token = refresh_token
            if self._store:
                await trio.to_thread.run_sync(self._store.put, self._name, refresh_token)

    async def _forget(self) -> None:
        self._refresh_token = None
        if self._store:
            await trio.to_thread.run_sync(self._store.forget, self._name)


def _json(response: httpx.Response) -> dict[str, Any]:
    try:
        return dict(response.json())
    except (ValueError, TypeError):
        raise _refusal(response) from None


def _error_code(response: httpx.Response) -> str:
    try:
        return str(response.json()["error"])
    except (ValueError, KeyError, TypeError):
        return ""


def _refusal(response: httpx.Response) -> ClientsCredentialsException:
    asked = f"{response.request.method} {response.request.url}"
    return ClientsCredentialsException([reply_of(response.status_code, response.headers, response.text, asked)])
