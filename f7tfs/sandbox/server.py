"""Builds a sandbox from its settings and serves it."""

from __future__ import annotations

import contextlib
import logging
import math
import socket
from pathlib import Path

import hypercorn.trio
import trio
from hypercorn.config import Config
from starlette.applications import Starlette
from starlette.routing import Mount, Route

from f7tfs.sandbox.auth import token_endpoint
from f7tfs.sandbox.bench import Admin, Bench
from f7tfs.sandbox.settings import SandboxInfo, SandboxSettings
from f7tfs.sandbox.site import Site
from f7tfs.sandbox.v1.application import application as v1_application
from f7tfs.sandbox.v2.application import application as v2_application

KEEP_ALIVE_SECONDS = 5.0


def make_directories(settings: SandboxSettings) -> None:
    """The file systems and the user's directory on each, where they are not there yet."""
    for system in settings.file_systems:
        Path(f"{settings.root}{system.path}/{settings.user}").mkdir(parents=True, exist_ok=True)


def application(site: Site) -> Bench:
    """Both APIs, the token endpoint and the test bench, as one ASGI application."""
    admin = Admin(site)
    routes = [
        Route("/auth/token", token_endpoint(site), methods=["POST"]),
        Route("/sandbox/faults", admin.faults, methods=["GET", "PUT", "DELETE"]),
        Route("/sandbox/calls", admin.calls, methods=["GET", "DELETE"]),
        Route("/sandbox/traces", admin.traces, methods=["GET"]),
        Route("/sandbox/token", admin.token, methods=["POST"]),
        Mount("/v2", v2_application(site)),
        Mount("/v1", v1_application(site)),
    ]
    return Bench(Starlette(routes=routes), site)


def listening_socket(settings: SandboxSettings) -> socket.socket:
    """Bound by us and not by the server, so that the port is known before the first request."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((settings.host, settings.port))
    return listener


def server_config(listener: socket.socket) -> Config:
    config = Config()
    config.bind = [f"fd://{listener.fileno()}"]
    config.accesslog = None
    config.errorlog = logging.getLogger("f7tfs.sandbox.http")
    config.keep_alive_timeout = KEEP_ALIVE_SECONDS
    config.include_server_header = False
    config.graceful_timeout = 1.0
    return config


def info_of(site: Site, port: int) -> SandboxInfo:
    settings = site.settings
    base = f"http://{settings.host}:{port}"
    return SandboxInfo(
        url_v2=f"{base}/v2",
        url_v1=f"{base}/v1",
        token_url=f"{base}/auth/token",
        client_id=settings.client_id,
        client_secret=site.client_secret,
        root=str(settings.root),
        system=settings.system,
        user=settings.user,
        home=settings.work_dir,
        admin_url=f"{base}/sandbox",
        admin_token=site.admin_token,
        port=port,
        s3_port=site.store.port,
    )


async def serve_sandbox(
    settings: SandboxSettings, *, task_status: trio.TaskStatus[SandboxInfo] = trio.TASK_STATUS_IGNORED
) -> None:
    """Serve until cancelled; reports a SandboxInfo as started once requests are taken."""
    make_directories(settings)
    with contextlib.ExitStack() as stack:
        async with trio.open_nursery() as nursery:
            site = Site(settings, nursery)
            stack.callback(site.close)
            listener = listening_socket(settings)
            port = listener.getsockname()[1]
            config = server_config(listener)
            listener.detach()  # the server takes the descriptor over, and closes it
            await nursery.start(_serve_http, application(site), config)
            nursery.start_soon(site.store.start_on_connection)
            await site.scheduler.start()
            task_status.started(info_of(site, port))
            await trio.sleep(math.inf)


async def _serve_http(
    app: Bench, config: Config, *, task_status: trio.TaskStatus[list[str]] = trio.TASK_STATUS_IGNORED
) -> None:
    await hypercorn.trio.serve(app, config, task_status=task_status, mode="asgi")  # type: ignore[arg-type]
