"""`f7tfs mount`: mount a directory of a cluster."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from f7tfs.cli.arguments import Profile
from f7tfs.cli.output import tell
from f7tfs.cli.progress import waiting
from f7tfs.cli.settings import gather
from f7tfs.config import (
    MountSettings,
    Settings,
    api_version,
    merge,
    options_from_table,
    options_from_text,
)
from f7tfs.mount import background
from f7tfs.mount.mountpoint import prepare_mountpoint, require_fuse
from f7tfs.mount.runtime import log_file
from f7tfs.mount.target import parse_target

_GRACE_SECONDS = 30.0
"""The daemon bounds its own start; this is for what it does besides."""


def mount(
    remote: Annotated[
        str,
        typer.Argument(
            metavar="SYSTEM:/PATH", help="Or `PROFILE`, `PROFILE:/path`; `SYSTEM:` is your own directory there."
        ),
    ],
    mountpoint: Annotated[
        Path, typer.Argument(parser=Path, metavar="MOUNTPOINT", help="An empty directory to mount it on.")
    ],
    url: Annotated[str | None, typer.Option(help="The site's FirecREST URL (FIRECREST_URL).")] = None,
    api: Annotated[
        str | None, typer.Option("--api-version", help="1 or 2; found out if not given (FIRECREST_API_VERSION).")
    ] = None,
    account: Annotated[
        str | None, typer.Option(help="The account for transfer jobs and jobs (FIRECREST_ACCOUNT).")
    ] = None,
    profile: Profile = None,
    foreground: Annotated[bool, typer.Option("--foreground", "-f", help="Stay, and log to the terminal.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Log every request.")] = False,
    read_only: Annotated[bool, typer.Option("--read-only", help="Refuse every change.")] = False,
    allow_other: Annotated[bool, typer.Option("--allow-other", help="Let other users of this machine in.")] = False,
    write_mode: Annotated[
        str | None, typer.Option(metavar="auto|async|sync", help="When `close` waits for the cluster.")
    ] = None,
    attribute_timeout: Annotated[
        float | None, typer.Option(min=0, metavar="SECONDS", help="How long a listing is believed (5).")
    ] = None,
    deadline: Annotated[
        float | None, typer.Option(min=1, metavar="SECONDS", help="No operation takes longer (60).")
    ] = None,
    zone: Annotated[str | None, typer.Option(help="The cluster's time zone, as Europe/Zurich.")] = None,
    cache_dir: Annotated[
        Path | None, typer.Option(help="Where the journal and cached content lie (~/.local/state/f7tfs).")
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option("-o", metavar="OPTIONS", help="As mount(8): ro, allow_other, uid=, gid=, umask=, debug, …"),
    ] = None,
    ready_fd: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Mount a directory of a cluster; returns when it can be used.

    Credentials come from the environment (FIRECREST_CLIENT_ID, FIRECREST_CLIENT_SECRET and AUTH_TOKEN_URL, or
    FIRECREST_TOKEN_COMMAND) or from a profile, never from the command line.
    """
    flags = Settings(
        url=url,
        api_version=None if api is None else api_version(api),
        account=account,
        debug=debug or None,
        read_only=read_only or None,
        allow_other=allow_other or None,
        attribute_timeout=attribute_timeout,
        deadline=deadline,
        cache_dir=None if cache_dir is None else cache_dir.absolute(),
    )
    words = {"write_mode": write_mode, "zone": zone}
    named = options_from_table({name: word for name, word in words.items() if word is not None})
    table = merge(flags, named, options_from_text(",".join(option or [])))
    read = partial(gather, parse_target(remote), table, profile)
    _run(read, mountpoint, foreground=foreground or ready_fd is not None, ready_fd=ready_fd)


def _run(read: Callable[[], MountSettings], mountpoint: Path, *, foreground: bool, ready_fd: int | None) -> None:
    settings = read()
    require_fuse(allow_other=settings.options.allow_other)
    place = prepare_mountpoint(mountpoint)
    if foreground:
        # The daemon's libraries take a third of a second to load, which nobody else has to wait for.
        from f7tfs.mount.foreground import run_in_foreground

        sys.exit(run_in_foreground(settings, place, ready_fd, read))
    with waiting(f"connecting to {settings.url}"):
        # The daemon runs in this directory and takes the same arguments.
        seconds = settings.options.deadline + _GRACE_SECONDS
        remote = background.start(sys.argv[1:], log_file(place), seconds)
    tell(f"{remote} is mounted on {place}")
