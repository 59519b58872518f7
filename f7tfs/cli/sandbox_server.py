"""Running the sandbox, and telling how to use it."""

from __future__ import annotations

import shlex
import signal
from pathlib import Path
from typing import Literal

import httpx
import trio

from f7tfs.cli.output import show, tell
from f7tfs.mount.errors import MountError
from f7tfs.mount.failure import leaves
from f7tfs.sandbox import SandboxInfo, SandboxSettings, SchedulerMissing, serve_sandbox

Api = Literal["v2", "v1"]
Scheduler = Literal["local", "slurm"]


def run_sandbox(root: Path, port: int, *, shown: Api, latency: float, scheduler: Scheduler) -> None:
    """Serve `root` until SIGINT or SIGTERM. Raises MountError when the port is taken, or there is no Slurm."""
    try:
        trio.run(_serve, SandboxSettings(root=root, port=port, scheduler=scheduler), shown, latency)
    except (OSError, ExceptionGroup) as error:
        for leaf in leaves(error):
            if isinstance(leaf, SchedulerMissing):
                raise MountError(str(leaf), "without --scheduler slurm, jobs are processes") from None
            if isinstance(leaf, OSError):
                raise MountError(
                    f"the sandbox cannot listen on port {port}: {leaf.strerror}", "--port 0 takes a free one"
                ) from None
        raise


async def _serve(settings: SandboxSettings, shown: Api, latency: float) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            info = await nursery.start(serve_sandbox, settings)
            if latency:
                await _set_latency(info, latency)
            show(introduction(info, shown))
            async for _ in signals:
                break
            nursery.cancel_scope.cancel()
    tell("the sandbox has ended")


async def _set_latency(info: SandboxInfo, seconds: float) -> None:
    headers = {"authorization": f"Bearer {info.admin_token}"}
    async with httpx.AsyncClient() as client:
        reply = await client.put(f"{info.admin_url}/faults", json={"latency": seconds}, headers=headers)
    if reply.is_error:
        raise MountError(f"the sandbox refuses a latency of {seconds:g} s: {reply.text}", "give seconds")


def introduction(info: SandboxInfo, shown: Api) -> str:
    """What a user types in another terminal."""
    variables = {
        "FIRECREST_URL": info.url_v1 if shown == "v1" else info.url_v2,
        "AUTH_TOKEN_URL": info.token_url,
        "FIRECREST_CLIENT_ID": info.client_id,
        "FIRECREST_CLIENT_SECRET": info.client_secret,
        "FIRECREST_SYSTEM": info.system,
        "FIRECREST_API_VERSION": shown.removeprefix("v"),
    }
    exports = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    served = f"# serving {info.root} as the cluster {info.system}; its user is {info.user}; Ctrl-C ends it"
    example = (
        f"mkdir -p ~/cluster && f7tfs mount {info.system}: ~/cluster   # {info.home}; then: f7tfs umount ~/cluster"
    )
    return "\n".join((served, *exports, example))
