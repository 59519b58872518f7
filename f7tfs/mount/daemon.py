"""The composition root: builds every object of a mount, hands each what it needs, and runs them."""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import trio

from f7tfs import config
from f7tfs.cluster.connect import connect
from f7tfs.cluster.errors import NotFound
from f7tfs.cluster.patience import Patience
from f7tfs.cluster.port import Cluster
from f7tfs.firecrest.auth import Authorization
from f7tfs.firecrest.session import Options
from f7tfs.fuse.serve import FuseOptions, serve
from f7tfs.mount.ask import ask
from f7tfs.mount.errors import MountError
from f7tfs.mount.lock import exclusive
from f7tfs.mount.probe import require_site
from f7tfs.mount.process import wait_for_end
from f7tfs.mount.read_ahead import raise_read_ahead
from f7tfs.mount.renewal import ReadCredentials, RenewedAuthorization
from f7tfs.mount.runtime import control_socket, state_base
from f7tfs.mount.session import Session
from f7tfs.mount.state import Origin, locked_state
from f7tfs.vfs.filesystem import open_filesystem
from f7tfs.vfs.journal_schema import JournalError
from f7tfs.vfs.options import STREAMS, VfsOptions

_log = logging.getLogger(__name__)

TAKE_OVER_SECONDS = 20.0
"""A daemon that hands over tidies up on the cluster for half of that at most."""


async def run_mount(
    settings: config.MountSettings, mountpoint: Path, on_ready: Callable[[str], None], read: ReadCredentials
) -> int:
    """Mount, call `on_ready` with what is mounted once it is usable, and serve until it is unmounted.

    `read`: reads the credentials again, where those of the settings are refused.
    Returns how many changes are left in the journal. Raises MountError or ClusterError, perhaps in a group, when the
    mount cannot be made.
    """
    address = control_socket(mountpoint)
    await trio.to_thread.run_sync(take_over, address)
    busy = f"{mountpoint}: another f7tfs is starting there, or was unmounted while in use, and still is"
    with exclusive(address.with_name(address.name + ".lock"), mountpoint, busy):
        seconds = settings.options.deadline
        with trio.CancelScope(deadline=trio.current_time() + seconds) as starting:
            return await _connect_and_serve(settings, mountpoint, address, _Ready(starting, on_ready), read)
        raise MountError(
            f"{settings.url} did not answer everything within {seconds:g} s", "try again later, or raise --deadline"
        )


def take_over(address: Path) -> None:
    """A daemon that was unmounted, and still sends, leaves the rest to its successor. Blocking."""
    try:
        earlier = ask(address, "hand_over", timeout=TAKE_OVER_SECONDS)
    except MountError:
        # There is none, or it has to stay: then it has its lock.
        return
    wait_for_end(int(earlier["pid"]), TAKE_OVER_SECONDS)


class _Ready:
    """Ends the time that starting up may take, and tells."""

    def __init__(self, starting: trio.CancelScope, on_ready: Callable[[str], None]) -> None:
        self._starting = starting
        self._on_ready = on_ready

    def __call__(self, remote: str) -> None:
        self._starting.deadline = math.inf
        self._on_ready(remote)


async def _connect_and_serve(
    settings: config.MountSettings,
    mountpoint: Path,
    address: Path,
    on_ready: Callable[[str], None],
    read: ReadCredentials,
) -> int:
    async with AsyncExitStack() as stack:
        authorization = RenewedAuthorization(settings.credentials, read)
        cluster = await stack.enter_async_context(connected(settings, authorization))
        identity = await cluster.identity()
        root = settings.path or await home_directory(cluster, identity.user)
        origin = Origin(settings.url, cluster.system, identity.user, root)
        remote = f"{origin.system}:{origin.root}"
        base = settings.options.cache_dir or state_base()
        state = stack.enter_context(locked_state(base, origin, mountpoint))
        try:
            filesystem = await stack.enter_async_context(open_filesystem(cluster, root, vfs_options(settings, state)))
        except JournalError as error:
            raise MountError(f"{remote}: {error}") from error
        session = Session(
            filesystem.upkeep,
            partial(
                serve,
                filesystem,
                mountpoint,
                fuse_options(settings.options, remote),
                partial(raise_read_ahead, mountpoint),
            ),
            mountpoint=mountpoint,
            control_socket=address,
            drain_seconds=settings.options.drain_timeout,
            root=root,
            metrics_port=settings.options.metrics,
            about={
                "mountpoint": str(mountpoint),
                "remote": remote,
                "url": settings.url,
                "user": origin.user,
                "pid": os.getpid(),
                "since": time.time(),
                "state_directory": str(state),
            },
            live=authorization.status,
        )
        return await session.run(partial(_tell_ready, on_ready, remote, mountpoint))


@asynccontextmanager
async def connected(settings: config.MountSettings, authorization: Authorization) -> AsyncIterator[Cluster]:
    """The system that is to be mounted from. Raises MountError where there is no site, or no FirecREST."""
    await require_site(settings.url)
    async with AsyncExitStack() as stack:
        connection = connect(
            settings.url,
            authorization,
            settings.system,
            api_version=settings.api_version,
            account=settings.account,
            root_hint=settings.path,
            options=client_options(settings.options.streams),
            patience=patience(settings.options.staging_deadline),
            verify=settings.options.verify,
        )
        try:
            cluster = await stack.enter_async_context(connection)
        except NotFound as error:
            raise MountError(
                f"there is no FirecREST at {settings.url}: {error}", "check the URL; your site's documentation has it"
            ) from error
        yield cluster


def client_options(streams: int | None) -> Options:
    """How many parts are on their way to object storage at once; None: as the client has it."""
    return Options() if streams is None else Options(storage_concurrency=streams)


def patience(staging_deadline: float) -> Patience:
    """How long staged transfers may take. An upload that is given up is sent anew: it has half an hour at least."""
    usual = Patience()
    return replace(usual, queue=staging_deadline, least=usual.queue)


def _tell_ready(on_ready: Callable[[str], None], remote: str, mountpoint: Path) -> None:
    _log.info("%s is mounted on %s", remote, mountpoint)
    on_ready(remote)


async def home_directory(cluster: Cluster, user: str) -> str:
    """What `SYSTEM:` means: the user's own directory on the system's default file system."""
    file_systems = await cluster.file_systems()
    if not file_systems:
        raise MountError(
            f"{cluster.system} announces no file system", f"say which directory, as {cluster.system}:/path"
        )
    default = next((each for each in file_systems if each.default_work_dir), file_systems[0])
    return f"{default.path.rstrip('/')}/{user}"


def vfs_options(settings: config.MountSettings, state: Path) -> VfsOptions:
    """The file system's part of the settings."""
    options = settings.options
    return VfsOptions(
        state_directory=state,
        attribute_timeout=options.attribute_timeout,
        bulk=not options.nobulk,
        bursts=not (options.noburst or options.nobulk),
        gather_seconds=options.gather,
        windows=not options.nowindows,
        append=options.append,
        streams=options.streams or STREAMS,
        staging_deadline=options.staging_deadline,
        jobs_name=options.jobs_name,
        jobs_listed=options.list_jobs,
        jobs_cancel=not options.nocancel,
        jobs_keep_scripts=options.keep_scripts,
        jobs_interval=options.jobs_interval,
        jobs_workdir=options.job_workdir,
        job_environment=options.job_environment,
        deadline=options.deadline,
        write_mode=options.write_mode,
        zone=options.zone,
        read_only=options.read_only,
        account=settings.account,
        cache_bytes=options.cache_size,
        reserved_bytes=options.cache_reserve,
    )


def fuse_options(options: config.MountOptions, remote: str) -> FuseOptions:
    """The adapter's part of the settings."""
    return FuseOptions(
        # What `df` and `mount` show.
        fsname=remote,
        allow_other=options.allow_other,
        read_only=options.read_only,
        noexec=options.noexec,
        noatime=options.noatime,
        uid=options.uid,
        gid=options.gid,
        umask=options.umask,
        map_links=options.map_links,
        default_permissions=options.default_permissions,
        debug=options.debug,
    )
