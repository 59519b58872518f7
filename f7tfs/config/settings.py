"""What can be set, how sources of it are put together, and what a mount needs of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, replace
from pathlib import Path

from f7tfs.config.credentials import Credentials, credentials_of, missing_credentials, one_way
from f7tfs.config.layer import Settings, WriteMode
from f7tfs.config.private import ConfigError


@dataclass(frozen=True, slots=True)
class MountOptions:
    """How a mount behaves; the values here are the defaults. Times are seconds."""

    read_only: bool = False
    allow_other: bool = False
    noexec: bool = False
    """No program on it can be run."""
    noatime: bool = False
    """Only shown by the kernel: no access times are kept anyway."""
    uid: int | None = None
    gid: int | None = None
    umask: int | None = None
    default_permissions: bool = False
    map_links: bool = False
    """Show absolute symlinks to what is mounted as paths below the mount point."""
    debug: bool = False
    jobs_name: str = ".jobs"
    """The name that the directories of jobs answer to; empty: there are none."""
    list_jobs: bool = False
    nocancel: bool = False
    """Removing a job's directory does not cancel it, but fails."""
    keep_scripts: bool = False
    """A script that was submitted stays a file, and does not become a link to its job's directory."""
    jobs_interval: float = 2.0
    """How long what was seen of jobs is believed at least."""
    job_workdir: str | None = None
    job_environment: tuple[tuple[str, str], ...] = ()
    nobulk: bool = False
    """List and fetch one by one, even where a program walks."""
    noburst: bool = False
    """In mode `auto` each change waits for the cluster, however many a program makes."""
    gather: float = 0.5
    """How long a removal waits for the next one, to be made together; 0: it does not."""
    nowindows: bool = False
    """Stage large text files too."""
    append: bool = False
    """Send only what was appended to a large file, and let a job on the cluster add it."""
    verify: bool = False
    """Compare the checksums of large uploads, not only their sizes."""
    streams: int | None = None
    """Connections to object storage at once, for each direction; None: 8."""
    staging_deadline: float = 1800.0
    """How long a read waits for a file to be staged."""
    attribute_timeout: float = 5.0
    deadline: float = 60.0
    drain_timeout: float = 3600.0
    """How long an unmount waits until the cluster has every change."""
    write_mode: WriteMode = "auto"
    zone: str | None = None
    metrics: int | None = None
    """A port of this machine where Prometheus is answered."""
    cache_dir: Path | None = None
    cache_size: int = 20 * 2**30
    """Bytes of what was read that stay on the local disk."""
    cache_reserve: int = 512 * 2**20
    """Bytes of the local disk that are left free; writing into them is ENOSPC."""


@dataclass(frozen=True, slots=True)
class MountSettings:
    """Everything a mount needs to know, complete and checked."""

    url: str
    credentials: Credentials
    system: str
    path: str | None
    """Absolute and normal; None is the user's own directory on the system's default file system."""
    api_version: str | None = None
    account: str | None = None
    proxy: str | None = None
    ca_file: Path | None = None
    options: MountOptions = MountOptions()


def merge(*layers: Settings) -> Settings:
    """The first layer that says something wins, field by field.

    Ways to authenticate exclude each other, so there the topmost layer that names one decides for all.
    """
    layers = one_way(layers)
    chosen = {
        entry.name: next((value for layer in layers if (value := getattr(layer, entry.name)) is not None), None)
        for entry in fields(Settings)
    }
    return Settings(**chosen)


class MissingSettings(ConfigError):
    """A mount needs more than is said."""


def resolve(settings: Settings, path: str | None) -> MountSettings:
    """What a mount of `path` needs. Raises MissingSettings that names all that is missing at once."""
    missing = _missing(settings)
    if missing or settings.url is None or settings.system is None:
        raise MissingSettings(
            "missing settings: " + ", ".join(missing),
            "f7tfs login writes them into a profile; or set these variables",
        )
    return MountSettings(
        url=_http_url(settings.url, "the FirecREST URL"),
        credentials=credentials_of(_with_urls(settings)),
        system=settings.system,
        path=path,
        api_version=settings.api_version,
        account=settings.account,
        proxy=settings.proxy,
        ca_file=settings.ca_file,
        options=_options(settings),
    )


def _missing(settings: Settings) -> list[str]:
    needed = {
        "FIRECREST_URL (or --url)": settings.url,
        "the system (SYSTEM:/path or FIRECREST_SYSTEM)": settings.system,
    }
    return [name for name, value in needed.items() if not value] + missing_credentials(settings)


def _with_urls(settings: Settings) -> Settings:
    """The identity provider's URLs, checked."""
    token_url, device_url = settings.token_url, settings.device_url
    return replace(
        settings,
        token_url=token_url and _http_url(token_url, "AUTH_TOKEN_URL"),
        device_url=device_url and _http_url(device_url, "device_url"),
    )


def _options(settings: Settings) -> MountOptions:
    said = {entry.name: getattr(settings, entry.name) for entry in fields(MountOptions)}
    return MountOptions(**{name: value for name, value in said.items() if value is not None})


def _http_url(text: str, what: str) -> str:
    if not re.match(r"https?://[^/\s]", text):
        raise ConfigError(f"{what} is not an http(s) URL: {text!r}", "it begins with https://")
    return text.rstrip("/")
