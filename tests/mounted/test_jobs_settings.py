"""What a profile sets for all jobs, and jobs that wait for what was written before them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from f7tfs.sandbox.process import SandboxProcess
from tests.mounted.conftest import APIS, PATIENCE, Mount

PROFILE = """
[profiles.mine]
account = "staff"
[profiles.mine.options]
job_workdir = "/home/user/elsewhere"
job_environment = { WORD = "two words" }
"""
SCRIPT = '#!/bin/bash\npwd; echo "$WORD"; echo "$SLURM_JOB_ACCOUNT"\n'


@pytest.mark.parametrize("api", APIS)
def test_a_profile_sets_account_environment_and_working_directory(
    new_mount: Callable[..., Mount], slurm: SandboxProcess, tmp_path: Path, api: str
) -> None:
    mount = new_mount(api, "--profile", "mine", sandbox=slurm)
    config = mount.state / "config/f7tfs"
    config.mkdir(parents=True)
    (config / "config.toml").write_text(PROFILE)
    (config / "config.toml").chmod(0o600)
    mount.mount()
    mount.sh("mkdir elsewhere project")
    (tmp_path / "run.sh").write_text(SCRIPT)
    mount.run("cp", str(tmp_path / "run.sh"), "project/.jobs/")
    assert mount.run("cat", "project/.jobs/run.sh/wait").startswith("COMPLETED\t0\t")
    assert mount.run("cat", "project/.jobs/run.sh/stdout") == "/home/user/elsewhere\ntwo words\nstaff\n"
    assert (mount.path / "project/.jobs/run.sh/workdir").resolve() == mount.path / "elsewhere"


@pytest.mark.parametrize(("api", "bursts"), [("v2", False), ("v1", True)], ids=["v2-single", "v1-bursts"])
def test_a_job_waits_for_what_was_written_before_it_in_async_mode(
    new_mount: Callable[..., Mount], tmp_path: Path, api: str, *, bursts: bool
) -> None:
    mount = new_mount(api, "--write-mode", "async", "--deadline", "8", bursts=bursts)
    mount.mount()
    (tmp_path / "run.sh").write_text("#!/bin/bash\ncat project/input*\n")
    mount.sandbox.faults({"match": ".*upload", "status": 503, "count": None})
    mount.sh("mkdir project; for i in $(seq 12); do echo $i > project/input$i; done")
    mount.run("cp", str(tmp_path / "run.sh"), ".jobs/")
    waiting = os.readlink(mount.path / ".jobs/run.sh")
    assert waiting.startswith("new-")
    assert mount.run("cut", "-f1", f".jobs/{waiting}/status") == "WAITING_FOR_UPLOAD\n"
    mount.sandbox.clear_faults()
    assert mount.run("cat", ".jobs/run.sh/wait", timeout=PATIENCE * 3).startswith("COMPLETED\t0\t")
    assert sorted(mount.run("cat", ".jobs/run.sh/stdout").split(), key=int) == [str(i) for i in range(1, 13)]
    assert os.readlink(mount.path / ".jobs/run.sh").isdigit()
