"""The scripts that move, copy and remove on the cluster, run here by bash."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from f7tfs.cluster.quoted_jobs_v2 import file_script

HOSTILE = ["$(touch x)", "`touch x`", "'; touch x; '", '"; touch x; "', "a & touch x", "\\'", "-rf", "#", "~", "é  ü"]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_is_nothing_but_a_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"content")
    target = tmp_path / f"new {name}"
    script = file_script([], "mv -fT --", [str(tmp_path / name), str(target)], "/dev/null", "/dev/null")
    subprocess.run(["bash", "-c", script], cwd=tmp_path, check=True)
    assert [path.name for path in tmp_path.iterdir()] == [target.name]
    assert target.read_bytes() == b"content"


@settings(max_examples=5, deadline=None)
@given(st.lists(st.text(st.characters(exclude_characters="\0\r\n", codec="utf-8")), min_size=20))
def test_names_reach_the_command_as_they_are(names: list[str]) -> None:
    script = file_script(["#SBATCH --nodes=1"], "printf '%s\\0'", names, "/dev/null", "/dev/null")
    done = subprocess.run(["bash", "-c", script], check=True, capture_output=True)
    assert done.stdout.split(b"\0") == [*(name.encode() for name in names), b""]
