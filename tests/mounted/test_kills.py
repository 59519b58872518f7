"""The daemon is killed again and again while programs write: every acknowledged byte is on the cluster in the end."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from tests.mounted import writers
from tests.mounted.conftest import APIS, Mount, wait_until
from tests.mounted.figures import note
from tests.mounted.test_journal import OURS

DIRECTORY = "a directory"
AT = {"v2": ["extract", "ops/rm", "ops/upload", "ops/ls"], "v1": ["extract", "utilities/rm", "upload", "rename"]}
"""Parts of the calls in whose midst the daemon is killed, besides any other moment."""
WAYS = ("files", "trees")


@dataclass
class Record:
    """What may stand at each path, None where it may be absent, by what was acknowledged and what was begun since."""

    allowed: dict[str, set[str | None]] = field(default_factory=dict)
    acknowledged: int = 0

    def read(self, path: Path, top: str) -> None:
        """Take in what one writer noted, below `top`. Only its last operation can be without an acknowledgement."""
        after: dict[str, set[str | None]] = {}
        for line in path.read_text().splitlines():
            what, name, way, text = json.loads(line)
            name, text = top + name, top + text if way == "move" else text
            if what == "done":
                self.acknowledged += 1
                self.allowed |= after
                continue
            after = self._after(name, way, text)
            for each, outcomes in after.items():
                self.allowed[each] = self.allowed.get(each, {None}) | outcomes
            if way == "write":
                # A file that is being written may be empty, if that was not acknowledged.
                self.allowed[name] |= {""}

    def _after(self, name: str, way: str, text: str) -> dict[str, set[str | None]]:
        before = self.allowed.setdefault(name, {None})
        match way:
            case "move":
                moved = [each for each in self.allowed if each == name or each.startswith(f"{name}/")]
                gone: dict[str, set[str | None]] = {each: {None} for each in moved}
                return gone | {text + each[len(name) :]: self.allowed[each] for each in moved}
            case "remove":
                return {name: {None}}
            case "append":
                return {name: {(old or "") + text for old in before}}
            case "mkdir":
                return {name: {DIRECTORY}}
            case "symlink":
                return {name: {f"-> {text}"}}
        return {name: {text}}

    def check(self, top: Path) -> None:
        """What stands there is what may stand there, and nothing else is there."""
        found = {str(path.relative_to(top)): path for path in top.rglob("*")}
        for name in sorted({*found, *self.allowed}):
            # Of an editor's save that was not acknowledged its temporary may be left.
            if name.startswith(OURS) or name.endswith(".tmp"):
                continue
            allowed, there = self.allowed.get(name, {None}), seen(found[name]) if name in found else None
            assert there in allowed, f"{top / name}: {there!r:.300} instead of {[a and a[:60] for a in allowed]}"


def seen(path: Path) -> str:
    if path.is_symlink():
        return f"-> {os.readlink(path)}"
    return DIRECTORY if path.is_dir() else path.read_text()


@contextlib.contextmanager
def writing(mount: Mount, cycle: int, record: Record) -> Iterator[None]:
    """Both writers are at work in the block, which kills the daemon; what they noted is in the record afterwards."""
    notes = {way: mount.state / f"notes {way} {cycle}" for way in WAYS}
    with contextlib.ExitStack() as stack:
        programs = []
        for way, place in notes.items():
            place.touch()
            (mount.path / way).mkdir(exist_ok=True)
            command = [sys.executable, writers.__file__, way, str(mount.path / way), str(place), str(cycle)]
            programs.append(stack.enter_context(subprocess.Popen(command, stderr=subprocess.DEVNULL)))
        for place in notes.values():
            wait_until(partial(os.path.getsize, place))
        yield
        for program in programs:
            program.wait(60)
    for way, place in notes.items():
        record.read(place, f"{way}/")


def moment(mount: Mount, rand: random.Random) -> str:
    """Wait for a moment to kill in: any, or while a call of one kind is under way, if one comes; tells which."""
    part = rand.choice(["", "", *AT[mount.api]])
    if not part:
        time.sleep(rand.uniform(0.0, 1.5))
        return "any"
    mount.sandbox.reset_calls()
    until = time.monotonic() + 3.0
    while time.monotonic() < until:
        if any(part in route for route in mount.sandbox.calls()):
            time.sleep(rand.choice([0.0, 0.02, 0.1]))
            return part
    return "any"


def survive(mount: Mount, kills: int) -> None:
    rand, record = random.Random(f"{mount.api} {kills} {os.environ.get('F7TFS_SEED', '')}"), Record()
    record.allowed = {way: {DIRECTORY} for way in WAYS}
    moments: list[str] = []
    for cycle in range(kills):
        mount.options = ("--write-mode", rand.choice(["auto", "async"]))
        mount.mount()
        mount.sandbox.faults(latency=rand.choice([0.0, 0.01, 0.05]))
        with writing(mount, cycle, record):
            moments.append(moment(mount, rand))
            (daemon,) = mount.daemons()
            os.kill(daemon, signal.SIGKILL)
        wait_until(mount.stale)
        # What the next mount finds, and goes on with.
        mount.sandbox.clear_faults()
        if cycle % 20 == 19:
            settle(mount, record)
    settle(mount, record)
    note(f"kills survived ({mount.api}):", kills)
    for part in sorted(set(moments)):
        note(f"of these during {part} ({mount.api}):", moments.count(part))
    note(f"operations acknowledged ({mount.api}):", record.acknowledged)
    assert record.acknowledged > kills


def settle(mount: Mount, record: Record) -> None:
    """Everything that was acknowledged is on the cluster, and shown."""
    mount.mount()
    synced = mount.f7tfs("sync", str(mount.path))
    assert synced.returncode == 0, synced.stderr
    record.check(mount.remote)
    record.check(mount.path)
    assert mount.umount().returncode == 0


@pytest.mark.usefixtures("quiet_log")
@pytest.mark.expects_log(" WARNING ")
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("api", APIS)
def test_what_was_acknowledged_survives_ten_kills(new_mount: Callable[..., Mount], api: str) -> None:
    survive(new_mount(api), 10)


@pytest.mark.long
@pytest.mark.usefixtures("quiet_log")
@pytest.mark.timeout(14400)
@pytest.mark.parametrize("api", APIS)
def test_what_was_acknowledged_survives_many_kills(new_mount: Callable[..., Mount], api: str) -> None:
    survive(new_mount(api), int(os.environ.get("F7TFS_KILLS", "500")))
