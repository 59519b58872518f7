"""Tokens by the credentials of the settings, which are read again where they are refused: a mount outlives them."""

from __future__ import annotations

import logging
from collections.abc import Callable

import trio

from f7tfs import config
from f7tfs.errors import UserError
from f7tfs.firecrest.auth import Authorization, CachedToken, claims_of
from f7tfs.firecrest.errors import ClientsCredentialsException
from f7tfs.mount.credentials import authorization_for

PAUSE_SECONDS = 5.0
"""The identity provider is not asked again by the same credentials for so long: it might shut the user out."""
_USER_CLAIMS = ("preferred_username", "sub")

ReadCredentials = Callable[[], config.Credentials]
"""Reads the settings anew, with the secret that is in the keyring. Blocks; raises UserError where they fail."""

_log = logging.getLogger(__name__)


class RenewedAuthorization:
    """An Authorization that goes on by what the settings say now, as long as it is the same user's."""

    def __init__(
        self,
        credentials: config.Credentials,
        read: ReadCredentials,
        make: Callable[[config.Credentials], Authorization] = authorization_for,
    ) -> None:
        self._credentials = credentials
        self._read = read
        self._make = make
        self._source = make(credentials)
        self._lock = trio.Lock()
        self._user: str | None = None
        self._refusal: ClientsCredentialsException | None = None
        self._asked = float("-inf")

    async def get_access_token(self) -> str:
        """As Authorization has it."""
        async with self._lock:
            pausing = trio.current_time() < self._asked + PAUSE_SECONDS
            if self._refusal is not None and pausing and not await self._renewed():
                raise ClientsCredentialsException(self._refusal.responses, self._refusal.message)
            try:
                token = await self._token()
            except ClientsCredentialsException as error:
                self._refusal, self._asked = error, trio.current_time()
                raise
            self._refusal = None
            return token

    async def _token(self) -> str:
        try:
            return self._of_the_same_user(await self._source.get_access_token())
        except ClientsCredentialsException:
            if not await self._renewed():
                raise
        return self._of_the_same_user(await self._source.get_access_token())

    async def _renewed(self) -> bool:
        """Whether the settings have other credentials by now; they are the ones in use then."""
        try:
            found = await trio.to_thread.run_sync(self._read)
        except (UserError, OSError) as error:
            _log.info("the credentials cannot be read again: %s", error)
            return False
        if found == self._credentials:
            return False
        _log.info("the settings have other credentials now")
        self._credentials, self._source = found, self._make(found)
        return True

    def _of_the_same_user(self, token: str) -> str:
        """What waits in the journal is one user's: it must not be sent by another."""
        claims = claims_of(token)
        user = next((str(claims[name]) for name in _USER_CLAIMS if claims.get(name)), None)
        if user is None or self._user in (None, user):
            self._user = user or self._user
            return token
        self._source.reject(token)
        told = f"the credentials are of {user} now, and what is mounted is of {self._user}: unmount, and mount again"
        raise ClientsCredentialsException(message=told)

    def reject(self, token: str) -> None:
        """As Authorization has it."""
        self._source.reject(token)

    def status(self) -> dict[str, object]:
        """Seconds since the token was fetched and until it is fetched anew; None where that is not known.

        Also why none was given, if so.
        """
        known = self._source if isinstance(self._source, CachedToken) else None
        refused = {} if self._refusal is None else {"credentials_refused": self._refusal.message}
        return {"token_age": known and known.age, "token_good_for": known and known.good_for, **refused}
