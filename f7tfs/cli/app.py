"""The commands put together, and how their errors end: one line on standard error, never a traceback unasked."""

from __future__ import annotations

import sys
import traceback
from typing import Annotated

import typer

from f7tfs import __version__
from f7tfs.cli.mount import mount
from f7tfs.cli.output import complain
from f7tfs.cli.refresh import refresh
from f7tfs.cli.sandbox import sandbox
from f7tfs.cli.status import status
from f7tfs.cli.sync import sync
from f7tfs.cli.umount import umount
from f7tfs.config import ConfigError
from f7tfs.mount.errors import MountError

app = typer.Typer(
    name="f7tfs",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (mount, umount, status, sync, refresh, sandbox):
    app.command()(command)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"f7tfs {__version__}")
        raise typer.Exit


@app.callback()
def f7tfs(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and end.")
    ] = False,
) -> None:
    """Mount an HPC cluster as a local directory over FirecREST."""


def main() -> None:
    """Run the command line and end the process with its exit code."""
    try:
        app(prog_name="f7tfs")
    except (ConfigError, MountError) as error:
        complain(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:  # noqa: BLE001 - the last place that can turn a defect into a line
        if "--debug" in sys.argv:
            traceback.print_exc()
        complain(f"unexpected {type(error).__name__}: {error} (a defect; --debug shows where)")
    sys.exit(1)
