"""What one source of settings says."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

WriteMode = Literal["auto", "async", "sync"]
WRITE_MODES: tuple[WriteMode, ...] = get_args(WriteMode)


@dataclass(frozen=True, slots=True)
class Settings:
    """What one source says; None where it says nothing."""

    url: str | None = None
    token_url: str | None = None
    device_url: str | None = None
    client_id: str | None = None
    client_secret: str | None = field(default=None, repr=False)
    client_secret_file: Path | None = None
    keyring: bool | None = None
    """True: the client's secret, or the refresh token of a login in a browser, is in the keyring."""
    token_command: str | None = None
    system: str | None = None
    path: str | None = None
    api_version: str | None = None
    account: str | None = None
    proxy: str | None = None
    ca_file: Path | None = None
    read_only: bool | None = None
    allow_other: bool | None = None
    noexec: bool | None = None
    noatime: bool | None = None
    uid: int | None = None
    gid: int | None = None
    umask: int | None = None
    map_links: bool | None = None
    default_permissions: bool | None = None
    debug: bool | None = None
    nobulk: bool | None = None
    noburst: bool | None = None
    gather: float | None = None
    nowindows: bool | None = None
    append: bool | None = None
    verify: bool | None = None
    streams: int | None = None
    staging_deadline: float | None = None
    jobs_name: str | None = None
    list_jobs: bool | None = None
    nocancel: bool | None = None
    keep_scripts: bool | None = None
    jobs_interval: float | None = None
    job_workdir: str | None = None
    job_environment: tuple[tuple[str, str], ...] | None = None
    attribute_timeout: float | None = None
    deadline: float | None = None
    drain_timeout: float | None = None
    write_mode: WriteMode | None = None
    zone: str | None = None
    metrics: int | None = None
    cache_dir: Path | None = None
    cache_size: int | None = None
    cache_reserve: int | None = None
