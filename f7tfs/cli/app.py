"""The commands put together, and how their errors end: two lines on standard error, never a traceback unasked."""

from __future__ import annotations

import os
import sys
import traceback
from typing import Annotated

import typer

from f7tfs import __version__
from f7tfs.cli.copies import cp, mv, rm
from f7tfs.cli.doctor import doctor
from f7tfs.cli.jobs import jobs
from f7tfs.cli.journal import journal
from f7tfs.cli.log import log
from f7tfs.cli.login import login
from f7tfs.cli.mount import mount
from f7tfs.cli.mounts import mounts
from f7tfs.cli.output import complain, show
from f7tfs.cli.prefetch import prefetch
from f7tfs.cli.profiles import profiles
from f7tfs.cli.refresh import refresh
from f7tfs.cli.sandbox import sandbox
from f7tfs.cli.service import service
from f7tfs.cli.status import status
from f7tfs.cli.sync import sync
from f7tfs.cli.top import top
from f7tfs.cli.trace import trace
from f7tfs.cli.transfers import transfers
from f7tfs.cli.umount import umount
from f7tfs.cli.wait import wait
from f7tfs.errors import UserError

app = typer.Typer(
    name="f7tfs",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_MOUNTS = (login, mount, mounts, umount, status, log, top, doctor)
_CONTENT = (sync, wait, refresh, prefetch, transfers, cp, mv, rm)
for command in (*_MOUNTS, *_CONTENT, sandbox):
    app.command()(command)
# What comes after the command's name is its own, options too.
app.command(context_settings={"allow_interspersed_args": False})(trace)
app.add_typer(profiles, name="profiles")
app.add_typer(service, name="service")
app.add_typer(jobs, name="jobs")
app.add_typer(journal, name="journal")

_MEANT = {("f7tfs login", "--url"): "--site"}
"""Options that another command has, by another name than here."""
# typer raises it for a wrong call, and has no public name for it.
_UsageError = typer.BadParameter.__bases__[0]


def _version(asked: bool) -> None:
    if asked:
        show(f"f7tfs {__version__}")
        raise typer.Exit


@app.callback()
def f7tfs(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and end.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error came from.")] = False,
) -> None:
    """Mount an HPC cluster as a local directory over FirecREST."""


def main() -> None:
    """Run the command line and end the process with its exit code."""
    sys.exit(run())


def run() -> int:
    """Run the command line; returns its exit code: 0 done, 1 not done, 2 called wrongly, 130 interrupted."""
    try:
        return app(prog_name="f7tfs", standalone_mode=False) or 0
    except UserError as error:
        _trace()
        complain(str(error), error.cure)
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except BrokenPipeError:
        # Who read what was printed has gone: `f7tfs status | head -1`.
        sys.stdout = None
    except Exception as error:  # noqa: BLE001 - the last place that can turn a defect into two lines
        return _unexpected(error)
    return 1


def _unexpected(error: Exception) -> int:
    if isinstance(error, _UsageError):
        context = getattr(error, "ctx", None)
        name = context.command_path if context else "f7tfs"
        meant = _MEANT.get((name, getattr(error, "option_name", "")))
        if meant is not None:
            complain(f"No such option: {error.option_name}", f"it is {meant}; {name} --help tells more")  # type: ignore[attr-defined]
        elif told := error.format_message():  # type: ignore[attr-defined]
            complain(told.rstrip("."), f"{name} --help tells how it is called")
        return 2
    _trace()
    if isinstance(error, FileNotFoundError) and _is_nowhere():
        complain("the working directory is gone", "cd to one that is there, and try again")
        return 1
    if isinstance(error, OSError) and error.filename is not None:
        # What the user's own disk or names refuse, wherever that comes up.
        complain(f"{error.filename}: {error.strerror}", "f7tfs --debug COMMAND shows where")
        return 1
    complain(f"unexpected {type(error).__name__}: {error} (a defect)", "f7tfs --debug COMMAND shows where")
    return 1


def _is_nowhere() -> bool:
    """Whether the directory that the command was called in has been removed: no relative path means anything then."""
    try:
        os.getcwd()  # noqa: PTH109 - Path.cwd is no more than that
    except FileNotFoundError:
        return True
    return False


def _trace() -> None:
    if "--debug" in sys.argv:
        traceback.print_exc()
