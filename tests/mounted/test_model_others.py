"""Random operations as in test_model, while somebody else writes on the cluster, or the site is in trouble."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import rule

from f7tfs.mount.ask import ask
from tests.mounted.conftest import APIS, PATIENCE, Mount
from tests.mounted.figures import note
from tests.mounted.test_model import Twin, compare, contents, names, outcome, paths, picture

# What an operation may fail with where the site's answer did not come, or was none.
TROUBLED = {("errno", number) for number in (errno.EIO, errno.EHOSTUNREACH, errno.ETIMEDOUT, errno.EAGAIN)}
QUICK = {"job_start_seconds": 0.0}
STEPS = 25
pytestmark = pytest.mark.usefixtures("quiet_log")
TROUBLE: list[dict[str, Any]] = [
    {"status": 503},
    {"status": 500, "body": "no JSON at all"},
    {"status": 502, "body": "<html>Bad gateway</html>", "content_type": "text/html"},
    {"status": 429, "retry_after": 0},
    {"drop": "before"},
    {"drop": "after"},
]


def settle(mount: Mount) -> None:
    """Everything is on the cluster when this returns."""
    (address,) = (each for each in (mount.state / "state/f7tfs/run").iterdir() if each.is_socket())
    assert ask(address, "drain", timeout=PATIENCE)["left"] == 0


class TwinWithAnother(Twin):
    """Somebody writes on the cluster; with no attribute time-out the mount has to see it at once."""

    def there(self, operation: Callable[[Path], Any]) -> None:
        settle(self.mount)
        assert outcome(operation, self.remote) == outcome(operation, self.theirs)

    @rule(path=paths, data=contents)
    def another_writes(self, path: str, data: bytes) -> None:
        self.there(lambda top: (top / path).write_bytes(data))

    @rule(path=paths)
    def another_removes(self, path: str) -> None:
        self.there(lambda top: (top / path).unlink())

    @rule(path=names)
    def another_makes_a_directory(self, path: str) -> None:
        self.there(lambda top: (top / path).mkdir())

    @rule(old=names, new=names)
    def another_renames(self, old: str, new: str) -> None:
        self.there(lambda top: os.rename(top / old, top / new))


class TwinInTrouble(Twin):
    """The next calls of the API go wrong: an operation is done, or fails and was done wholly or not at all."""

    faults = 0
    trouble: dict[str, Any] | None = None

    @rule(trouble=st.sampled_from(TROUBLE), count=st.integers(1, 3))
    def gets_into_trouble(self, trouble: dict[str, Any], count: int) -> None:
        self.trouble = {**trouble, "count": count, "match": "/(filesystem|compute|utilities|storage)/"}

    @rule()
    def gets_out_of_it(self) -> None:
        self.trouble = None

    @rule(path=names, data=contents, trouble=st.sampled_from(TROUBLE))
    def writes_in_trouble(self, path: str, data: bytes, trouble: dict[str, Any]) -> None:
        """Most operations at random fail for want of a file, and need no call for that: this one meets its faults."""
        self.gets_into_trouble(trouble, 1)
        self.twice(lambda top: (top / path).write_bytes(data), f"write {path} in trouble")

    def twice(self, operation: Callable[[Path], Any], what: str) -> None:
        if self.trouble is None:
            super().twice(operation, what)
            return
        before = picture(self.theirs)
        expected = outcome(operation, self.theirs)
        self.mount.sandbox.faults(self.trouble)
        got = outcome(operation, self.ours)
        TwinInTrouble.faults += self.trouble["count"] - self.unused()
        Twin.compared += 1
        if got != expected:
            assert got in TROUBLED, f"{what}: {got!r} instead of {expected!r}"
            self.look_again(before, what)

    def removes_a_tree(self, path: str) -> None:
        """These are many operations, and some of them may be done: not here."""

    def unused(self) -> int:
        """Ends the trouble; how many calls did not come to meet it."""
        (rule_left,) = self.mount.sandbox._admin("GET", "faults")["rules"]
        self.mount.sandbox.clear_faults()
        return int(rule_left["count"])

    def look_again(self, before: dict[str, object], what: str) -> None:
        settle(self.mount)
        found = picture(self.remote)
        assert found in (before, picture(self.theirs)), f"{what}: half of it was done"
        if found == before:
            shutil.rmtree(self.theirs)
            shutil.copytree(self.remote, self.theirs, symlinks=True)

    def teardown(self) -> None:
        self.mount.sandbox.clear_faults()
        super().teardown()


class TwinInLastingTrouble(TwinInTrouble):
    """The same where operations are a burst: what goes wrong is the sending of what waits in the journal."""

    def unused(self) -> int:
        (rule_left,) = self.mount.sandbox._admin("GET", "faults")["rules"]
        return int(rule_left["count"])

    def teardown(self) -> None:
        settle(self.mount)
        super().teardown()


def run_model(mount: Mount, local: Path, mode: str, twin: type[Twin], examples: int) -> None:
    """`mode`: a write mode, or `bursts`, which is `auto` with its bursts."""
    mount.options = (*mount.options, "--write-mode", "auto" if mode == "bursts" else mode)
    mount.mount()
    compare(mount, local, examples=int(os.environ.get("F7TFS_EXAMPLES", examples)), steps=STEPS, twin=twin)
    assert mount.umount().returncode == 0


@pytest.mark.timeout(900)
@pytest.mark.parametrize("mode", ["auto", "bursts", "async", "sync"])
@pytest.mark.parametrize("api", APIS)
def test_what_another_writes_on_the_cluster_is_seen(
    new_mount: Callable[..., Mount], tmp_path: Path, api: str, mode: str
) -> None:
    mount = new_mount(api, "--attribute-timeout", "0", settings=QUICK, bursts=mode == "bursts")
    run_model(mount, tmp_path, mode, TwinWithAnother, 3)


@pytest.mark.expects_log(" WARNING ")
@pytest.mark.timeout(900)
@pytest.mark.parametrize("mode", ["auto", "sync"])
@pytest.mark.parametrize("api", APIS)
def test_nothing_is_half_done_where_the_site_is_in_trouble(
    new_mount: Callable[..., Mount], tmp_path: Path, api: str, mode: str
) -> None:
    TwinInTrouble.faults = 0
    run_model(new_mount(api, settings=QUICK), tmp_path, mode, TwinInTrouble, 4)
    note(f"faults injected ({api}, {mode}):", TwinInTrouble.faults)
    assert TwinInTrouble.faults


@pytest.mark.expects_log(" WARNING ")
@pytest.mark.timeout(900)
@pytest.mark.parametrize("mode", ["bursts", "async"])
@pytest.mark.parametrize("api", APIS)
def test_nor_where_it_is_while_changes_are_sent(
    new_mount: Callable[..., Mount], tmp_path: Path, api: str, mode: str
) -> None:
    run_model(new_mount(api, settings=QUICK, bursts=mode == "bursts"), tmp_path, mode, TwinInLastingTrouble, 3)
