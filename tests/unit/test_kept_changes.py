"""What `f7tfs status` and `f7tfs mounts` say of changes that wait in the journal of what is not mounted."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from f7tfs.cli import output
from f7tfs.cli import status as module
from f7tfs.cli.journal import show as journal_list
from f7tfs.cli.mounts import mounts
from f7tfs.cli.status import readable, status
from f7tfs.mount import journals
from f7tfs.mount.lock import exclusive
from f7tfs.vfs.jobs.record import new_record, to_json
from f7tfs.vfs.jobs.store import JOBS, JobStore
from f7tfs.vfs.journal import Journal


@pytest.fixture(autouse=True)
def _nothing_is_mounted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "every", list)
    monkeypatch.setattr("f7tfs.cli.mounts.every", list)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    output.console.cache_clear()


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """The journal of cluster:/project with two changes, one of which was refused."""
    state = tmp_path / "f7tfs" / "mounts" / "cluster-project-1"
    (state / "content").mkdir(parents=True)
    (state / "content" / "c1").write_text("seven b")
    (state / "origin.json").write_text(json.dumps({"system": "cluster", "root": "/project"}))
    Journal(state / "journal.sqlite").close()
    add(state, "/project/a", "ready", None, "c1")
    add(state, "/project/b", "failed", "quota", "")
    return state


def add(state: Path, path: str, how: str, error: str | None, content: str) -> None:
    with sqlite3.connect(state / "journal.sqlite") as journal:
        journal.execute(
            "INSERT INTO changes (kind, path, new_path, content, node, standing, new_standing, state, error, created)"
            " VALUES ('content', ?, '', ?, '{}', '', '', ?, ?, 0)",
            (path, content, how, error),
        )


def test_people_are_told_what_was_not_sent_and_what_to_do(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status(None)
    told = capsys.readouterr()
    assert told.err == "nothing is mounted\n"
    assert told.out.splitlines() == [
        "cluster:/project: not mounted",
        "    to be sent 2 changes (7 B)",
        f"    kept in    {state}",
        "    FAILED     1 change: /project/b: quota",
        "    to do      mount it again, and they are sent, or: f7tfs journal",
    ]
    mounts()
    told = capsys.readouterr()
    assert told.err == "nothing is mounted\n"
    cells = told.out.rstrip("\n").split("\t")
    assert cells[:5] == ["-", "cluster:/project", "kept", "2 changes, 7 B", "failed 1"]
    assert cells[5:] == ["mount it again, and they are sent, or: f7tfs journal", ""]


def test_programs_are_told_in_the_words_of_a_mount(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    expected: dict[str, Any] = {
        "mountpoint": None,
        "remote": "cluster:/project",
        "mounted": False,
        "problem": "not mounted, and the cluster does not have every change",
        "changes_left": 2,
        "bytes_left": 7,
        "jobs_waiting": 0,
        "failed": [{"path": "/project/b", "error": "quota"}],
        "state_directory": str(state),
    }
    status(None, as_json=True)
    assert json.loads(capsys.readouterr().out) == [expected]
    mounts(as_json=True)
    assert json.loads(capsys.readouterr().out) == [{"state": "kept", **expected}]


def test_a_journal_that_somebody_has_or_that_is_empty_is_not_told(state: Path, tmp_path: Path) -> None:
    base = tmp_path / "f7tfs"
    assert len(journals.kept_changes(base, set())) == 1
    assert journals.kept_changes(base, {state}) == []
    with exclusive(state / "lock", tmp_path, "busy"):
        assert journals.kept_changes(base, set()) == []
    with sqlite3.connect(state / "journal.sqlite") as journal:
        journal.execute("DELETE FROM changes")
    assert journals.kept_changes(base, set()) == []


def test_a_journal_that_cannot_be_read_is_told(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (state / "origin.json").write_text("{")
    (state / "journal.sqlite").write_text("no journal, and longer than what SQLite takes for an empty one")
    status(None)
    told = capsys.readouterr().out
    assert told.startswith("cluster-project-1: not mounted\n")
    assert "cannot be read" in told
    mounts()
    assert "cannot be read" in capsys.readouterr().out


def test_many_failed_changes_are_a_short_line() -> None:
    failed = [{"path": f"/f{number}", "error": "quota"} for number in range(203)]
    answer = {
        "changes_left": 203, "bytes_left": 0, "mounted": True, "url": "u", "user": "me", "reachable": True,
        "since": 0, "calls": {}, "cache_bytes": 0, "state_directory": "d", "pid": 1, "waiting": [], "failed": failed,
    }  # fmt: skip
    told = readable(answer)
    assert told["FAILED"] == "203 changes: /f0: quota; /f1: quota; /f2: quota; and 200 more: f7tfs journal"
    assert told["to do"] == "when the cause is gone: f7tfs journal retry"
    assert "FAILED" not in readable({**answer, "failed": []})


def test_a_job_that_was_not_submitted_is_told(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = new_record("off.sh", "/project", "#!/bin/sh\n")
    JobStore(state / JOBS).close()
    with sqlite3.connect(state / JOBS) as jobs:
        jobs.execute("INSERT INTO jobs VALUES (?, 0, ?)", (record.mark, json.dumps(to_json(record))))
    status(None)
    assert "to be sent 2 changes (7 B) and 1 job to be submitted\n" in capsys.readouterr().out
    mounts()
    assert capsys.readouterr().out.split("\t")[3] == "2 changes, 7 B and 1 job to be submitted"
    journal_list()
    assert capsys.readouterr().err == "cluster:/project: 1 job to be submitted: f7tfs jobs list\n"
    with sqlite3.connect(state / "journal.sqlite") as changes:
        changes.execute("DELETE FROM changes")
    status(None)
    assert "to be sent 1 job to be submitted\n" in capsys.readouterr().out
    journal_list()
    told = capsys.readouterr()
    assert (told.out, told.err.splitlines()[-1]) == ("", "cluster:/project: 1 job to be submitted: f7tfs jobs list")
