"""A user's whole tasks with jobs, over a real Slurm and the sandbox's own scheduler."""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from f7tfs.sandbox.process import SandboxProcess
from tests.mounted.conftest import APIS, PATIENCE, Mount, wait_until

MAKEFILE = """
result: run.sh
\tcp run.sh .jobs/make.sh
\ttest "$$(cut -f1 .jobs/make.sh/wait)" = COMPLETED
"""

SWEEP = 200


@pytest.fixture(params=APIS)
def slurm_mount(request: pytest.FixtureRequest, new_mount: Callable[..., Mount], slurm: SandboxProcess) -> Mount:
    """A mount of a sandbox with a real Slurm."""
    mount = new_mount(request.param, sandbox=slurm)
    mount.mount()
    return mount


def submit(mount: Mount, name: str, script: str) -> str:
    (mount.path / ".jobs" / name).write_text(script)
    return os.readlink(mount.path / ".jobs/by-name" / name).removeprefix("../")


def wait(mount: Mount, job: str) -> list[str]:
    return mount.run("cat", f".jobs/{job}/wait").rstrip("\n").split("\t")


def status(mount: Mount, job: str) -> str:
    return (mount.path / ".jobs" / job / "status").read_text().split("\t")[0]


def info(mount: Mount, job: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads((mount.path / ".jobs" / job / "info.json").read_text())
    return told


def test_jobs_of_a_real_slurm_from_their_submission_to_their_end(slurm_mount: Mount) -> None:
    mount = slurm_mount
    good = submit(mount, "good", "#!/bin/bash\necho to stdout\npwd > where\n")
    bad = submit(mount, "bad", "#!/bin/bash\n#SBATCH --error=bad.err\necho oops >&2\nexit 7\n")
    killed = submit(mount, "killed", "#!/bin/bash\nkill -SEGV $$\n")
    late = submit(mount, "late", f"#!/bin/bash\n#SBATCH --dependency=afterok:{good}\ntrue\n")
    long = submit(mount, "long", "#!/bin/bash\nsleep 600\n")
    assert wait(mount, good)[:2] == ["COMPLETED", "0"]
    assert (mount.remote / "where").read_text() == "/home/user\n"
    assert mount.run("cat", f".jobs/{good}/stdout") == "to stdout\n"
    assert wait(mount, bad)[:2] == ["FAILED", "7"]
    assert "oops" in mount.run("cat", f".jobs/{bad}/stderr")
    assert wait(mount, killed)[0] == "FAILED"
    assert "11" in wait(mount, killed)[1:3] or "139" in wait(mount, killed)[1:3]
    assert wait(mount, late)[0] == "COMPLETED"
    mount.sh(f"echo cancel > .jobs/{long}/ctl")
    assert wait(mount, long)[0] == "CANCELLED"
    refused = mount.attempt("cp", "/dev/stdin", ".jobs/none", timeout=PATIENCE)
    assert refused.returncode == 0  # nothing was written: nothing is submitted
    assert not (mount.path / ".jobs/by-name/none").exists()


def test_a_script_that_a_real_slurm_refuses_fails_with_its_words(slurm_mount: Mount, tmp_path: Path) -> None:
    mount = slurm_mount
    (tmp_path / "run.sh").write_text("#!/bin/bash\n#SBATCH --nosuch\n")
    failed = mount.attempt("cp", str(tmp_path / "run.sh"), ".jobs/")
    assert "Invalid argument" in failed.stderr
    assert "unrecognized option '--nosuch'" in mount.run("cat", ".jobs/run.sh.err")
    (tmp_path / "run.sh").write_text("#!/bin/bash\ntrue\n")
    mount.run("cp", str(tmp_path / "run.sh"), ".jobs/")
    assert not (mount.path / ".jobs/run.sh.err").exists()
    assert mount.run("cut", "-f1", ".jobs/run.sh/wait") == "COMPLETED\n"


def test_jobs_of_a_real_slurm_go_on_without_the_daemon_and_the_api(slurm_mount: Mount) -> None:
    mount = slurm_mount
    job = submit(mount, "kept", "#!/bin/bash\nwhile [ ! -e go ]; do sleep 0.1; done\nexit 8\n")
    wait_until(lambda: status(mount, job) == "RUNNING")
    for daemon in mount.daemons():
        os.kill(daemon, signal.SIGKILL)
    mount.mount()
    assert os.readlink(mount.path / ".jobs/kept") == os.readlink(mount.path / ".jobs/last") == job
    mount.sandbox.faults({"match": "GET .*/compute/", "status": 500, "count": None})
    assert status(mount, job) == "RUNNING"
    (mount.remote / "go").touch()
    mount.sandbox.clear_faults()
    assert mount.run("cut", "-f1,2", ".jobs/kept/wait") == "FAILED\t8\n"


def test_a_real_slurm_runs_a_job_once_whatever_becomes_of_the_answer(slurm_mount: Mount, tmp_path: Path) -> None:
    mount = slurm_mount
    (tmp_path / "run.sh").write_text("#!/bin/bash\necho ran >> ran\n")
    mount.sandbox.faults({"match": "POST .*/compute/.*jobs", "drop": "after"})
    # Where Slurm takes more than eight seconds to tell of it, this fails, and the job is found later.
    mount.attempt("cp", str(tmp_path / "run.sh"), ".jobs/")
    wait_until(lambda: os.readlink(mount.path / ".jobs/run.sh").isdigit())
    assert mount.run("cut", "-f1", ".jobs/run.sh/wait") == "COMPLETED\n"
    mount.sandbox.faults({"match": "POST .*/compute/.*jobs", "drop": "before"})
    failed = mount.attempt("cp", str(tmp_path / "run.sh"), ".jobs/")
    assert "Input/output error" in failed.stderr
    assert status(mount, "run.sh") == "UNCERTAIN"
    mount.run("rmdir", f".jobs/{os.readlink(mount.path / '.jobs/run.sh')}")
    mount.run("cp", str(tmp_path / "run.sh"), ".jobs/")
    assert mount.run("cut", "-f1", ".jobs/run.sh/wait") == "COMPLETED\n"
    assert (mount.remote / "ran").read_text() == "ran\nran\n"


def test_a_job_that_takes_too_long_has_timed_out(mount: Mount) -> None:
    job = submit(mount, "late", "#!/bin/bash\n#SBATCH --time=00:00:01\nsleep 600\n")
    assert wait(mount, job)[0] == "TIMEOUT"


def test_watch_shows_a_job_and_ends_when_it_changes(mount: Mount) -> None:
    job = submit(mount, "watched", "#!/bin/bash\nwhile [ ! -e go ]; do sleep 0.1; done\nexit 6\n")
    wait_until(lambda: status(mount, job) == "RUNNING")
    pid, terminal = pty_of(f"watch -g -t -n 0.5 cut -f1 {mount.path}/.jobs/{job}/status")
    try:
        # What comes after the first picture are differences only.
        shown_on(terminal, "RUNNING")
        (mount.remote / "go").touch()
        wait_until(lambda: os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None)
    finally:
        os.kill(pid, signal.SIGTERM)
        _, code = os.waitpid(pid, 0)
        os.close(terminal)
    assert code == 0
    assert status(mount, job) == "FAILED"


def pty_of(command: str) -> tuple[int, int]:
    """A command of the shell on a terminal of its own: its process and the terminal."""
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
    process = os.posix_spawn(
        "/bin/bash",
        ["bash", "-c", f"exec {command}"],
        {**os.environ, "TERM": "xterm"},
        file_actions=[(os.POSIX_SPAWN_DUP2, slave, descriptor) for descriptor in range(3)],
    )
    os.close(slave)
    return process, master


def shown_on(terminal: int, text: str) -> None:
    """Wait until a text has come on a terminal."""
    shown = ""
    deadline = time.monotonic() + PATIENCE
    while text not in shown:
        assert time.monotonic() < deadline, shown
        if select.select([terminal], [], [], 1.0)[0]:
            shown += os.read(terminal, 65536).decode(errors="replace")


def test_an_array_is_one_job_with_tasks(slurm_mount: Mount) -> None:
    mount = slurm_mount
    script = "#!/bin/bash\n#SBATCH --array=1-3\necho task $SLURM_ARRAY_TASK_ID\nexit $((SLURM_ARRAY_TASK_ID / 3))\n"
    job = submit(mount, "array", script)
    assert wait(mount, job)[:2] == ["FAILED", "1"]
    assert sorted(os.listdir(mount.path / f".jobs/{job}/tasks")) == ["1", "2", "3"]
    assert mount.run("cut", "-f1,2", f".jobs/{job}_3/status") == "FAILED\t1\n"
    assert mount.run("cat", f".jobs/{job}/tasks/2/stdout") == "task 2\n"
    assert (mount.path / f".jobs/{job}/tasks/2/workdir").resolve() == mount.path
    info = json.loads(mount.run("cat", f".jobs/{job}/info.json"))
    assert "stdout" not in info
    assert [task["state"] for task in info["tasks"]] == ["COMPLETED", "COMPLETED", "FAILED"]
    mount.run("rm", "-r", f".jobs/{job}")
    assert not (mount.path / f".jobs/{job}_1").exists()


def test_a_task_of_an_array_is_cancelled_alone(slurm_mount: Mount) -> None:
    mount = slurm_mount
    script = "#!/bin/bash\n#SBATCH --array=0-2%1\nwhile [ $SLURM_ARRAY_TASK_ID = 0 ]; do sleep 0.1; done\n"
    job = submit(mount, "array", script)
    wait_until(lambda: (mount.path / f".jobs/{job}_0").exists() and status(mount, f"{job}_0") == "RUNNING")
    assert status(mount, job) == "RUNNING"
    mount.run("rm", "-r", f".jobs/{job}_0")
    assert wait(mount, job)[0] == "CANCELLED"
    assert [status(mount, f"{job}_{task}") for task in (1, 2)] == ["COMPLETED", "COMPLETED"]


def test_a_job_that_depends_on_a_failed_one_waits_and_says_why(slurm_mount: Mount) -> None:
    mount = slurm_mount
    bad = submit(mount, "bad", "#!/bin/bash\nexit 7\n")
    late = submit(mount, "late", f"#!/bin/bash\n#SBATCH --dependency=afterok:{bad}\ntrue\n")
    assert wait(mount, bad)[:2] == ["FAILED", "7"]
    wait_until(lambda: info(mount, late)["reason"] == "DependencyNeverSatisfied")
    assert status(mount, late) == "PENDING"
    row = next(line for line in mount.run("cat", ".jobs/queue").splitlines() if line.split()[0] == late)
    assert "(DependencyNeverSatisfied)" in row
    mount.sh(f"echo cancel > .jobs/{late}/ctl")
    assert wait(mount, late)[0] == "CANCELLED"


def test_a_requeued_job_is_shown_as_it_is_until_it_has_run_again(slurm_mount: Mount) -> None:
    mount = slurm_mount
    script = (
        "#!/bin/bash\necho $SLURM_CONF > conf.new; mv conf.new conf; echo run ${SLURM_RESTART_COUNT:-0}\n"
        "while [ ! -e go ]; do sleep 0.1; done\nexit 4\n"
    )
    job = submit(mount, "again", script)
    wait_until((mount.remote / "conf").exists)
    wait_until(lambda: status(mount, job) == "RUNNING")
    scontrol(mount, "requeue", job)
    wait_until(lambda: status(mount, job) == "PENDING")
    with subprocess.Popen(
        ["cat", str(mount.path / f".jobs/{job}/wait")], stdout=subprocess.PIPE, text=True
    ) as waiting:
        # Else it would wait for two minutes.
        scontrol(mount, "update", f"JobId={job}", "StartTime=now")
        wait_until(lambda: status(mount, job) == "RUNNING")
        (mount.remote / "go").touch()
        said, _ = waiting.communicate(timeout=PATIENCE)
    assert said.split("\t")[:2] == ["FAILED", "4"]
    assert mount.run("cat", f".jobs/{job}/stdout") == "run 1\n"


def scontrol(mount: Mount, *words: str) -> None:
    """What the administrator of the cluster does."""
    conf = (mount.remote / "conf").read_text().strip()
    subprocess.run(["scontrol", *words], env={**os.environ, "SLURM_CONF": conf}, check=True, timeout=PATIENCE)


@pytest.mark.parametrize("scheduler", ["slurm", "local"])
def test_the_steps_of_a_job_are_told(
    new_mount: Callable[..., Mount], slurm: SandboxProcess, sandbox: SandboxProcess, scheduler: str
) -> None:
    mount = new_mount("v2", sandbox=slurm if scheduler == "slurm" else sandbox)
    mount.mount()
    job = submit(mount, "steps", "#!/bin/bash\nexit 6\n")
    assert wait(mount, job)[:2] == ["FAILED", "6"]
    (step,) = info(mount, job)["steps"]
    assert (step["state"], step["exit_code"]) == ("FAILED", 6)


def test_make_waits_for_a_job(mount: Mount) -> None:
    (mount.path / "Makefile").write_text(MAKEFILE)
    (mount.path / "run.sh").write_text("#!/bin/bash\nsleep 1\necho made > result\n")
    mount.run("make", "result")
    assert (mount.remote / "result").read_text() == "made\n"
    (mount.path / "run.sh").write_text("#!/bin/bash\nexit 1\n")
    assert mount.attempt("make", "-B", "result").returncode != 0


def sweep(mount: Mount, local: Path, number: int, copy: str = "cp {}/*.sh .jobs/") -> dict[str, int]:
    """As many scripts, copied at once and waited for one by one; the calls that both took."""
    for index in range(number):
        (local / f"{index}.sh").write_text(f"#!/bin/bash\necho {index} > out-{index}\n")
    mount.sandbox.reset_calls()
    mount.sh(copy.format(local), timeout=PATIENCE * 5)
    jobs = [os.readlink(mount.path / f".jobs/{index}.sh") for index in range(number)]
    assert len(set(jobs)) == number
    for job in jobs:
        assert wait(mount, job)[:2] == ["COMPLETED", "0"]
    for index in range(number):
        assert (mount.remote / f"out-{index}").read_text() == f"{index}\n"
    return {route: count for route, count in mount.sandbox.calls().items() if "token" not in route}


def test_scripts_of_a_sweep_may_be_copied_by_several_processes(mount: Mount, tmp_path: Path) -> None:
    sweep(mount, tmp_path, 20, copy="ls {}/*.sh | xargs -P 8 -I % cp % .jobs/")


def test_a_sweep_of_two_hundred_scripts_is_two_hundred_jobs_and_as_many_calls(
    slurm: SandboxProcess, new_mount: Callable[..., Mount], tmp_path: Path
) -> None:
    mount = new_mount("v2", sandbox=slurm)
    mount.mount()
    began = time.monotonic()
    calls = sweep(mount, tmp_path, SWEEP)
    assert calls.pop("POST /v2/compute/{system}/jobs") == SWEEP
    # All that were looked at were looked at together.
    assert sum(calls.values()) <= (time.monotonic() - began) / 2.0 + 2


def test_a_sweep_over_v1_puts_submits_and_removes_each_script_once(
    new_mount: Callable[..., Mount], tmp_path: Path
) -> None:
    mount = new_mount("v1")
    mount.mount()
    calls = sweep(mount, tmp_path, SWEEP)
    assert calls["POST /v1/compute/jobs/path"] == SWEEP
    # Uploads and removals may be repeated.
    for route in ("POST /v1/utilities/upload", "DELETE /v1/utilities/rm"):
        assert SWEEP <= calls[route] <= SWEEP * 1.05


@pytest.mark.long
def test_a_sweep_of_two_hundred_scripts_over_v1_and_a_real_slurm(
    slurm: SandboxProcess, new_mount: Callable[..., Mount], tmp_path: Path
) -> None:
    mount = new_mount("v1", sandbox=slurm)
    mount.mount()
    sweep(mount, tmp_path, SWEEP)


def test_who_waits_for_a_job_can_be_killed(mount: Mount) -> None:
    job = submit(mount, "long", "#!/bin/bash\nsleep 600\n")
    with subprocess.Popen(["cat", str(mount.path / f".jobs/{job}/wait")]) as waiting:
        wait_until(lambda: has_open(waiting.pid, "wait"))
        began = time.monotonic()
        waiting.send_signal(signal.SIGINT)
        assert waiting.wait(PATIENCE) == -signal.SIGINT
        assert time.monotonic() - began < PATIENCE
    mount.run("rm", "-r", f".jobs/{job}")


def has_open(pid: int, name: str) -> bool:
    """Whether a process has a file of that name open: `cat` reads it then."""
    links = Path(f"/proc/{pid}/fd").iterdir()
    return any(os.readlink(link).endswith(f"/{name}") for link in links if link.is_symlink())


@pytest.mark.parametrize("api", APIS[:1])
def test_a_wait_goes_on_while_the_api_is_away(new_mount: Callable[..., Mount], api: str) -> None:
    mount = new_mount(api)
    mount.mount()
    job = submit(mount, "run", "#!/bin/bash\nwhile [ ! -e go ]; do sleep 0.1; done\nexit 5\n")
    with subprocess.Popen(
        ["cat", str(mount.path / f".jobs/{job}/wait")], stdout=subprocess.PIPE, text=True
    ) as waiting:
        mount.sandbox.faults({"match": "GET .*/compute/", "status": 500, "count": 1})
        wait_until(lambda: mount.sandbox.calls().get("GET /v2/compute/{system}/jobs", 0) >= 2)
        (mount.remote / "go").touch()
        said, _ = waiting.communicate(timeout=PATIENCE)
    assert said.split("\t")[:2] == ["FAILED", "5"]
