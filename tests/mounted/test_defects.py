"""A defect, or a full local disk: an error, a traceback in the log, and a mount that lives on."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from f7tfs.mount.ask import ask
from tests.mounted.conftest import PATIENCE, Mount, wait_until

PLANTED = """
import errno

from f7tfs.fuse.operations import Operations
from f7tfs.vfs.change import State
from f7tfs.vfs.changelog import ChangeLog
from f7tfs.vfs.filesystem import Filesystem
from f7tfs.vfs.journal import Journal
from f7tfs.vfs.leftovers import Leftovers
from f7tfs.vfs.replay import Replay

lookup, update, make, ready = Filesystem.lookup, Journal.update, Replay.make, ChangeLog.ready
planted = {"make", "ready"}

async def defective_lookup(self, parent, name, *rest):
    if name == "planted":
        raise RuntimeError("planted in lookup")
    return await lookup(self, parent, name, *rest)

async def full_update(self, *changes):
    if any(change.state is State.FAILED for change in changes):
        raise OSError(errno.ENOSPC, "planted in the journal")
    return await update(self, *changes)

async def defective_make(self, change):
    if change.path.endswith("second") and "make" in planted:
        planted.remove("make")
        raise RuntimeError("planted in sending")
    return await make(self, change)

def defective_ready(self, *arguments):
    if self.changes and "ready" in planted:
        planted.remove("ready")
        raise RuntimeError("planted in looking what is to be sent")
    return ready(self, *arguments)

def defective_forget(self, number, count):
    raise RuntimeError("planted in forget")

async def defective_remove(self):
    raise RuntimeError("planted in removing leftovers")

Filesystem.lookup, Filesystem.forget = defective_lookup, defective_forget
Journal.update, Replay.make, ChangeLog.ready = full_update, defective_make, defective_ready
Leftovers.remove = defective_remove
"""


@pytest.fixture
def defective(new_mount: Callable[..., Mount], tmp_path: Path) -> Mount:
    (tmp_path / "sitecustomize.py").write_text(PLANTED)
    options = ("--write-mode", "async")
    mount: Mount = new_mount(
        "v2", *options, settings={"job_start_seconds": 0.0}, environment={"PYTHONPATH": str(tmp_path)}
    )
    mount.mount()
    return mount


def test_a_mount_outlives_defects_and_a_full_local_disk(defective: Mount) -> None:
    mount = defective
    with pytest.raises(OSError) as failed:  # noqa: PT011 -- the errno is what is looked at
        (mount.path / "planted").stat()
    assert failed.value.errno == errno.EIO

    # The loop that sends fails at the first change, and the change by itself at its first attempt.
    (mount.path / "first").mkdir()
    (mount.path / "second").mkdir()
    wait_until(lambda: (mount.remote / "first").is_dir() and (mount.remote / "second").is_dir())

    # What the cluster refuses cannot be noted down.
    mount.sandbox.faults({"match": "POST .*mkdir", "status": 403})
    (mount.path / "refused").mkdir()
    wait_until(lambda: "could not take down that" in mount.log())
    (mount.path / "third").mkdir()
    wait_until((mount.remote / "third").is_dir)
    (address,) = (each for each in (mount.state / "state/f7tfs/run").iterdir() if each.is_socket())
    (entry,) = ask(address, "journal", timeout=PATIENCE, action="list")["entries"]
    assert entry["state"] == "failed"

    # The kernel forgets what was removed.
    (mount.path / "third").rmdir()
    wait_until(lambda: "planted in forget" in mount.log())
    assert sorted(path.name for path in mount.path.iterdir()) == ["first", "refused", "second"]

    log = mount.log()
    for place in ("lookup", "sending", "looking what is to be sent", "forget", "removing leftovers"):
        assert f"RuntimeError: planted in {place}" in log
    assert "the mount ended" not in log
