"""`f7tfs jobs`: what the `.jobs` directories of a mount do, for people who prefer commands."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from f7tfs.cli.arguments import Json
from f7tfs.cli.job_files import copy_log, wait_for_end
from f7tfs.cli.output import console, duration, show, show_json, show_record, show_table, tell
from f7tfs.cli.places import control_of
from f7tfs.cli.progress import waiting
from f7tfs.mount.ask import ask
from f7tfs.mount.errors import MountError
from f7tfs.mount.mountinfo import mount_of
from f7tfs.mount.runtime import absolute

_SECONDS = 10.0
_DONE = "COMPLETED"
_MOST_PATH = 24
"""Characters of a path beside all else that a terminal of 80 columns has to show of a job."""
_OLD = 90.0
"""A mount looks at least every 60 seconds when it is asked."""

jobs = typer.Typer(no_args_is_help=True, help="Batch jobs: submit, list, show, wait, logs, cancel.")

InMount = Annotated[
    Path | None,
    typer.Option(
        "--mount", parser=Path, metavar="PATH", help="In the mount that this path lies in, if there are more."
    ),
]
JobId = Annotated[str, typer.Argument(metavar="ID", help="A job's id, `last`, its name or its script's.")]
JobIds = Annotated[list[str], typer.Argument(metavar="ID...", help="Ids of jobs, `last`, their names or scripts'.")]


@jobs.command()
def submit(
    script: Annotated[Path, typer.Argument(parser=Path, metavar="SCRIPT", help="A batch script of this machine.")],
    workdir: Annotated[
        Path | None,
        typer.Option(
            parser=Path,
            metavar="DIR",
            help="Where it runs: a directory in a mount. Else the one you are in, or the root.",
        ),
    ] = None,
    name: Annotated[str | None, typer.Option(help="The job's name, else that of the script.")] = None,
    wait_for_it: Annotated[bool, typer.Option("--wait", help="Wait until it has ended.")] = False,
    as_json: Json = False,
) -> None:
    """Submit a batch script; prints the job's id."""
    text = _read(script)
    directory = _jobs_of(workdir)
    called = name or script.name
    with _told(directory / f"{called}.err"), waiting(f"submitting {called}"):
        # A name that was submitted before is a link to a directory: a rename replaces it.
        scratch = directory / f".{called}.{os.getpid()}"
        scratch.write_bytes(text)
        scratch.rename(directory / called)
        job = (directory / "by-name" / called).readlink().name
    if not as_json:
        show(job)
    line = _wait(directory / job) if wait_for_it else None
    if as_json:
        show_json(_info(directory / job))
    elif line is not None:
        show(f"{job}\t{line}")
    if line is not None:
        _end(line)


@jobs.command("list")
def list_jobs(
    mount: InMount = None,
    active: Annotated[bool, typer.Option("--active", help="Only those that have not ended.")] = False,
    as_json: Json = False,
) -> None:
    """List the jobs of a mount: active ones, and the recent past."""
    directory = _jobs_of(mount)
    with _told(), waiting("asking the scheduler"):
        found = json.loads((directory / "queue.json").read_text())
    _tell_age(found)
    if active:
        found = [job for job in found if not job["finished"]]
    if as_json:
        show_json(found)
        return
    columns = ("job", "name", "state", "time", "exit", "nodes (reason)", "working directory")
    show_table(columns, [_row(job) for job in found], empty="no jobs", named=("time", "exit"))


def _tell_age(found: Sequence[dict[str, Any]]) -> None:
    """Say so where the scheduler could not be asked: the states are those of the last look."""
    looks = [datetime.fromisoformat(job["seen"]) for job in found if job["seen"] and not job["finished"]]
    if looks and (age := time.time() - max(looks).timestamp()) > _OLD:
        tell(f"as it was {duration(age)} ago: the scheduler could not be asked since")


def _row(job: dict[str, Any]) -> tuple[str, ...]:
    exit_code = "-" if job["exit_code"] is None else str(job["exit_code"])
    reason = f"({job['reason']})" if job["reason"] else "-"
    elapsed = "-" if job["elapsed"] is None else duration(job["elapsed"])
    exit_code += f":{job['signal']}" if job["signal"] else ""
    return (
        job["key"],
        job["name"],
        job["state"],
        elapsed,
        exit_code,
        job["nodes"] or reason,
        _short(job["working_directory"] or "") if console().is_terminal else job["working_directory"],
    )


def _short(path: str) -> str:
    """Its end, where it is long; `show` tells all of it."""
    return path if len(path) <= _MOST_PATH else "…/" + "/".join(path.rsplit("/", 2)[-2:])


_UNTOLD = ("key", "finished", "steps", "script_name")
"""What the state and the title tell already."""


@jobs.command("show")
def show_job(job: JobId, mount: InMount = None, as_json: Json = False) -> None:
    """Show all that is known of a job."""
    info = _info(_place(_jobs_of(mount), job))
    if as_json:
        show_json(info)
    else:
        _tell_age([info])
        told = {name: value for name, value in info.items() if value not in (None, "", []) and name not in _UNTOLD}
        told |= {name: duration(told[name]) for name in ("elapsed", "limit") if name in told}
        told |= {f"step {step['id']}": f"{step['state']} ({step['name']})" for step in info["steps"]}
        show_record(f"job {info['key']}", told)


def _info(job: Path) -> dict[str, Any]:
    with _told(job=job), waiting("asking the scheduler"):
        info: dict[str, Any] = json.loads((job / "info.json").read_text())
    return info


@jobs.command()
def wait(job: JobIds, mount: InMount = None, as_json: Json = False) -> None:
    """Wait until jobs have ended; prints what became of each. Ends with 1 where one did not complete."""
    directory = _jobs_of(mount)
    lines, told = [], []
    places = [_place(directory, each) for each in job]
    for place in places:
        line = _wait(place)
        lines.append(line)
        if as_json:
            told.append(_info(place))
        else:
            show(f"{place.name}\t{line}")
    if as_json:
        show_json(told)
    _end(*lines)


def _wait(job: Path) -> str:
    with _told(job=job), waiting(f"waiting for job {job.name}") as tell_next:
        return wait_for_end(job, lambda state: tell_next(f"waiting for job {job.name}: {state}"))


def _end(*lines: str) -> None:
    if any(line.split("\t")[0] != _DONE for line in lines):
        raise typer.Exit(1)


@jobs.command()
def logs(
    job: JobId,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the job has ended.")] = False,
    stderr: Annotated[bool, typer.Option("--stderr", help="What it wrote to standard error.")] = False,
    mount: InMount = None,
) -> None:
    """Print what a job has written."""
    place = _place(_jobs_of(mount), job)
    with _told(job=place):
        copy_log(place / ("stderr" if stderr else "stdout"), place / "info.json" if follow else None)


@jobs.command()
def cancel(job: JobIds, mount: InMount = None) -> None:
    """Cancel jobs. Those that have ended stay as they are."""
    directory = _jobs_of(mount)
    places = [_place(directory, each) for each in job]
    for place in places:
        with _told(job=place), waiting(f"cancelling job {place.name}"):
            (place / "ctl").write_text("cancel\n")
        tell(f"job {place.name} is cancelled")


# -- where ---------------------------------------------------------------------------------------


def _jobs_of(path: Path | None) -> Path:
    """The `.jobs` of a directory in a mount; without one that of where we are, or of the only mount there is."""
    if path is None and mount_of(absolute(Path())) is None:
        answer = ask(control_of(None), "status", timeout=_SECONDS)
        place = Path(answer["mountpoint"])
    else:
        place = absolute(path or Path())
        answer = ask(control_of(place), "status", timeout=_SECONDS)
    if not answer["jobs"]:
        raise MountError("this mount has no directory of jobs", "mount it without -o jobs_name=")
    return place / str(answer["jobs"])


def _place(directory: Path, job: str) -> Path:
    """A job's directory. What `last` and the names of scripts are links to changes with the next submission."""
    place = directory / job
    with _told(), waiting("asking the scheduler"):
        if place.is_symlink():
            return directory / place.readlink().name
        return place if os.path.lexists(place) else directory / (_newest(directory, job) or job)


def _newest(directory: Path, name: str) -> str | None:
    """The newest job of that name, or of a script of that name, wherever in the mount it was submitted."""
    found = json.loads((directory / "queue.json").read_text())
    keys = [job["key"] for job in found if name in (job["name"], job["script_name"])]
    return keys[-1] if keys else None


def _read(script: Path) -> bytes:
    try:
        return script.read_bytes()
    except OSError as error:
        raise MountError(
            f"{script}: {os.strerror(error.errno or 0)}", "name a batch script that can be read on this machine"
        ) from None


@contextmanager
def _told(reason: Path | None = None, job: Path | None = None) -> Iterator[None]:
    """Errors of the mount in words; `reason` is a file that may hold better ones, `job` may be none."""
    try:
        yield
    except OSError as error:
        told = ""
        if reason is not None and reason.exists():
            told = reason.read_text().strip()
        if job is not None and isinstance(error, FileNotFoundError) and not os.path.lexists(job):
            told = f"no job {job.name}"
        where = f"{error.filename}: " if error.filename else ""
        raise MountError(
            told or f"{where}{os.strerror(error.errno or 0)}", "f7tfs jobs list shows the jobs"
        ) from None
