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
    names = {"key": "7", "name": "run.sh", "state": "COMPLETED" if finished else "RUNNING"}
    return {**told, **names, "finished": finished, "seen": seen, "steps": []}


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
