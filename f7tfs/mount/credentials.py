"""From settings to tokens, and the way to the site: proxy and certificates."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from f7tfs import config
from f7tfs.config.secrets import SecretFiles
from f7tfs.firecrest.auth import Authorization, ClientCredentials, TokenCommand
from f7tfs.firecrest.device import DeviceFlow, DeviceLogin
from f7tfs.firecrest.errors import ClientsCredentialsException
from f7tfs.firecrest.keyring import Keyring, SecretStore
from f7tfs.mount.errors import MountError

_AGAIN = "f7tfs login asks for it again"


def unlocked(credentials: config.Credentials) -> config.Credentials:
    """Credentials with the secret that is in the keyring. Blocks; raises MountError when it is not there."""
    if not isinstance(credentials, config.ClientCredentials) or credentials.client_secret is not None:
        return credentials
    try:
        secret = Keyring().get(credentials.entry)
    except ClientsCredentialsException as error:
        raise MountError(error.message, _AGAIN) from None
    if secret is None:
        raise MountError(f"the keyring has no secret for {credentials.entry}", _AGAIN)
    return replace(credentials, client_secret=secret)


def authorization_for(credentials: config.Credentials) -> Authorization:
    """Where the tokens come from; the credentials are unlocked ones."""
    match credentials:
        case config.TokenCommand():
            return TokenCommand(credentials.command)
        case config.BrowserLogin():
            return DeviceFlow(
                credentials.client_id,
                credentials.device_url,
                credentials.token_url,
                show=_nobody_is_there,
                store=store_for(keyring=credentials.keyring),
            )
    return ClientCredentials(credentials.client_id, credentials.client_secret or "", credentials.token_url)


def store_for(*, keyring: bool) -> SecretStore:
    """Where secrets are kept: in the keyring, or in files beside the profiles."""
    return Keyring() if keyring else _Files(config.secrets_directory(config.config_file()))


def use_network_settings(proxy: str | None, ca_file: Path | None) -> None:
    """Tell every HTTP client of this process; the library reads these variables whenever it makes one."""
    if proxy:
        os.environ.update({"HTTPS_PROXY": proxy, "HTTP_PROXY": proxy})
        # The ones in small letters would win.
        for name in ("https_proxy", "http_proxy"):
            os.environ.pop(name, None)
    if ca_file:
        if not ca_file.is_file():
            raise MountError(f"there are no certificates in {ca_file}", "correct ca_file in the profile")
        os.environ["SSL_CERT_FILE"] = str(ca_file)


def _nobody_is_there(login: DeviceLogin) -> None:
    """The login has ended, and a mount cannot show a code."""
    del login
    raise ClientsCredentialsException(message="the login in the browser has ended: f7tfs login")


class _Files:
    """SecretFiles, with the errors of a SecretStore."""

    def __init__(self, directory: Path) -> None:
        self._files = SecretFiles(directory)

    def get(self, name: str) -> str | None:
        with _errors():
            return self._files.get(name)

    def put(self, name: str, secret: str) -> None:
        with _errors():
            self._files.put(name, secret)

    def forget(self, name: str) -> None:
        with _errors():
            self._files.forget(name)


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except (config.ConfigError, OSError) as error:
        raise ClientsCredentialsException(message=str(error)) from error
