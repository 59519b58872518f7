"""`f7tfs jobs` over a mount."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.mounted.conftest import PATIENCE, Mount

SCRIPT = "#!/bin/bash\necho begun\npwd\necho oops >&2\nexit 0\n"


def jobs(mount: Mount, *arguments: str, code: int = 0, cwd: Path | None = None) -> str:
    """What a command prints, run in the mount."""
    done = subprocess.run(
        [sys.executable, "-m", "f7tfs", "jobs", *arguments],
        env=mount.env(),
        cwd=cwd or mount.path,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout if code == 0 else done.stdout + done.stderr


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "run.sh"
    path.write_text(SCRIPT)
    return path


def test_a_job_from_its_submission_to_its_output(mount: Mount, script: Path) -> None:
    job = jobs(mount, "submit", str(script)).strip()
    assert job == os.readlink(mount.path / ".jobs/last")
    assert jobs(mount, "wait", job).split("\t")[:3] == [job, "COMPLETED", "0"]
    assert jobs(mount, "logs", job).splitlines()[0] == "begun"
    assert jobs(mount, "logs", "last", "-f").splitlines()[0] == "begun"
    for name in ("last", "run.sh"):
        assert jobs(mount, "wait", name).split("\t")[:2] == [job, "COMPLETED"]
    info = json.loads(jobs(mount, "show", job, "--json"))
    assert (info["job_id"], info["name"], info["finished"]) == (job, "run.sh", True)
    assert f"job {job}" in jobs(mount, "show", job)
    lines = [line.split("\t") for line in jobs(mount, "list").splitlines()]
    assert [job, "run.sh", "COMPLETED"] in [line[:3] for line in lines]
    assert job not in {each["key"] for each in json.loads(jobs(mount, "list", "--active", "--json"))}


def test_a_failed_job_fails_who_waits_for_it(mount: Mount, script: Path) -> None:
    script.write_text("#!/bin/bash\nexit 3\n")
    (mount.path / "here").mkdir()
    told = jobs(mount, "submit", str(script), "--workdir", "here", "--name", "three", "--wait", code=1)
    job = told.splitlines()[0]
    assert told.splitlines()[1].split("\t")[:3] == [job, "FAILED", "3"]
    assert (mount.path / "here/.jobs/by-name/three/workdir").resolve() == mount.path / "here"


def test_a_refused_script_is_told_in_the_schedulers_words(mount: Mount, script: Path) -> None:
    script.write_text("#!/bin/bash\n#SBATCH --partition=nosuch\n")
    assert "invalid partition" in jobs(mount, "submit", str(script), code=1)


def test_a_cancelled_job_goes_on_to_be_shown(mount: Mount, script: Path) -> None:
    script.write_text("#!/bin/bash\nsleep 300\n")
    job = jobs(mount, "submit", str(script)).strip()
    jobs(mount, "cancel", job)
    assert jobs(mount, "wait", job, code=1).split("\t")[:2] == [job, "CANCELLED"]


def test_what_there_is_not_is_said_in_words(mount: Mount, script: Path) -> None:
    for command in ("show", "wait", "logs", "cancel"):
        for name in ("99999999", "never-submitted"):
            what, cure = jobs(mount, command, name, code=1).splitlines()
            assert (what, cure.strip()) == (f"f7tfs: no job {name}", "f7tfs jobs list shows the jobs"), command
    what, cure = jobs(mount, "submit", "/nowhere/run.sh", code=1).splitlines()
    assert ("No such file" in what, "batch script" in cure) == (True, True)
