"""Looking at mounts: status in all its forms, top, metrics, prefetch."""

from __future__ import annotations

import json
import os
import re
import socket
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from f7tfs.sandbox.process import SandboxProcess
from tests.dayone.conftest import User, log_in
from tests.dayone.terminal import converse


def free_port() -> int:
    """One below those that the kernel hands out, so that nobody gets it by chance meanwhile."""
    for port in range(20000 + os.getpid() % 10000, 32000):
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) != 0:
                return port
    raise AssertionError("no port is free")


@pytest.fixture
def place(user: User, sandbox: SandboxProcess) -> Iterator[Path]:
    log_in(user, sandbox)
    place = user.directory("mnt")
    user.done("mount", "here", str(place))
    yield place
    user.done("umount", str(place))


def test_status_tells_people_pipes_and_programs(user: User, place: Path) -> None:
    os.listdir(place)
    piped = user.done("status", str(place))
    assert piped.startswith(f"{place}: cluster:/home/user\n    site ")
    assert user.json("status", str(place))["reachable"]
    code, shown = converse(["status", str(place)], user.env(), user.home)
    assert code == 0
    assert "\x1b[1m" in shown
    rows = [line.split("\t") for line in user.done("status", str(place), "--calls").splitlines()]
    calls = {row[1]: int(row[2].removeprefix("calls ")) for row in rows if len(row) == 3}
    assert sum(calls.values()) == sum(user.json("status", str(place))["calls"].values())
    assert any("/filesystem/" in route for route in calls)
    caches = {row[1]: [cell.split() for cell in row[2:]] for row in rows if len(row) == 4}
    assert list(caches) == ["metadata", "negative", "content", "walks", "bulk"]
    assert [name for name, _ in caches["metadata"]] == ["hits", "misses"]
    assert sum(int(number) for _, number in caches["metadata"]) > 0


def test_trace_tells_what_a_command_costs(user: User, place: Path, sandbox: SandboxProcess) -> None:
    (user.home / "in").write_bytes(b"small")
    sandbox.reset_calls()
    told = json.loads(user.done("trace", "--json", "--", "cp", str(user.home / "in"), str(place / "traced")))
    assert sum(told["calls"].values()) == sum(
        number for call, number in sandbox.calls().items() if "token" not in call
    )
    assert any("upload" in route for route in told["calls"])
    assert (told["code"], told["changes_left"]) == (0, 0)
    assert (sandbox.home / "traced").read_bytes() == b"small"
    again = json.loads(user.done("trace", "--json", "cat", str(place / "traced")))
    assert again["calls"] == {}
    assert again["caches"]["content"]["misses"] == 0


def test_trace_ends_as_the_command_did_and_leaves_its_output_alone(user: User, place: Path) -> None:
    done = user("trace", "--of", str(place), "--no-wait", "--", "sh", "-c", "echo said; exit 3")
    lines = done.stdout.splitlines()
    assert done.returncode == 3
    assert lines[:2] == ["said", "in all\tcalls 0"]
    assert [line.split("\t")[0] for line in lines[2:]] == ["metadata", "negative", "content", "walks", "bulk"]
    assert all(re.fullmatch(r"\w+\thits \d+\tmisses \d+", line) for line in lines[2:])
    assert "no-such-program" in user.refused("trace", "--of", str(place), "no-such-program")[0]


def test_top_is_live_on_a_terminal_and_a_table_in_a_pipe(user: User, place: Path) -> None:
    rows = [line.split("\t") for line in user.done("top").splitlines()]
    assert [str(place), "mounted"] in [row[:2] for row in rows]
    code, shown = converse(
        ["top", str(place), "--interval", "0.1"], user.env(), user.home, [("calls/s", ""), ("of the API", "\x03")]
    )
    assert code == 0, shown
    assert "/filesystem/" in shown


def test_top_shows_jobs_and_caches_and_asks_the_cluster_nothing(
    user: User, place: Path, sandbox: SandboxProcess
) -> None:
    (user.home / "run.sh").write_text("#!/bin/bash\nsleep 600\n")
    (user.home / "ends.sh").write_text("#!/bin/bash\ntrue\n")
    first = user.done("jobs", "submit", str(user.home / "ends.sh"), "--workdir", str(place)).strip()
    user.done("jobs", "wait", first, "--mount", str(place))
    job = user.done("jobs", "submit", str(user.home / "run.sh"), "--workdir", str(place)).strip()
    try:
        os.listdir(place)
        sandbox.reset_calls()
        status = user.json("status", str(place))
        # Other tests have jobs at the same sandbox.
        known = {each["id"]: each for each in status["jobs_known"]}
        runs, ended = known[job], known[first]
        assert (runs["name"], runs["finished"]) == ("run.sh", False)
        assert runs["since"] <= runs["seen"] <= status["now"]
        assert (ended["name"], ended["state"], ended["finished"]) == ("ends.sh", "COMPLETED", True)
        [row] = [line.split("\t") for line in user.done("top").splitlines() if line.startswith(f"{place}\t")]
        caches = status["caches"].values()
        figures = [sum(each[kind] for each in caches) for kind in ("hits", "misses")]
        assert row[7:9] == [f"hits {figures[0]}", f"misses {figures[1]}"]
        assert row[9] == f"jobs {sum(not each['finished'] for each in known.values())}"
        code, shown = converse(
            ["top", str(place), "--interval", "0.1"],
            user.env(),
            user.home,
            [(job, ""), (" ago", ""), ("metadata", "\x03")],
        )
        assert code == 0, shown
        assert sandbox.calls() == {}
    finally:
        user.done("jobs", "cancel", job, "--mount", str(place))


def test_metrics_are_given_on_request_and_on_a_port(user: User, sandbox: SandboxProcess) -> None:
    log_in(user, sandbox)
    place, port = user.directory("mnt"), free_port()
    user.done("mount", "here", str(place), "-o", f"metrics={port}")
    os.listdir(place)
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
        served = answer.read().decode()
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert f'f7tfs_reachable{{mountpoint="{place}",remote="cluster:/home/user"}} 1' in served.splitlines()
    assert "# TYPE f7tfs_api_calls_total counter" in served
    assert user.done("status", str(place), "--metrics").splitlines()[:3] == served.splitlines()[:3]
    other = user.directory("other")
    what, cure = user.refused("mount", "cluster:/scratch", str(other), "-o", f"metrics={port}")
    assert f"no metrics on port {port}" in what
    assert "metrics=PORT" in cure
    user.done("umount", str(place))


def test_what_was_prefetched_is_read_without_the_cluster(user: User, sandbox: SandboxProcess) -> None:
    tree = sandbox.home / "tree"
    tree.mkdir()
    for name in ("one", "two"):
        (tree / name).write_bytes(name.encode() * 1000)
        # What was changed within the last two seconds may change again without a trace, and is not kept.
        os.utime(tree / name, (1_600_000_000, 1_600_000_000))
    log_in(user, sandbox)
    place = user.directory("mnt")
    user.done("mount", "here", str(place))
    found = user("prefetch", str(place / "tree"))
    assert (found.returncode, found.stderr) == (0, "2 files, 5.9 KiB, can be read without the cluster\n")
    assert user.json("prefetch", str(place / "tree")) == {"files": 2, "bytes": 6000}
    assert user.json("refresh", str(place / "tree")) == {"path": str(place / "tree"), "mountpoint": str(place)}
    assert (place / "tree" / "one").stat().st_size == 3000
    assert user.json("sync", str(place)) == {"left": 0, "jobs_left": 0}
    sandbox.reset_calls()
    assert (place / "tree" / "one").read_bytes() == b"one" * 1000
    assert not any("download" in call for call in sandbox.calls())
    assert "No such file" in user.refused("prefetch", str(place / "nosuch"))[0]
    assert "not in a mount" in user.refused("prefetch", str(user.home))[0]
    user.done("umount", str(place))
