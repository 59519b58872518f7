"""Every command in its three forms: in a pipe, on a terminal, and as JSON."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer.main

from f7tfs.cli.app import app
from f7tfs.sandbox.process import SandboxProcess
from tests.dayone.conftest import PATIENCE, User, log_in, site_options
from tests.dayone.terminal import converse

FORMS = ("pipe", "terminal", "json")
TRACE = "Traceback"


@dataclass(frozen=True)
class Case:
    """How a command is called; {…} are filled in. `typed`: on a terminal, after a question; in a pipe, at once."""

    command: str
    arguments: str = ""
    prints: bool = False
    """It has a result on standard output, be it an empty table."""
    json: bool = False
    empty: bool = False
    """There is nothing to be shown here."""
    typed: tuple[str, str] = ("", "")


# In this order: what one does the next may need. {n} is another number in each form.
CASES = (
    Case("login", "other{n} {login}", True, True, typed=("client secret: ", "{secret}\n")),
    Case("login", "here {login} --default", True, True, typed=("client secret: ", "{secret}\n")),
    Case("profiles list", "", True, True),
    Case("profiles show", "other{n}", True, True),
    Case("profiles default", "here"),
    Case("service install", "other{n} {home}/service"),
    Case("service install", "other{n} {home}/service --print", True),
    Case("service remove", "other{n}"),
    Case("profiles remove", "other{n}"),
    Case("doctor", "here --quick", True, True),
    Case("mount", "cluster:{there}/d{n} {home}/m{n}"),
    Case("umount", "{home}/m{n}"),
    Case("mounts", "", True, True),
    Case("status", "{place}", True, True),
    Case("log", "{place}", True),
    Case("top", "--interval 0.1", True, typed=("calls/s", "\x03")),
    Case("refresh", "{place}/file{n}", json=True),
    Case("prefetch", "{place}/file{n}", json=True),
    Case("cp", "{place}/file{n} {home}/copied{n}", json=True),
    Case("mv", "{place}/file{n} {place}/moved{n}", json=True),
    Case("rm", "{place}/moved{n}", json=True),
    Case("wait", "{place}", json=True),
    Case("transfers", "{place}", True, True, empty=True),
    Case("jobs submit", "{home}/run.sh --workdir {place} --wait", True, True),
    Case("jobs wait", "last --mount {place}", True, True),
    Case("jobs list", "--mount {place}", True, True),
    Case("jobs show", "last --mount {place}", True, True),
    Case("jobs logs", "last --mount {place}", True),
    Case("jobs cancel", "last --mount {place}"),
    Case("journal list", "--of {place}", True, True),
    Case("journal export", "{id} {home}/exported{n} --of {place}"),
    Case("journal retry", "--of {place}"),
    Case("journal drop", "{id} --of {place}"),
    Case("sync", "{place}", json=True),
    Case("trace", "--of {place} -- ls {place}/d{n}", True, True),
)
ELSEWHERE = {"sandbox"}
"""It runs until Ctrl-C, in every form; see below."""


def commands(group: Any, *path: str) -> Iterator[tuple[str, Any]]:
    """Every command that typer knows, with the groups that it is in."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, *path, name)
        else:
            yield " ".join((*path, name)), command


ALL = dict(commands(typer.main.get_command(app)))


def test_no_command_is_left_out_and_each_that_prints_a_value_has_json() -> None:
    assert {case.command for case in CASES} | ELSEWHERE == set(ALL)
    have = {name for name, command in ALL.items() if any("--json" in each.opts for each in command.params)}
    assert have == {case.command for case in CASES if case.json}
    # These are no values: a log, a job's output, a unit file, and what is looked at live (`status --json` tells it).
    streams = {"log", "jobs logs", "service install", "top"}
    assert {case.command for case in CASES if case.prints and not case.json} == streams


@pytest.fixture
def filled(user: User, sandbox: SandboxProcess) -> Iterator[dict[str, str]]:
    """A mount with some files, and what the arguments need."""
    info = sandbox.info
    filled = {
        "login": " ".join([*site_options(sandbox), "--client-id", info.client_id, "--no-keyring"]),
        "secret": info.client_secret,
        "home": str(user.home),
        "place": str(user.directory("mnt")),
        "there": info.home,
    }
    (user.home / "run.sh").write_text("#!/bin/bash\necho done\n")
    for number in range(len(FORMS)):
        (sandbox.home / f"d{number}").mkdir(exist_ok=True)
        (sandbox.home / f"file{number}").write_text("x")
        user.directory(f"m{number}")
    log_in(user, sandbox, "mounted")
    user.done("mount", "mounted", filled["place"])
    yield filled
    sandbox.clear_faults()
    user.done("umount", filled["place"])


def refuse_changes(sandbox: SandboxProcess, place: Path) -> None:
    sandbox.faults(quota=0)
    for number in range(len(FORMS)):
        with pytest.raises(OSError, match="quota"), (place / f"refused{number}").open("w") as file:
            file.write("x")


def test_every_command_speaks_to_people_pipes_and_programs(
    user: User, sandbox: SandboxProcess, filled: dict[str, str]
) -> None:
    ids: list[str] = []
    for case in CASES:
        if case.command == "journal list":
            refuse_changes(sandbox, Path(filled["place"]))
            ids = [str(each["id"]) for each in user.json("journal", "list", "--of", filled["place"])]
        for number, form in enumerate(FORMS):
            values = {**filled, "n": str(number), "id": ids[number] if ids else ""}
            arguments = case.arguments.format(**values).split()
            check(user, case, form, arguments, tuple(text.format(**values) for text in case.typed))
            if case.command == "journal drop" and form == "json":
                # It was called wrongly, so that it is still there.
                user.done(*case.command.split(), *arguments)


def check(user: User, case: Case, form: str, arguments: list[str], typed: tuple[str, ...]) -> None:
    words = [*case.command.split(), *(["--json"] if form == "json" else []), *arguments]
    question, answer = typed
    if form == "terminal":
        code, shown = converse(words, user.env(), user.home, [(question, answer)] if question else ())
        assert code == 0, (words, shown)
        assert TRACE not in shown
        assert bool(shown) or not case.prints, words
        return
    if form == "json" and not case.json:
        assert "No such option: --json" in user.refused(*words, code=2)[0]
        return
    done = user(*words, typed="" if "\x03" in answer else answer)
    assert done.returncode == 0, (words, done.stdout, done.stderr)
    assert "\x1b" not in done.stdout + done.stderr
    if form == "json":
        json.loads(done.stdout)
    else:
        assert bool(done.stdout) == (case.prints and not case.empty), (words, done.stdout)
        # What turns or grows while somebody waits is for terminals only.
        assert not any(0x2800 <= ord(letter) < 0x2900 or letter == "━" for letter in done.stderr)


def test_the_sandbox_tells_people_and_pipes_how_to_use_it(user: User) -> None:
    code, shown = converse(["sandbox"], user.env(), user.home, [("Ctrl-C ends it", "\x03")])
    assert (code, "the sandbox has ended" in shown) == (0, True), shown
    with subprocess.Popen(
        [sys.executable, "-m", "f7tfs", "sandbox"], env=user.env(), cwd=user.home, stdout=subprocess.PIPE, text=True
    ) as piped:
        assert piped.stdout is not None
        lines = [piped.stdout.readline()]
        while not lines[-1].startswith("# faults"):
            lines.append(piped.stdout.readline())
            assert lines[-1], lines
        piped.send_signal(signal.SIGINT)
    assert [line.partition("=")[0] for line in lines[1:4]] == [
        "export FIRECREST_URL",
        "export AUTH_TOKEN_URL",
        "export FIRECREST_CLIENT_ID",
    ]
    assert piped.returncode == 0
    assert "No such option: --json" in user.refused("sandbox", "--json", code=2)[0]
    closed = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m f7tfs sandbox | true; exit ${{PIPESTATUS[0]}}"],
        env=user.env(), cwd=user.home, capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    assert (closed.returncode, closed.stderr) == (1, "")
