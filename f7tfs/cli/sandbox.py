"""`f7tfs sandbox`: a FirecREST server on this machine, over a directory, to try things on."""

from __future__ import annotations

import enum
import shlex
import signal
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import httpx
import trio
import typer

from f7tfs.cli.output import err, out
from f7tfs.mount.errors import MountError
from f7tfs.mount.failure import leaves

if TYPE_CHECKING:
    from f7tfs.sandbox import SandboxInfo, SandboxSettings


class Api(enum.StrEnum):
    """Both are always served; this is the one that is shown."""

    V2 = "v2"
    V1 = "v1"


def sandbox(
    root: Annotated[Path | None, typer.Option(help="The directory to serve; else a temporary one.")] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 0,
    api: Annotated[Api, typer.Option(help="Whose URL is shown.")] = Api.V2,
    latency: Annotated[float, typer.Option(min=0, metavar="SECONDS", help="Added to every call.")] = 0.0,
) -> None:
    """Run a FirecREST server on this machine until Ctrl-C, and print how to use it."""
    try:
        # An extra: only those who want a sandbox install its server.
        from f7tfs.sandbox import SandboxSettings
    except ImportError as error:
        raise MountError(f"the sandbox needs more packages ({error}): pip install 'f7tfs[sandbox]'") from None
    with ExitStack() as stack:
        if root is None:
            root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="f7tfs-sandbox-")))
        elif not root.is_dir():
            raise MountError(f"{root}: not a directory")
        try:
            trio.run(_serve, SandboxSettings(root=root.resolve(), port=port), api, latency)
        except (OSError, ExceptionGroup) as error:
            for leaf in leaves(error):
                if isinstance(leaf, OSError):
                    raise MountError(f"the sandbox cannot listen on port {port}: {leaf.strerror}") from None
            raise


async def _serve(settings: SandboxSettings, api: Api, latency: float) -> None:
    from f7tfs.sandbox import serve_sandbox

    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            info = await nursery.start(serve_sandbox, settings)
            if latency:
                await _set_latency(info, latency)
            out.print(introduction(info, api))
            async for _ in signals:
                break
            nursery.cancel_scope.cancel()
    err.print("the sandbox has ended")


async def _set_latency(info: SandboxInfo, seconds: float) -> None:
    headers = {"authorization": f"Bearer {info.admin_token}"}
    async with httpx.AsyncClient() as client:
        reply = await client.put(f"{info.admin_url}/faults", json={"latency": seconds}, headers=headers)
    if reply.is_error:
        raise MountError(f"the sandbox refuses a latency of {seconds:g} s: {reply.text}")


def introduction(info: SandboxInfo, api: Api) -> str:
    """What a user types in another terminal."""
    variables = {
        "FIRECREST_URL": info.url_v1 if api is Api.V1 else info.url_v2,
        "AUTH_TOKEN_URL": info.token_url,
        "FIRECREST_CLIENT_ID": info.client_id,
        "FIRECREST_CLIENT_SECRET": info.client_secret,
        "FIRECREST_SYSTEM": info.system,
        "FIRECREST_API_VERSION": api.value.removeprefix("v"),
    }
    exports = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    served = f"# serving {info.root} as the cluster {info.system}; its user is {info.user}; Ctrl-C ends it"
    example = (
        f"mkdir -p ~/cluster && f7tfs mount {info.system}: ~/cluster   # {info.home}; then: f7tfs umount ~/cluster"
    )
    return "\n".join((served, *exports, example))
