"""Programs at work while the site drops connections, talks nonsense, limits the rate, loses answers and restarts."""

from __future__ import annotations

import hashlib
import os
import random
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.mounted.conftest import APIS, Mount
from tests.mounted.figures import note

DEADLINE = 60
STEPS = 3
"""A rename has its turn, its call, and the `close` of what was renamed."""
LONG = re.compile(r"\w+ took (?P<seconds>\d+) s, and waited for no transfer and no job")
pytestmark = [pytest.mark.usefixtures("quiet_log"), pytest.mark.expects_log(" WARNING ")]

SITE = "/(filesystem|compute|utilities|storage|tasks)/"
TROUBLE: list[dict[str, Any]] = [
    {"status": 503},
    {"status": 500, "body": "no JSON"},
    {"status": 502, "body": "<html>", "content_type": "text/html"},
    {"status": 429, "retry_after": 0.2},
    {"drop": "before"},
    {"drop": "after"},
    {"delay": 1.0},
]
WORK = {
    "rsync": "rsync -a tree/ {m}/copy/; rsync -a --delete --checksum tree/ {m}/copy/",
    "tar": "mkdir {m}/unpacked; tar -C tree -cf - . | tar -C {m}/unpacked -xf -",
    "git": "git clone -q --no-hardlinks repository {m}/clone; cd {m}/clone; "
    "for i in 1 2 3; do echo $i >> file1; git commit -qam $i; done; git status --porcelain; git fsck --no-progress",
    "editor": "for i in $(seq 10); do "
    "vim -es -u NONE -c 'set backup writebackup backupskip=' -c \"normal oline $i\" -c wq {m}/notes.txt; done",
}


@contextmanager
def chaos(mount: Mount, seed: int, restarts: int) -> Iterator[None]:
    """The site is in trouble for the time of the block."""
    rand, end = random.Random(seed), threading.Event()

    def trouble() -> None:
        left = restarts
        while not end.wait(rand.uniform(0.1, 0.4)):
            if left and rand.random() < 0.1:
                left -= 1
                mount.sandbox.kill()
                mount.sandbox.start()
                note(f"restarts of the site in the chaos ({mount.api}):", 1)
                continue
            rule = {**rand.choice(TROUBLE), "count": 1, "match": SITE}
            mount.sandbox.faults(rule)
            note(f"faults switched on in the chaos ({mount.api}):", rule["count"])

    thread = threading.Thread(target=trouble)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()
        mount.sandbox.clear_faults()


@pytest.fixture
def material(tmp_path: Path) -> Path:
    """A tree, and a repository with one commit."""
    rand = random.Random(7)
    for index in range(60):
        path = tmp_path / f"tree/d{index % 6}/f{index}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(rand.randbytes(rand.choice([0, 10, 3000, 50_000])))
    (tmp_path / "tree/link").symlink_to("d1/f1")
    script = """
        git init -q -b main repository; cd repository
        git config --global --replace-all user.email a@example.org; git config --global user.name A
        for i in 1 2 3 4 5; do echo line > file$i; done; git add .; git commit -qm one
    """
    environment = {**os.environ, "HOME": str(tmp_path), "GIT_AUTHOR_NAME": "A", "GIT_COMMITTER_NAME": "A"}
    subprocess.run(["bash", "-euc", script], cwd=tmp_path, env=environment, check=True)
    return tmp_path


def digests(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): os.readlink(path)
        if path.is_symlink()
        else hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*")
        if path.is_symlink() or path.is_file()
    }


def work(mount: Mount, material: Path, name: str) -> None:
    """Do it until it succeeds, as a user would; an operation may fail while the site is in trouble."""
    script = WORK[name].format(m=mount.path)
    undo = {"tar": "rm -rf {m}/unpacked", "git": "rm -rf {m}/clone"}.get(name, "true").format(m=mount.path)
    environment = {**mount.env(), "HOME": str(material)}
    for _ in range(20):
        began = time.monotonic()
        done = subprocess.run(
            ["bash", "-euc", f"set -o pipefail; {script}"],
            cwd=material,
            env=environment,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        if done.returncode == 0:
            note(f"seconds of {name} in the chaos ({mount.api}):", round(time.monotonic() - began, 1))
            return
        note(f"{name} failed and was done again ({mount.api}):", 1)
        subprocess.run(["bash", "-c", undo], env=environment, capture_output=True, timeout=300, check=False)
    raise AssertionError(f"{name}: {done.stdout[-1000:]}{done.stderr[-3000:]}\n{mount.log()[-4000:]}")


def journey(mount: Mount, material: Path, programs: Iterable[str], *, restarts: int) -> None:
    """Programs at work in the chaos; then all is on the cluster, once, as they meant it."""
    mount.mount()
    with chaos(mount, seed=11, restarts=restarts):
        for name in programs:
            work(mount, material, name)
    synced = mount.f7tfs("sync", str(mount.path))
    assert synced.returncode == 0, synced.stderr
    for name in programs:
        CHECKS[name](mount.remote, material)
    assert not [path for path in mount.remote.rglob("*") if "conflict" in path.name]
    log = mount.log()
    assert "took longer than its deadline" not in log
    # What has several steps may come a little above it, and nothing more.
    assert [line for line in LONG.finditer(log) if float(line["seconds"]) > STEPS * DEADLINE] == []
    assert mount.umount().returncode == 0


def is_the_tree(directory: str) -> Callable[[Path, Path], None]:
    def check(remote: Path, material: Path) -> None:
        assert digests(remote / directory) == digests(material / "tree")

    return check


def is_a_sound_repository(remote: Path, _material: Path) -> None:
    fsck = ["git", "-c", "safe.directory=*", "-C", str(remote / "clone"), "fsck", "--no-progress"]
    assert subprocess.run(fsck, capture_output=True, check=False).returncode == 0


def ends_with_all_lines(remote: Path, _material: Path) -> None:
    assert (remote / "notes.txt").read_text().split("\n")[-11:-1] == [f"line {i}" for i in range(1, 11)]


CHECKS = {
    "rsync": is_the_tree("copy"),
    "tar": is_the_tree("unpacked"),
    "git": is_a_sound_repository,
    "editor": ends_with_all_lines,
}


@pytest.fixture
def troubled(new_mount: Callable[..., Mount], api: str, mode: str) -> Mount:
    mount: Mount = new_mount(
        api, "--write-mode", mode, "--deadline", str(DEADLINE), settings={"job_start_seconds": 0.0}, bursts=True
    )
    return mount


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("api", "mode"), [("v2", "async"), ("v1", "auto")])
def test_nothing_is_lost_or_doubled_in_a_little_chaos(troubled: Mount, material: Path) -> None:
    journey(troubled, material, list(WORK), restarts=1)


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("mode", ["auto", "async", "sync"])
def test_nothing_is_lost_or_doubled_in_the_chaos(troubled: Mount, material: Path) -> None:
    journey(troubled, material, list(WORK), restarts=3)
