"""A list of jobs says how old it is where the scheduler could not be asked."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from f7tfs.cli import jobs as module


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As `.jobs` of a mount."""
    monkeypatch.setattr(module, "_jobs_of", lambda _mount: tmp_path)
    return tmp_path


def job(ago: timedelta, *, finished: bool) -> dict[str, Any]:
    told = dict.fromkeys(("reason", "exit_code", "signal", "elapsed", "nodes", "working_directory"))
    seen = (datetime.now().astimezone() - ago).isoformat(timespec="seconds")
    names = {"key": "7", "name": "run.sh", "script_name": "run.sh", "state": "COMPLETED" if finished else "RUNNING"}
    return {**told, **names, "finished": finished, "seen": seen, "steps": []}


def test_the_end_of_a_long_path_is_shown_on_a_terminal() -> None:
    assert module._short("/home/user/wave") == "/home/user/wave"
    assert module._short("/capstor/scratch/cscs/user/project/wave") == "…/project/wave"


@pytest.mark.parametrize(
    ("ago", "finished", "told"),
    [
        (timedelta(minutes=5), False, "as it was 5 min"),
        (timedelta(seconds=50), False, ""),
        (timedelta(minutes=5), True, ""),
    ],
)
def test_who_lists_old_states_is_told(directory: Path, ago: timedelta, finished: bool, told: str) -> None:
    known = job(ago, finished=finished)
    (directory / "queue.json").write_text(json.dumps([known]))
    (directory / "7").mkdir()
    (directory / "7" / "info.json").write_text(json.dumps(known))
    for command in (["list"], ["show", "7"]):
        done = CliRunner().invoke(module.jobs, command)
        assert done.exit_code == 0, done.output
        assert "run.sh" in done.stdout
        assert told in done.stderr if told else done.stderr == ""
        as_json = CliRunner().invoke(module.jobs, [*command, "--json"])
        assert json.loads(as_json.stdout) == ([known] if command == ["list"] else known)


def test_a_name_is_looked_for_in_the_whole_mount(directory: Path) -> None:
    """The script was dropped in the `.jobs` of another directory, and names its job itself."""
    known = job(timedelta(), finished=True)
    jobs = [{**known, "key": key, "name": name} for key, name in (("7", "wave"), ("8", "wave"), ("9", "other"))]
    jobs[-1]["script_name"] = "other.sh"
    (directory / "queue.json").write_text(json.dumps(jobs))
    for key in "789":
        (directory / key).mkdir()
        (directory / key / "stderr").write_text(f"of {key}\n")
    for name, told in (("run.sh", "of 8\n"), ("wave", "of 8\n"), ("other.sh", "of 9\n"), ("7", "of 7\n")):
        assert CliRunner().invoke(module.jobs, ["logs", "--stderr", name]).stdout == told
    assert "no job nothing.sh" in str(CliRunner().invoke(module.jobs, ["logs", "nothing.sh"]).exception)
