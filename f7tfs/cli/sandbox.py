"""`f7tfs sandbox`: a FirecREST server on this machine, over a directory, to try things on."""

from __future__ import annotations

import enum
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from f7tfs.mount.errors import MountError


class Api(enum.StrEnum):
    """Both are always served; this is the one that is shown."""

    V2 = "v2"
    V1 = "v1"


class Scheduler(enum.StrEnum):
    """Who runs the jobs."""

    LOCAL = "local"
    SLURM = "slurm"


def sandbox(
    root: Annotated[Path | None, typer.Option(help="What to serve, made if need be; else a temporary one.")] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 0,
    api: Annotated[Api, typer.Option(help="Whose URL is shown.")] = Api.V2,
    latency: Annotated[float, typer.Option(min=0, metavar="SECONDS", help="Added to every call.")] = 0.0,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[=VALUE]", help="What goes wrong, as quota=0; repeatable. The page sandbox-faults lists all."
        ),
    ] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="What the site is like. The page sandbox-settings lists all."),
    ] = None,
    scheduler: Annotated[
        Scheduler, typer.Option(help="Processes of this machine, or a real Slurm (as root; scripts/setup-slurm.sh).")
    ] = Scheduler.LOCAL,
) -> None:
    """Run a FirecREST server on this machine until Ctrl-C, and print how to use it."""
    try:
        # Its server is an extra, and takes half a second to load.
        from f7tfs.cli.sandbox_server import Wanted, run_sandbox
    except ImportError as error:
        raise MountError(
            f"the sandbox needs more packages: {error}",
            "in a clone of f7tfs: pipx install --force '.[sandbox]'",
        ) from None
    with ExitStack() as stack:
        if root is None:
            root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="f7tfs-sandbox-")))
        else:
            try:
                root.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise MountError(f"{root}: {error.strerror}", "choose another directory with --root") from None
        given = Wanted(
            port=port,
            scheduler="slurm" if scheduler is Scheduler.SLURM else "local",
            settings=tuple(setting or ()),
            faults=(f"latency={latency}", *(fault or ())),
        )
        run_sandbox(root.resolve(), given, shown="v1" if api is Api.V1 else "v2")
