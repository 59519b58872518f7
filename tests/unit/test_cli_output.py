"""What commands print, on a terminal and in a pipe."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

import pytest

from f7tfs.cli import output

COLUMNS = ("job", "state", "seconds")
ROWS = [("42", "RUNNING", 7), ("43", "a\tb\nc", 1200)]
SCRIPT = f"""
from f7tfs.cli import output
output.show_table({COLUMNS!r}, {ROWS!r}, empty="no jobs")
output.show_record("job 42", {{"state": "RUNNING", "node": "nid1"}})
"""


def on_a_terminal(script: str) -> str:
    """What a script prints where standard output is a terminal of 80 columns."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
    environment.pop("NO_COLOR", None)
    process = subprocess.Popen([sys.executable, "-c", script], stdout=theirs, stdin=theirs, env=environment)
    os.close(theirs)
    printed = b""
    try:
        while chunk := os.read(ours, 65536):
            printed += chunk
    except OSError:
        # EIO: the other end was closed.
        pass
    os.close(ours)
    assert process.wait(60) == 0
    return printed.decode()


def test_a_table_in_a_pipe_is_a_line_for_a_row_and_tabs(capsys: pytest.CaptureFixture[str]) -> None:
    output.console.cache_clear()
    output.show_table(COLUMNS, ROWS, empty="no jobs")
    assert capsys.readouterr().out == "42\tRUNNING\t7\n43\ta b c\t1200\n"


def test_figures_in_a_pipe_say_what_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    output.console.cache_clear()
    output.show_table(("cache", "hits", "misses"), [("metadata", 7, 2)], empty="", named=("hits", "misses"))
    assert capsys.readouterr().out == "metadata\thits 7\tmisses 2\n"
    output.show_table(("path", "left"), [("a", "")], empty="", named=("left",))
    assert capsys.readouterr().out == "a\t\n"


def test_an_empty_table_is_nothing_to_programs_and_a_word_to_people(capsys: pytest.CaptureFixture[str]) -> None:
    output.show_table(COLUMNS, [], empty="no jobs")
    assert capsys.readouterr() == ("", "no jobs\n")


def test_on_a_terminal_a_table_has_a_heading_and_colour() -> None:
    printed = on_a_terminal(SCRIPT)
    assert "seconds" in printed
    assert "\x1b[32mRUNNING" in printed
    assert "   1200" in printed


def test_a_record_is_indented_below_its_title(capsys: pytest.CaptureFixture[str]) -> None:
    output.console.cache_clear()
    output.show_record("job 42", {"state": "RUNNING", "node": "nid1"})
    assert capsys.readouterr().out == "job 42\n    state RUNNING\n    node  nid1\n"


def test_an_error_is_two_lines_without_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    output.complain("it\nfailed: client_secret=hush-hush", "try\nagain")
    assert capsys.readouterr().err == "f7tfs: it failed: client_secret=[redacted]\n       try again\n"


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 * 2**30, "5.0 GiB"), (2**45, "32.0 TiB")]
)
def test_sizes(number: int, text: str) -> None:
    assert output.size(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59, "59 s"), (61, "1 min"), (7500, "2 h 5 min"), (90000, "1 d 1 h")]
)
def test_durations(seconds: float, text: str) -> None:
    assert output.duration(seconds) == text


@pytest.mark.parametrize(
    ("changes", "jobs", "told"),
    [
        (0, 0, "0 changes"),
        (3, 0, "3 changes"),
        (0, 1, "1 job to be submitted"),
        (1, 2, "1 change and 2 jobs to be submitted"),
    ],
)
def test_what_the_cluster_lacks_is_changes_and_jobs(changes: int, jobs: int, told: str) -> None:
    assert output.lacking(changes, jobs) == told
