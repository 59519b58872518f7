"""The daemon is killed again and again while programs write: every acknowledged byte is on the cluster in the end."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from tests.mounted.conftest import APIS, Mount, wait_until
from tests.mounted.figures import note

# Writes files for ever, in three ways, and notes before and after each what it is about to do and what was
# acknowledged. It ends at the first error, which is the daemon's death.
WRITER = """
import json, os, random, sys
directory, record, seed = sys.argv[1:]
rand = random.Random(int(seed))
notes = open(record, "a", buffering=1)
def note(*what): print(json.dumps(what), file=notes)
for serial in range(100000):
    name = f"f{rand.randrange(8)}"
    way = rand.choice(["write", "write", "replace", "replace", "append", "remove"])
    if way in ("append", "remove") and not os.path.exists(f"{directory}/{name}"):
        way = "write"
    line = f"{seed}.{serial} " + "x" * rand.randrange(3000) + "\\n"
    note("start", name, way, line)
    if way == "remove":
        os.unlink(f"{directory}/{name}")
    elif way == "append":
        descriptor = os.open(f"{directory}/{name}", os.O_WRONLY | os.O_APPEND)
        os.write(descriptor, line.encode())
        os.close(descriptor)
    else:
        target = f"{directory}/{name}" if way == "write" else f"{directory}/.{name}.tmp"
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.write(descriptor, line.encode())
        if rand.random() < 0.1:
            os.fsync(descriptor)
        os.close(descriptor)
        if way == "replace":
            os.rename(target, f"{directory}/{name}")
    note("done", name, way, line)
"""


@dataclass
class Record:
    """What may stand in each file, None where it may be absent, by what was acknowledged and what was begun since."""

    allowed: dict[str, set[str | None]] = field(default_factory=dict)
    acknowledged: int = 0

    def read(self, path: Path) -> None:
        for line in path.read_text().splitlines():
            what, name, way, text = json.loads(line)
            before = self.allowed.setdefault(name, {None})
            after = {self._after(old, way, text) for old in before}
            if what == "done":
                self.acknowledged += 1
                # `start` has added the outcomes of this operation to those of before; now only they are left.
                self.allowed[name] = self._pending
            else:
                self._pending: set[str | None] = after
                # A file that is being written may be empty, if that was not acknowledged.
                self.allowed[name] = before | after | ({""} if way == "write" else set())

    @staticmethod
    def _after(old: str | None, way: str, text: str) -> str | None:
        if way == "remove":
            return None
        return (old or "") + text if way == "append" else text


@pytest.fixture
def killed_mounts(new_mount: Callable[..., Mount]) -> Callable[..., None]:
    return lambda api, kills: survive(new_mount(api), kills)


def survive(mount: Mount, kills: int) -> None:
    rand, record = random.Random(f"{mount.api} {kills} {os.environ.get('F7TFS_SEED', '')}"), Record()
    for cycle in range(kills):
        mount.options = ("--write-mode", rand.choice(["auto", "async"]))
        mount.mount()
        (mount.path / "d").mkdir(exist_ok=True)
        mount.sandbox.faults(latency=rand.choice([0.0, 0.01, 0.05]))
        notes = mount.state / f"notes{cycle}"
        notes.touch()
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, mount.path / "d", notes, str(cycle)], stderr=subprocess.DEVNULL
        ) as writer:
            wait_until(partial(os.path.getsize, notes))
            time.sleep(rand.uniform(0.0, 0.6))
            (daemon,) = mount.daemons()
            os.kill(daemon, signal.SIGKILL)
            writer.wait(60)
        record.read(notes)
        wait_until(mount.stale)
        # What the next mount finds, and goes on with.
        mount.sandbox.clear_faults()
    mount.mount()
    synced = mount.f7tfs("sync", str(mount.path))
    assert synced.returncode == 0, synced.stderr
    for name, allowed in record.allowed.items():
        for place in (mount.remote, mount.path):
            path = place / "d" / name
            found = path.read_text() if path.exists() else None
            assert found in allowed, f"{path}: {found!r:.300} instead of {[a[:60] if a else a for a in allowed]}"
    assert not list((mount.remote / "d").glob("*conflict*"))
    assert mount.umount().returncode == 0
    note(f"kills survived ({mount.api}):", kills)
    note(f"operations acknowledged ({mount.api}):", record.acknowledged)
    assert record.acknowledged > kills


@pytest.mark.usefixtures("quiet_log")
@pytest.mark.expects_log(" WARNING ")
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("api", APIS)
def test_what_was_acknowledged_survives_ten_kills(killed_mounts: Callable[..., None], api: str) -> None:
    killed_mounts(api, 10)


@pytest.mark.long
@pytest.mark.usefixtures("quiet_log")
@pytest.mark.timeout(14400)
@pytest.mark.parametrize("api", APIS)
def test_what_was_acknowledged_survives_many_kills(killed_mounts: Callable[..., None], api: str) -> None:
    killed_mounts(api, int(os.environ.get("F7TFS_KILLS", "500")))
