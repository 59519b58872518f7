"""What can be set, how sources of it are put together, and what a mount needs of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Literal, get_args

from f7tfs.config.private import ConfigError, read_private

WriteMode = Literal["auto", "async", "sync"]
WRITE_MODES: tuple[WriteMode, ...] = get_args(WriteMode)


@dataclass(frozen=True, slots=True)
class Settings:
    """What one source says; None where it says nothing."""

    url: str | None = None
    token_url: str | None = None
    client_id: str | None = None
    client_secret: str | None = field(default=None, repr=False)
    client_secret_file: Path | None = None
    token_command: str | None = None
    system: str | None = None
    path: str | None = None
    api_version: str | None = None
    account: str | None = None
    read_only: bool | None = None
    allow_other: bool | None = None
    uid: int | None = None
    gid: int | None = None
    umask: int | None = None
    debug: bool | None = None
    nobulk: bool | None = None
    attribute_timeout: float | None = None
    deadline: float | None = None
    drain_timeout: float | None = None
    write_mode: WriteMode | None = None
    zone: str | None = None
    cache_dir: Path | None = None


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """OAuth 2 client credentials: what a site gives out for programs."""

    token_url: str
    client_id: str
    client_secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class TokenCommand:
    """A command that prints an access token, for sites where people log in by a browser."""

    command: str


@dataclass(frozen=True, slots=True)
class MountOptions:
    """How a mount behaves; the values here are the defaults. Times are seconds."""

    read_only: bool = False
    allow_other: bool = False
    uid: int | None = None
    gid: int | None = None
    umask: int | None = None
    debug: bool = False
    nobulk: bool = False
    """List and fetch one by one, even where a program walks."""
    attribute_timeout: float = 5.0
    deadline: float = 60.0
    drain_timeout: float = 3600.0
    """How long an unmount waits until the cluster has every change."""
    write_mode: WriteMode = "auto"
    zone: str | None = None
    cache_dir: Path | None = None


@dataclass(frozen=True, slots=True)
class MountSettings:
    """Everything a mount needs to know, complete and checked."""

    url: str
    credentials: ClientCredentials | TokenCommand
    system: str
    path: str | None
    """Absolute and normal; None is the user's own directory on the system's default file system."""
    api_version: str | None = None
    account: str | None = None
    options: MountOptions = MountOptions()


_CLIENT = ("client_id", "client_secret", "client_secret_file")


def merge(*layers: Settings) -> Settings:
    """The first layer that says something wins, field by field.

    Ways to authenticate exclude each other, so there the topmost layer that names one decides for all.
    """
    layers = _one_way_to_authenticate(layers)
    chosen = {
        entry.name: next((value for layer in layers if (value := getattr(layer, entry.name)) is not None), None)
        for entry in fields(Settings)
    }
    return Settings(**chosen)


def _one_way_to_authenticate(layers: Sequence[Settings]) -> tuple[Settings, ...]:
    deciding = next((s for s in layers if s.token_command or _says(s, _CLIENT)), Settings())
    if deciding.token_command:
        return tuple(replace(s, **dict.fromkeys(_CLIENT)) for s in layers)
    layers = tuple(replace(s, token_command=None) for s in layers)
    secret = next((s for s in layers if s.client_secret or s.client_secret_file), Settings())
    other = "client_secret_file" if secret.client_secret else "client_secret"
    return tuple(replace(s, **{other: None}) for s in layers)


def _says(settings: Settings, names: Sequence[str]) -> bool:
    return any(getattr(settings, name) is not None for name in names)


def resolve(settings: Settings, path: str | None) -> MountSettings:
    """What a mount of `path` needs. Raises ConfigError that names everything that is missing at once."""
    missing = _missing(settings)
    if missing or settings.url is None or settings.system is None:
        raise ConfigError(
            "missing settings: " + ", ".join(missing),
            "f7tfs login writes them into a profile; or set these variables",
        )
    return MountSettings(
        url=_http_url(settings.url, "the FirecREST URL"),
        credentials=_credentials(settings),
        system=settings.system,
        path=path,
        api_version=settings.api_version,
        account=settings.account,
        options=_options(settings),
    )


def _missing(settings: Settings) -> list[str]:
    needed = {
        "FIRECREST_URL (or --url)": settings.url,
        "the system (SYSTEM:/path or FIRECREST_SYSTEM)": settings.system,
    }
    if not settings.token_command:
        needed["FIRECREST_CLIENT_ID"] = settings.client_id
        needed["FIRECREST_CLIENT_SECRET"] = settings.client_secret or str(settings.client_secret_file or "")
        needed["AUTH_TOKEN_URL"] = settings.token_url
    return [name for name, value in needed.items() if not value]


def _credentials(settings: Settings) -> ClientCredentials | TokenCommand:
    if settings.token_command:
        return TokenCommand(settings.token_command)
    secret = settings.client_secret
    if settings.client_secret_file:
        secret = read_private(settings.client_secret_file).strip()
        if not secret:
            raise ConfigError(f"{settings.client_secret_file} is empty", "write the client secret into it")
    token_url = _http_url(settings.token_url or "", "AUTH_TOKEN_URL")
    return ClientCredentials(token_url, settings.client_id or "", secret or "")


def _options(settings: Settings) -> MountOptions:
    said = {entry.name: getattr(settings, entry.name) for entry in fields(MountOptions)}
    return MountOptions(**{name: value for name, value in said.items() if value is not None})


def _http_url(text: str, what: str) -> str:
    if not re.match(r"https?://[^/\s]", text):
        raise ConfigError(f"{what} is not an http(s) URL: {text!r}", "it begins with https://")
    return text.rstrip("/")
