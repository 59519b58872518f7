"""The credentials of a mount are read again where they are refused."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable

import pytest
import trio
import trio.testing

from f7tfs import config
from f7tfs.config import ConfigError
from f7tfs.firecrest.auth import Authorization
from f7tfs.firecrest.errors import ClientsCredentialsException
from f7tfs.mount.renewal import PAUSE_SECONDS, RenewedAuthorization


def token_of(user: str) -> str:
    payload = base64.urlsafe_b64encode(json.dumps({"preferred_username": user}).encode()).decode().rstrip("=")
    return f"h.{payload}.s"


CLOCK = trio.testing.MockClock(autojump_threshold=0)


class Provider:
    """Gives tokens for the secrets that it knows; counts what it is asked."""

    def __init__(self) -> None:
        self.users = {"old": "me"}
        self.asked: list[str] = []

    def source(self, credentials: config.Credentials) -> Authorization:
        assert isinstance(credentials, config.ClientCredentials)
        secret, provider = credentials.client_secret or "", self

        class Source:
            async def get_access_token(self) -> str:
                provider.asked.append(secret)
                if secret not in provider.users:
                    raise ClientsCredentialsException(message="invalid_client")
                return token_of(provider.users[secret])

            def reject(self, token: str) -> None:
                provider.asked.append(f"rejected {secret}")

        return Source()


def credentials(secret: str) -> config.ClientCredentials:
    return config.ClientCredentials("https://idp.test/token", "me", secret)


@pytest.fixture
def provider() -> Provider:
    return Provider()


def renewed(provider: Provider, read: Callable[[], config.Credentials]) -> RenewedAuthorization:
    return RenewedAuthorization(credentials("old"), read, provider.source)


def ask(authorization: Authorization, after: float = 0) -> str:
    """Each call is a program of its own, of the same clock."""

    async def asking() -> str:
        await trio.sleep(after)
        return await authorization.get_access_token()

    return trio.run(asking, clock=CLOCK)


def test_other_credentials_of_the_profile_are_taken_at_once(provider: Provider) -> None:
    secret = "old"
    authorization = renewed(provider, lambda: credentials(secret))
    assert ask(authorization) == token_of("me")
    provider.users = {"new": "me"}
    with pytest.raises(ClientsCredentialsException, match="invalid_client"):
        ask(authorization)
    secret = "new"
    assert ask(authorization) == token_of("me")
    assert provider.asked == ["old", "old", "new"]


def test_the_provider_is_not_asked_again_and_again_by_what_it_refused(provider: Provider) -> None:
    def unreadable() -> config.Credentials:
        raise ConfigError("the profile is being written")

    authorization = renewed(provider, unreadable)
    provider.users = {}
    for _ in range(3):
        with pytest.raises(ClientsCredentialsException, match="invalid_client"):
            ask(authorization)
    assert provider.asked == ["old"]
    assert authorization.status()["credentials_refused"] == "invalid_client"
    provider.users = {"old": "me"}
    assert ask(authorization, after=PAUSE_SECONDS) == token_of("me")
    assert "credentials_refused" not in authorization.status()


def test_what_was_written_by_one_user_is_not_sent_by_another(provider: Provider) -> None:
    authorization = renewed(provider, lambda: credentials("new"))
    ask(authorization)
    provider.users = {"new": "you"}
    with pytest.raises(ClientsCredentialsException, match="are of you now, and what is mounted is of me"):
        ask(authorization)
    assert provider.asked[-1] == "rejected new"
