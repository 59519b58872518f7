"""Running the sandbox, and telling how to use it."""

from __future__ import annotations

import shlex
import shutil
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import httpx
import trio

from f7tfs.cli.output import show, tell
from f7tfs.mount.errors import MountError
from f7tfs.mount.failure import leaves
from f7tfs.sandbox import SandboxInfo, SandboxSettings, SchedulerMissing, serve_sandbox
from f7tfs.sandbox.options import faults_of, settings_of

Api = Literal["v2", "v1"]
Scheduler = Literal["local", "slurm"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked for on the command line; settings and faults are words, `NAME=VALUE`."""

    port: int
    scheduler: Scheduler
    settings: tuple[str, ...] = ()
    faults: tuple[str, ...] = ()


def run_sandbox(root: Path, wanted: Wanted, *, shown: Api) -> None:
    """Serve `root` until SIGINT or SIGTERM. Raises MountError for what there is not: a setting, the port, Slurm."""
    try:
        settings = settings_of(root, wanted.settings, port=wanted.port, scheduler=wanted.scheduler)
        faults = faults_of(wanted.faults)
    except ValueError as error:
        raise MountError(str(error), "docs/reference/sandbox-settings.md and sandbox-faults.md list them") from None
    try:
        trio.run(_serve, settings, shown, faults)
    except (OSError, ExceptionGroup) as error:
        for leaf in leaves(error):
            if isinstance(leaf, SchedulerMissing):
                raise MountError(str(leaf), "without --scheduler slurm, jobs are processes") from None
            if isinstance(leaf, BrokenPipeError):
                # Who read how to use it has gone: `f7tfs sandbox | head -1`.
                raise leaf from None
            if isinstance(leaf, OSError):
                raise MountError(
                    f"the sandbox cannot listen on port {wanted.port}: {leaf.strerror}", "--port 0 takes a free one"
                ) from None
        raise


async def _serve(settings: SandboxSettings, shown: Api, faults: dict[str, Any]) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            info = await nursery.start(serve_sandbox, settings)
            await _set_faults(info, faults)
            show(introduction(info, shown))
            async for _ in signals:
                break
            nursery.cancel_scope.cancel()
    tell("the sandbox has ended")


async def _set_faults(info: SandboxInfo, faults: dict[str, Any]) -> None:
    headers = {"authorization": f"Bearer {info.admin_token}"}
    async with httpx.AsyncClient() as client:
        reply = await client.put(f"{info.admin_url}/faults", json=faults, headers=headers)
    if reply.is_error:
        raise MountError(f"the sandbox refuses these faults: {reply.text}", "docs/reference/sandbox-faults.md")


def introduction(info: SandboxInfo, shown: Api) -> str:
    """What a user types in another terminal."""
    variables = {
        **info.variables(shown),
        "FIRECREST_SYSTEM": info.system,
        "FIRECREST_API_VERSION": shown.removeprefix("v"),
    }
    exports = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    other, url = ("v2", info.url_v2) if shown == "v1" else ("v1", info.url_v1)
    also = f"# the same by FirecREST {other}: FIRECREST_URL={url} FIRECREST_API_VERSION={other.removeprefix('v')}"
    again = (
        f"# the next start has another port and secret, unless it gets --port {info.port}"
        " --setting client_secret=$FIRECREST_CLIENT_SECRET (and the same --root)"
    )
    # Who runs it as .venv/bin/f7tfs has no other one.
    called = Path(sys.argv[0])
    command = "f7tfs" if shutil.which("f7tfs") or called.name != "f7tfs" else shlex.quote(str(called))
    served = f"# serving {info.root} as the cluster {info.system}; its user is {info.user}; Ctrl-C ends it"
    example = (
        f"mkdir -p ~/cluster && {command} mount {info.system}: ~/cluster   "
        f"# {info.home}; then: {command} umount ~/cluster"
    )
    header = shlex.quote(f"Authorization: Bearer {info.admin_token}")
    faults = f"# faults while it runs: curl -X PUT -H {header} {info.admin_url}/faults -d '{{\"latency\": 1}}'"
    return "\n".join((served, *exports, also, example, again, faults))
