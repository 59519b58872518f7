"""Large text files that grow: followed by windows on their text, without staging, and never a wrong byte."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.mounted.conftest import Mount, wait_until

MIB = 2**20
STAGING = ("transfer/download", "xfer-external/download")
WINDOW = ("ops/view", "utilities/head", "utilities/tail")
LISTING = ("ops/ls", "utilities/ls")


def log(path: Path, size: int, line: Callable[[int], str] = "{:09} energy -76.0263 converged\n".format) -> None:
    """A text of at least `size` bytes, of which each line is another."""
    step = len(line(0).encode())
    path.write_text("".join(line(number) for number in range(size // step + 1)))
    # Its time proves its version, so that no window depends on how slow the machine is; and it may be growing.
    written = int(time.time()) - 600
    os.utime(path, (written, written))


def seen(mount: Mount, name: str, size: int, *line: Callable[[int], str]) -> Path:
    """A log that the mount knows of."""
    log(mount.remote / name, size, *line)
    look_anew(mount, name)
    return mount.remote / name


def append(path: Path, data: str | bytes) -> None:
    """As if it had been done a while ago."""
    written = int(path.stat().st_mtime) + 1
    with path.open("ab") as file:
        file.write(data.encode() if isinstance(data, str) else data)
    os.utime(path, (written, written))


def count(mount: Mount, routes: tuple[str, ...]) -> int:
    return sum(count for route, count in mount.sandbox.calls().items() if route.endswith(routes))


def look_anew(mount: Mount, name: str) -> None:
    assert mount.f7tfs("refresh", str(mount.path / name)).returncode == 0


def read(mount: Mount, name: str, offset: int, length: int) -> bytes:
    with (mount.path / name).open("rb", buffering=0) as file:
        return os.pread(file.fileno(), length, offset)


def is_same(mount: Mount, name: str) -> bool:
    """Whether a file reads as it is on the cluster, to the last byte."""
    return (mount.path / name).read_bytes() == (mount.remote / name).read_bytes()


class Follower:
    """A program that prints what is added to a file."""

    def __init__(self, mount: Mount, *command: str) -> None:
        self.process = subprocess.Popen(command, cwd=mount.path, stdout=subprocess.PIPE)
        self.got = b""
        self._thread = threading.Thread(target=self._gather, daemon=True)
        self._thread.start()

    def _gather(self) -> None:
        assert self.process.stdout
        while data := os.read(self.process.stdout.fileno(), 65536):
            self.got += data

    def wait_for(self, expected: bytes) -> None:
        wait_until(lambda: len(self.got) >= len(expected))
        assert self.got == expected

    def end(self) -> None:
        with self.process:
            self.process.kill()
            self._thread.join(60)


@pytest.fixture
def quick(own: Mount) -> Iterator[Mount]:
    """A mount that looks again after a second."""
    own.options = ("--attribute-timeout", "1")
    yield own
    assert own.umount().returncode == 0


@pytest.mark.timeout(600)
def test_tail_f_costs_a_listing_for_each_time_out_and_a_window_for_each_growth(quick: Mount) -> None:
    log(quick.remote / "run.log", 40 * MIB)
    expected = b"".join((quick.remote / "run.log").read_bytes().splitlines(keepends=True)[-3:])
    quick.mount()
    quick.sandbox.reset_calls()
    started = time.monotonic()
    follower = Follower(quick, "tail", "-n", "3", "-f", "run.log")
    follower.wait_for(expected)
    begun = count(quick, WINDOW)
    assert begun <= 2
    for step in range(3):
        new = f"step {step}: größer als zuvor\n"
        with (quick.remote / "run.log").open("a") as file:
            file.write(new)
        expected += new.encode()
        follower.wait_for(expected)
    follower.end()
    assert count(quick, STAGING) == 0
    listings = count(quick, LISTING)
    # One for each growth that was seen, or two where a window begins within a character.
    assert count(quick, WINDOW) - begun <= 2 * max(3, listings)
    assert listings <= time.monotonic() - started + 3


@pytest.mark.timeout(600)
def test_less_follows_a_growing_log_without_staging(quick: Mount) -> None:
    # It counts lines from the beginning on; v1 shows the first and the last 4 MiB only.
    log(quick.remote / "run.log", 12 * MIB if quick.api == "v2" else 7 * MIB)
    quick.mount()
    quick.sandbox.reset_calls()
    terminal, its_end = pty.openpty()
    environment = {**os.environ, "TERM": "xterm"}
    command = ["less", "+F", "run.log"]
    with subprocess.Popen(
        command,
        cwd=quick.path,
        stdin=its_end,
        stdout=its_end,
        stderr=its_end,
        env=environment,
        start_new_session=True,
    ) as less:
        os.close(its_end)
        try:
            for step in range(2):
                new = f"step {step} of the run"
                with (quick.remote / "run.log").open("a") as file:
                    file.write(f"{new}\n")
                shown = b""
                while new.encode() not in shown:
                    assert select.select([terminal], [], [], 60)[0], f"{new!r} is not shown: {shown[-1000:]!r}"
                    shown += os.read(terminal, 65536)
        finally:
            less.kill()
            os.close(terminal)
    assert count(quick, STAGING) == 0


@pytest.mark.timeout(600)
def test_looks_at_a_growing_log_need_no_staging(mount: Mount) -> None:
    there = seen(mount, "slurm-1.out", 24 * MIB)
    mount.sandbox.reset_calls()
    for _ in range(3):
        content = there.read_bytes()
        assert mount.run("head", "-n", "2", "slurm-1.out").encode() == b"".join(content.splitlines(True)[:2])
        assert mount.run("tail", "-n", "200", "slurm-1.out").encode() == b"".join(content.splitlines(True)[-200:])
        assert mount.run("tail", "-c", "100000", "slurm-1.out").encode() == content[-100000:]
        assert mount.run("head", "-c", "100000", "slurm-1.out").encode() == content[:100000]
        append(there, "one more line\n" * 1000)
        look_anew(mount, "slurm-1.out")
    assert count(mount, STAGING) == 0
    # On a slow machine each program comes after the attribute time-out, and compares the end again.
    assert count(mount, WINDOW) <= 3 * (2 + 4)


@pytest.mark.timeout(600)
def test_grep_stages_a_long_log_once_and_then_reads_what_was_added(mount: Mount) -> None:
    there = seen(mount, "long.log", 40 * MIB)
    mount.sandbox.reset_calls()
    assert mount.run("grep", "-c", "converged", "long.log").strip() == str(there.read_text().count("converged"))
    assert count(mount, STAGING) == 1
    windows = count(mount, WINDOW)
    assert windows <= 14
    for step in range(3):
        append(there, f"step {step} converged\n")
        look_anew(mount, "long.log")
        assert mount.run("grep", "-c", "converged", "long.log").strip() == str(there.read_text().count("converged"))
    assert count(mount, STAGING) == 1
    assert count(mount, WINDOW) - windows <= 2 * 3
    assert is_same(mount, "long.log")


@pytest.mark.timeout(600)
def test_a_text_of_a_few_windows_is_never_staged(mount: Mount) -> None:
    seen(mount, "table.csv", 5 * MIB, "{:09};Zürich;0,5\r\n".format)
    mount.sandbox.reset_calls()
    assert is_same(mount, "table.csv")
    assert count(mount, STAGING) == 0
    assert count(mount, WINDOW) <= 10


ODD = {
    "carriage returns": "{:09} \r50 %\r100 %\r\n".format,
    "three bytes": "{:09} 日本語のログ ███▏\n".format,
    "four bytes": "🙂{:09}🙂\n".format,
}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", ODD)
def test_text_of_all_kinds_is_exact_at_every_offset_and_needs_no_staging(mount: Mount, kind: str) -> None:
    seen(mount, "odd.txt", 6 * MIB, ODD[kind])
    content = (mount.remote / "odd.txt").read_bytes()
    mount.sandbox.reset_calls()
    for offset in (len(content) - 7, 0, 1_000_001, 2_000_003, len(content) - 1_000_000, len(content) - 2_000_001):
        assert read(mount, "odd.txt", offset, 5000) == content[offset : offset + 5000]
    assert count(mount, STAGING) == 0
    assert is_same(mount, "odd.txt")


BROKEN = {
    "a byte that is no text": b"f\xfcr\n",
    "U+FFFD itself": "\ufffd\n".encode(),
    "NULs": b"\0\0\n",
    "binary": bytes(range(256)) * 500,
}


AT_EACH_PLACE = {
    ("a byte that is no text", "middle"),
    ("U+FFFD itself", "end"),
    ("NULs", "beginning"),
    ("binary", "end"),
}
BROKEN_PLACES = [
    pytest.param(kind, place, marks=[] if (kind, place) in AT_EACH_PLACE else pytest.mark.long)
    for kind in BROKEN
    for place in ("beginning", "middle", "end")
]


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("kind", "place"), BROKEN_PLACES)
def test_what_is_no_text_is_staged_and_exact(mount: Mount, kind: str, place: str) -> None:
    there = seen(mount, "broken", 5 * MIB)
    content = there.read_bytes()
    at = {"beginning": 0, "middle": len(content) // 2, "end": len(content)}[place]
    there.write_bytes(content[:at] + BROKEN[kind] + content[at:])
    look_anew(mount, "broken")
    assert is_same(mount, "broken")
    append(there, "and more\n")
    look_anew(mount, "broken")
    assert is_same(mount, "broken")


@pytest.mark.timeout(600)
def test_a_log_that_ends_within_a_character_is_waited_for_or_staged(mount: Mount) -> None:
    there = seen(mount, "cut.log", 5 * MIB)
    character = "🙂".encode()
    append(there, b"more: " + character[:2])
    look_anew(mount, "cut.log")
    whole = there.read_bytes()
    assert read(mount, "cut.log", len(whole) - 20, 100) == whole[-20:]
    append(there, character[2:] + b"\n")
    look_anew(mount, "cut.log")
    assert is_same(mount, "cut.log")


REWRITTEN: dict[str, Callable[[bytes], bytes]] = {
    "longer and all new": lambda old: old.replace(b"converged", b"diverged!") + b"longer\n",
    "the same at the end": lambda old: b"another beginning of the file" + old[29:],
    "shorter": lambda old: old[: 5 * MIB],
    "empty": lambda _old: b"",
    "small": lambda _old: b"small\n",
    "binary": lambda old: b"\xff" * len(old) + b"more",
    "another file with more before it": lambda old: b"before\n" + old,
}


OFTEN_REPLACED = {"empty", "another file with more before it"}
"""Mostly renamed over the old one; the others are mostly written in place."""
REWRITES = [
    pytest.param(how, replaced, marks=[] if replaced == (how in OFTEN_REPLACED) else pytest.mark.long)
    for how in REWRITTEN
    for replaced in (False, True)
]


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("how", "replaced"), REWRITES)
def test_a_log_that_was_rewritten_is_read_anew(mount: Mount, how: str, replaced: bool) -> None:
    there = seen(mount, "again.log", 6 * MIB)
    old = there.read_bytes()
    os.utime(there, (1_700_000_000, 1_700_000_000))
    look_anew(mount, "again.log")
    descriptor = os.open(mount.path / "again.log", os.O_RDONLY)
    assert os.pread(descriptor, 10000, len(old) - 10000) == old[-10000:]
    assert os.pread(descriptor, 10000, 0) == old[:10000]
    new = REWRITTEN[how](old)
    target = mount.remote / "new" if replaced else there
    target.write_bytes(new)
    if replaced:
        target.rename(there)
    look_anew(mount, "again.log")
    assert (mount.path / "again.log").stat().st_size == len(new)
    assert is_same(mount, "again.log")
    # Who had it open all the time reads the new one too, once it has been looked at.
    assert os.pread(descriptor, 10000, 0) == new[:10000]
    os.close(descriptor)


@pytest.mark.timeout(600)
def test_a_log_that_was_cut_after_it_was_listed_is_not_filled_with_what_is_not_there(mount: Mount) -> None:
    there = seen(mount, "cut.log", 6 * MIB)
    size = (mount.path / "cut.log").stat().st_size
    descriptor = os.open(mount.path / "cut.log", os.O_RDONLY)
    os.truncate(there, 5 * MIB)
    assert os.pread(descriptor, 10000, size - 10000) == b""
    os.close(descriptor)
    look_anew(mount, "cut.log")
    assert is_same(mount, "cut.log")


@pytest.mark.timeout(600)
def test_a_followed_log_can_be_written_here(mount: Mount) -> None:
    there = seen(mount, "both.log", 5 * MIB)
    mount.run("tail", "-n", "1", "both.log")
    append(there, "from there\n")
    look_anew(mount, "both.log")
    expected = there.read_bytes() + b"from here\n"
    mount.sh("echo from here >> both.log")
    mount.f7tfs("sync", str(mount.path))
    assert there.read_bytes() == expected
    assert not list(mount.remote.glob("*.conflict-*"))


@pytest.mark.timeout(600)
def test_a_change_in_the_middle_that_was_not_seen_is_not_written_back(mount: Mount) -> None:
    there = seen(mount, "middle.log", 5 * MIB)
    assert is_same(mount, "middle.log")
    content = there.read_bytes()
    there.write_bytes(content[:MIB] + b"changed" + content[MIB + 7 :] + b"from there\n")
    look_anew(mount, "middle.log")
    mount.run("tail", "-n", "1", "middle.log")
    expected = there.read_bytes() + b"from here\n"
    mount.sh("echo from here >> middle.log")
    mount.f7tfs("sync", str(mount.path))
    assert there.read_bytes() == expected
