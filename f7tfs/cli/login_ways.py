"""The three ways to log in, each tried out before anything is written. Loads the HTTP library: import it late."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace

from f7tfs.cli.ask import answer, choice, secret_answer
from f7tfs.cli.output import tell
from f7tfs.cli.progress import waiting
from f7tfs.cli.site_check import Provider, browser_login, provider_of
from f7tfs.config import BrowserLogin, ClientCredentials, ConfigError, TokenCommand, config_file, secrets_directory
from f7tfs.config.secrets import SecretFiles
from f7tfs.firecrest.auth import Authorization
from f7tfs.firecrest.device import DeviceLogin
from f7tfs.firecrest.keyring import keyring_works
from f7tfs.mount.credentials import authorization_for, store_for

_WAYS = {
    "client": "a client id and a secret that the site gave you",
    "command": "a command that prints an access token",
    "browser": "your browser (device flow)",
}


@dataclass(frozen=True, slots=True)
class Login:
    """A way in."""

    authorization: Authorization
    keep: Callable[[], dict[str, object]]
    """Puts the secret away, and returns what a profile says of it."""


@dataclass(frozen=True, slots=True)
class Given:
    """What the options say, and the environment."""

    issuer: str
    client_id: str | None
    token_command: str | None
    browser: bool
    keyring: bool | None


def log_in(given: Given) -> Login:
    """By the way that the options choose, else by the one that the user does."""
    way = "command" if given.token_command else "browser" if given.browser else ""
    if not way:
        way = "client" if given.client_id else choice("log in by", _WAYS, "--client-id", default="client")
    if way == "command":
        return _by_command(given.token_command or answer("token command", "--token-command"))
    given = replace(given, keyring=keyring_works() if given.keyring is None else given.keyring)
    return _by_browser(given) if way == "browser" else _by_client(given)


def _by_command(command: str) -> Login:
    return Login(authorization_for(TokenCommand(command)), lambda: {"token_command": command})


def _by_client(given: Given) -> Login:
    provider = _provider(given.issuer or answer("identity provider (issuer or token URL)", "--token-url"))
    client_id = given.client_id or answer("client id", "--client-id", os.environ.get("FIRECREST_CLIENT_ID"))
    secret = os.environ.get("FIRECREST_CLIENT_SECRET") or secret_answer("client secret")
    credentials = ClientCredentials(provider.token_url, client_id, secret)

    def keep() -> dict[str, object]:
        keys = {"token_url": provider.token_url, "client_id": client_id}
        if given.keyring:
            store_for(keyring=True).put(credentials.entry, secret)
            return {**keys, "keyring": True}
        files = SecretFiles(secrets_directory(config_file()))
        files.put(credentials.entry, secret)
        file = files.file(credentials.entry)
        return {**keys, "client_secret_file": str(file.relative_to(config_file().parent))}

    return Login(authorization_for(credentials), keep)


def _by_browser(given: Given) -> Login:
    provider = _provider(given.issuer or answer("identity provider (issuer)", "--token-url"))
    if not provider.device_url:
        raise ConfigError(
            f"{given.issuer} offers no login in a browser (device flow)", "use --client-id or --token-command"
        )
    client_id = given.client_id or answer("client id", "--client-id", os.environ.get("FIRECREST_CLIENT_ID"))
    login = BrowserLogin(provider.device_url, provider.token_url, client_id, bool(given.keyring))
    # The refresh token is put away at once: it is how the login is remembered.
    with waiting("waiting until you have logged in"):
        authorization = browser_login(provider, client_id, store_for(keyring=login.keyring), _show)
    keys = {"token_url": login.token_url, "device_url": login.device_url, "client_id": client_id}
    return Login(authorization, lambda: {**keys, "keyring": True} if login.keyring else dict(keys))


def _provider(issuer: str) -> Provider:
    with waiting(f"asking {issuer}"):
        return provider_of(issuer)


def _show(login: DeviceLogin) -> None:
    tell(f"open {login.url_with_code or login.url} in a browser and enter the code {login.code}")
