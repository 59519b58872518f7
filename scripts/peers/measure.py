"""One task by one contender: how long it took, until the cluster had it, and with how many calls of the API."""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from scripts.peers.contenders import Contender, Site, environment_of, mounted
from scripts.peers.tasks import Place, Task

POLL = 0.02
POLL_SHARE = 0.02
"""Who waits long looks less often: looking takes the machine's time."""
OFFICIAL = Path(__file__).with_name("official.py")


@dataclass(frozen=True)
class Cell:
    """What came of it. Seconds that are None were more than `bound`."""

    task: str
    contender: str
    delay: float
    bound: float
    seconds: float | None
    there: float | None
    """Until the cluster had it; the same as `seconds` for what changes nothing."""
    calls: int | None
    """None where no API is called."""
    failed: str
    """What went wrong; empty where nothing did."""
    load: float
    """Of the machine, as it began."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def measured(site: Site, contender: Contender, task: Task, near: Path, package: str, bound: float) -> Cell:
    """Plant, mount, run, look, and clean up."""
    real = Path(tempfile.mkdtemp(prefix=f"{task.key}-", dir=site.sandbox.home))
    real.chmod(0o755)
    place = Place(real, near, package)
    task.plant(place)
    # What was made within the last two seconds is not believed to be finished.
    os.utime(real, (1_600_000_000, 1_600_000_000))
    load = os.getloadavg()[0]
    try:
        if contender.is_mount:
            with mounted(site, contender) as mnt:
                result = _by_command(site, task, place, mnt / real.name, bound)
        else:
            result = _by_official(site, contender, task, place, bound)
    finally:
        site.sandbox.clear_faults()
        shutil.rmtree(real, ignore_errors=True)
        if place.out.is_dir():
            shutil.rmtree(place.out)
        place.out.unlink(missing_ok=True)
    calls = result.calls if contender.api else None
    return Cell(
        task.key,
        str(contender),
        site.delay,
        bound,
        result.seconds,
        result.there,
        calls,
        result.failed,
        round(load, 1),
    )


@dataclass(frozen=True)
class _Result:
    seconds: float | None
    there: float | None
    calls: int
    failed: str = ""


def _by_command(site: Site, task: Task, place: Place, at: Path, bound: float) -> _Result:
    if task.listed:
        _within(bound, ["ls", "-l", str(at)], dict(os.environ))
    site.sandbox.reset_calls()
    began = time.perf_counter()
    environment = {**os.environ, **task.environment(at)}
    status = _within(bound, task.command(place, at), environment)
    seconds = time.perf_counter() - began
    if status is None:
        return _Result(None, None, _calls(site))
    if status not in task.ok:
        return _Result(seconds, None, _calls(site), f"status {status}")
    return _seen(site, task, place, began, seconds, bound)


def _by_official(site: Site, contender: Contender, task: Task, place: Place, bound: float) -> _Result:
    far = f"{site.sandbox.info.home}/{place.real.name}/{task.official}"
    near = place.near / task.official_near
    command = [sys.executable, str(OFFICIAL), task.key, site.sandbox.info.system, far, str(near)]
    with environment_of(site, contender, place.real) as environment:
        site.sandbox.reset_calls()
        try:
            done = subprocess.run(
                command, env=environment, timeout=bound, check=False, capture_output=True, text=True
            )
        except subprocess.TimeoutExpired:
            return _Result(None, None, _calls(site))
        if done.returncode:
            said = done.stderr.strip().splitlines() or ["it said nothing"]
            return _Result(None, None, _calls(site), said[-1][:80])
        # It tells itself how long it took, without the start of Python.
        seconds = float(done.stdout.split()[-1])
        return _seen(site, task, place, time.perf_counter() - seconds, seconds, bound)


def _seen(site: Site, task: Task, place: Place, began: float, seconds: float, bound: float) -> _Result:
    """Wait until the cluster has it, and see whether it is right."""
    there: float | None = seconds
    if task.arrived is not None:
        while not task.arrived(place):
            if time.perf_counter() - began > bound:
                there = None
                break
            time.sleep(max(POLL, POLL_SHARE * (time.perf_counter() - began)))
        else:
            there = max(seconds, time.perf_counter() - began)
    return _Result(seconds, there, _calls(site), "" if task.right(place) else "wrong content")


def _within(bound: float, command: list[str], environment: dict[str, str]) -> int | None:
    """The status of a command; None where it took too long and was killed, with all that it had started."""
    with subprocess.Popen(
        command, env=environment, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        if _ended(process.pid, bound):
            return process.wait()
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        return None


def _ended(process: int, bound: float) -> bool:
    """Wait for its end. `Popen.wait` with a bound looks every 50 ms only, which is as long as a call takes."""
    descriptor = os.pidfd_open(process)
    try:
        return bool(select.select([descriptor], [], [], bound)[0])
    finally:
        os.close(descriptor)


def _calls(site: Site) -> int:
    return sum(count for route, count in site.sandbox.calls().items() if "token" not in route)
