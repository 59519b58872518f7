"""Calls every command wrongly, in broken surroundings, and prints as JSON what ended otherwise than in two lines.

Run as a program, in a mount namespace without mounts of f7tfs: `wrong_calls.py DIRECTORY SEED`. All is in one
process, so that a thousand calls take seconds.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import socket
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import typer.main

from f7tfs.cli.app import app, run

WORDS = (
    *("", ".", "..", "/", "absent", "file", "directory", "/proc", "/dev/null", "~", "-1", "0", "7", "1e400", "last"),
    *(":", ":/", "daint:", "daint:x", "daint:/x/../..", "a b", "ü\udcff", "x" * 5000, "new\nline"),
    *("[red]x[/]", "{}", "%s"),
    *("http://127.0.0.1:9/", "ftp://x", "uid=", "=", "ro,,", "jobs_name=a/b", "attribute_timeout=-1"),
)
LEFT_OUT = frozenset({"--watch", "--follow", "--foreground", "--debug"})
"""Options that make a command wait for Ctrl-C, or ask for a traceback."""
NEVER = frozenset({"sandbox", "trace", "cp", "mv", "rm"})
"""It runs for ever, or what it runs, moves or removes would be lost if nonsense were not refused."""
CALLS = 3
"""Of each command in each surrounding."""

CONFIGS: dict[str, bytes | None] = {
    "nothing": None,
    "no TOML": b"[profiles\nx = ",
    "no text": b"\xff\xfe\x00",
    "no table": b"profiles = 3\ndefault = []\n",
    "wrong values": b"[profiles.daint]\nurl = 5\noptions = 'x'\nsystem = [1]\n[profiles.last]\n",
    "unknown keys": b"[profiles.daint]\nurll = 'http://127.0.0.1:9'\n",
}


def commands(group: Any, *path: str) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command, with the words that call it."""
    for name, command in group.commands.items():
        yield (*path, name), command
        if hasattr(command, "commands"):
            yield from commands(command, *path, name)


def wrong(chance: random.Random, command: Any) -> list[str]:
    """Arguments for a command, most of which are nonsense."""
    words = [chance.choice(WORDS) for each in command.params if each.param_type_name == "argument"]
    options = [each for each in command.params if each.param_type_name == "option" and not LEFT_OUT & set(each.opts)]
    for option in chance.sample(options, chance.randint(0, min(3, len(options)))):
        words += [option.opts[0]] if option.is_flag else [option.opts[0], chance.choice(WORDS)]
    if chance.random() < 0.2:
        words.append(chance.choice(("--nosuch", "more", "-")))
    if words and chance.random() < 0.2:
        words.pop(chance.randrange(len(words)))
    return words


def call(words: list[str]) -> str:
    """Run a command; returns what is wrong with how it ended, or nothing."""
    sys.argv = ["f7tfs", *words]
    sys.stdin = io.StringIO("")
    said, told = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(told):
            code = run()
    except BaseException:  # noqa: BLE001 - SystemExit too is none of the ways to end
        return traceback.format_exc()
    if "Traceback" in told.getvalue() or "a defect" in told.getvalue():
        return told.getvalue()
    if code not in {0, 1, 2}:
        return f"exit code {code}"
    lines = told.getvalue().splitlines()
    if code and not said.getvalue() and not (len(lines) >= 2 and lines[-2].startswith("f7tfs: ")):
        return f"not two lines: {lines}"
    return ""


def surroundings(home: Path) -> Iterator[tuple[str, Callable[[], contextlib.AbstractContextManager[object]]]]:
    """Broken homes, one after the other."""
    file = home / ".config" / "f7tfs" / "config.toml"
    file.parent.mkdir(parents=True)
    for name, content in CONFIGS.items():
        if content is not None:
            file.write_bytes(content)
            file.chmod(0o600)
        yield f"config: {name}", contextlib.nullcontext
    file.unlink()
    file.mkdir()
    yield "config: a directory", contextlib.nullcontext
    file.rmdir()
    yield "no home", lambda: changed(HOME="/proc/nowhere", XDG_RUNTIME_DIR="/proc/nowhere")
    (home / "file").touch()
    yield "the state directory is a file", lambda: changed(XDG_STATE_HOME=str(home / "file"))
    yield "sockets that nobody answers", lambda: dead_socket(home)
    yield "half an environment", lambda: changed(FIRECREST_URL="http://127.0.0.1:9/v2", AUTH_TOKEN_URL="x")


@contextlib.contextmanager
def changed(**variables: str) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(variables)
    yield
    os.environ.clear()
    os.environ.update(before)


@contextlib.contextmanager
def dead_socket(home: Path) -> Iterator[None]:
    """A daemon that was killed leaves one."""
    from f7tfs.mount.runtime import control_socket

    place = control_socket(home / "directory")
    with contextlib.chdir(place.parent), socket.socket(socket.AF_UNIX) as server:
        # By its name alone: the whole path may be too long for a socket.
        server.bind(place.name)
    yield
    place.unlink(missing_ok=True)


def main() -> None:
    home, chance = Path(sys.argv[1]), random.Random(int(sys.argv[2]))
    os.environ |= {"HOME": str(home)}
    (home / "directory").mkdir()
    os.chdir(home)
    known = [(path, each) for path, each in commands(typer.main.get_command(app)) if path[0] not in NEVER]
    found, calls = [], 0
    for surrounding, enter in surroundings(home):
        for path, command in known:
            for _ in range(CALLS):
                words = [*path, *wrong(chance, command)]
                with enter():
                    problem = call(words)
                calls += 1
                if problem:
                    found.append({"in": surrounding, "call": words, "problem": problem})
    print(json.dumps({"calls": calls, "found": found}))  # noqa: T201 - what the test reads


if __name__ == "__main__":
    main()
