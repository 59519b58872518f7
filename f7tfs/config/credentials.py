"""The ways to authenticate, and which of them the settings choose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from f7tfs.config.layer import Settings
from f7tfs.config.private import ConfigError, read_private


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """OAuth 2 client credentials: what a site gives out for programs."""

    token_url: str
    client_id: str
    client_secret: str | None = field(repr=False)
    """None where it is in the user's keyring, under `entry`."""

    @property
    def entry(self) -> str:
        """The name that the secret has in a keyring."""
        return secret_name(self.client_id, self.token_url)


@dataclass(frozen=True, slots=True)
class TokenCommand:
    """A command that prints an access token, for sites where people log in by a browser."""

    command: str


@dataclass(frozen=True, slots=True)
class BrowserLogin:
    """OAuth 2 device flow: `f7tfs login` got a refresh token, which is kept in the keyring or in a private file."""

    device_url: str
    token_url: str
    client_id: str
    keyring: bool


Credentials = ClientCredentials | TokenCommand | BrowserLogin


def secret_name(client_id: str, token_url: str) -> str:
    """What a secret of a client is kept under."""
    return f"{client_id}@{token_url}"


_CLIENT = ("client_id", "client_secret", "client_secret_file", "keyring")
_SECRETS = ("client_secret", "client_secret_file", "keyring")


def one_way(layers: Sequence[Settings]) -> tuple[Settings, ...]:
    """The layers, without the ways to authenticate that exclude the one of the topmost layer that names one."""
    deciding = next((s for s in layers if s.token_command or s.device_url or _says(s, _CLIENT)), Settings())
    if deciding.token_command:
        return _without(layers, (*_CLIENT, "device_url"))
    if deciding.device_url:
        return _without(layers, ("token_command", "client_secret", "client_secret_file"))
    layers = _without(layers, ("token_command", "device_url"))
    secret = next((s for s in layers if _says(s, _SECRETS)), Settings())
    return _without(layers, [name for name in _SECRETS if getattr(secret, name) is None])


def _says(settings: Settings, names: Sequence[str]) -> bool:
    return any(getattr(settings, name) is not None for name in names)


def _without(layers: Sequence[Settings], names: Sequence[str]) -> tuple[Settings, ...]:
    return tuple(replace(settings, **dict.fromkeys(names)) for settings in layers)


def missing_credentials(settings: Settings) -> list[str]:
    """What the chosen way to authenticate lacks, by the names of its variables."""
    if settings.token_command:
        return []
    needed = {"FIRECREST_CLIENT_ID": settings.client_id, "AUTH_TOKEN_URL": settings.token_url}
    if not settings.device_url:
        kept = settings.client_secret_file or settings.keyring
        needed["FIRECREST_CLIENT_SECRET"] = settings.client_secret or str(kept or "")
    return [name for name, value in needed.items() if not value]


def credentials_of(settings: Settings) -> Credentials:
    """The credentials that complete settings name."""
    if settings.token_command:
        return TokenCommand(settings.token_command)
    token_url, client_id = settings.token_url or "", settings.client_id or ""
    if settings.device_url:
        return BrowserLogin(settings.device_url, token_url, client_id, bool(settings.keyring))
    secret = settings.client_secret
    if settings.client_secret_file:
        secret = read_private(settings.client_secret_file).strip()
        if not secret:
            raise ConfigError(f"{settings.client_secret_file} is empty", "write the client secret into it")
    return ClientCredentials(token_url, client_id, None if settings.keyring else secret)
