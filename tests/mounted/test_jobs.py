"""The `.jobs` directory."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.mounted.conftest import APIS, PATIENCE, Mount, wait_until

SCRIPT = """#!/bin/bash
#SBATCH --time=00:05:00
echo "hello from job $SLURM_JOB_ID"
pwd
echo oops >&2
cat input
"""


def the_job(mount: Mount) -> str:
    """The id of the job that was submitted last."""
    return os.readlink(mount.path / ".jobs/last")


def state(mount: Mount, job: str) -> str:
    return (mount.path / ".jobs" / job / "status").read_text().split("\t")[0]


def test_a_dropped_script_is_submitted_and_its_output_read(mount: Mount, tmp_path: Path) -> None:
    (tmp_path / "run.sh").write_text(SCRIPT)
    (mount.path / "input").write_text("what was written just before\n")
    mount.run("cp", str(tmp_path / "run.sh"), ".jobs/")
    job = the_job(mount)
    assert job in mount.run("ls", ".jobs").split()
    wait_until(lambda: state(mount, job) == "COMPLETED")
    output = mount.run("cat", f".jobs/{job}/stdout")
    assert f"hello from job {job}\n" in output
    assert "what was written just before\n" in output
    assert mount.run("cat", f".jobs/{job}/script").startswith("#!/bin/bash\n")
    info = json.loads(mount.run("cat", f".jobs/{job}/info.json"))
    assert info["state"] == "COMPLETED"
    assert info["exit_code"] == 0
    assert "oops" in mount.run("cat", f".jobs/{job}/stderr")


def test_the_working_directory_is_the_one_the_script_was_dropped_in(mount: Mount) -> None:
    mount.sh("mkdir project; printf '#!/bin/bash\\necho made > here\\n' > project/.jobs/make")
    job = the_job(mount)
    wait_until(lambda: state(mount, job) == "COMPLETED")
    assert (mount.remote / "project/here").read_text() == "made\n"


def test_jobs_are_not_listed_in_any_directory(mount: Mount) -> None:
    mount.sh("mkdir d; test -d .jobs; test -d d/.jobs")
    assert os.listdir(mount.path) == ["d"]
    assert mount.run("find", ".").split() == [".", "./d"]


def test_several_writers_make_one_job(mount: Mount) -> None:
    before = set(os.listdir(mount.path / ".jobs"))
    mount.sh("{ echo '#!/bin/bash'; cat /dev/null; sleep 0.3; echo 'echo all of it'; } > .jobs/many")
    new = {name for name in os.listdir(mount.path / ".jobs") if name not in before and name[0].isdigit()}
    assert len(new) == 1
    job = new.pop()
    wait_until(lambda: state(mount, job) == "COMPLETED")
    assert "all of it" in mount.run("cat", f".jobs/{job}/stdout")


def test_a_script_without_its_first_line_is_refused_with_the_reason(mount: Mount) -> None:
    failed = mount.attempt("bash", "-c", "cp /etc/hostname .jobs/notascript")
    assert failed.returncode != 0
    assert "Invalid argument" in failed.stderr
    assert "#!" in mount.run("cat", ".jobs/notascript.err")


def test_the_schedulers_own_words_are_kept(mount: Mount, tmp_path: Path) -> None:
    (tmp_path / "bad.sh").write_text("#!/bin/bash\n#SBATCH --partition=nosuch\necho no\n")
    failed = mount.attempt("cp", str(tmp_path / "bad.sh"), ".jobs/")
    assert failed.returncode != 0
    assert "partition" in mount.run("cat", ".jobs/bad.sh.err")
    (tmp_path / "bad.sh").write_text("#!/bin/bash\necho yes\n")
    mount.run("cp", str(tmp_path / "bad.sh"), ".jobs/")
    assert "bad.sh.err" not in os.listdir(mount.path / ".jobs")


@pytest.mark.parametrize("command", ["rmdir", "rm -r"])
def test_removing_the_directory_of_a_job_cancels_it(mount: Mount, command: str) -> None:
    mount.sh("printf '#!/bin/bash\\nsleep 300\\necho not reached > survived\\n' > .jobs/long")
    job = the_job(mount)
    wait_until(lambda: state(mount, job) == "RUNNING")
    mount.run(*command.split(), f".jobs/{job}")
    assert job not in os.listdir(mount.path / ".jobs")
    mount.sandbox.reset_calls()
    deadline = time.monotonic() + PATIENCE
    while running_processes(mount) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not running_processes(mount)
    assert not (mount.remote / "survived").exists()


def running_processes(mount: Mount) -> list[str]:
    """Processes whose working directory is this test's directory on the cluster."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (
                os.readlink(process / "cwd").endswith(f"/{mount.remote.name}")
                and "sleep" in (process / "cmdline").read_text()
            ):
                found.append(process.name)
        except OSError:
            continue
    return found


def test_a_failed_job_shows_its_exit_code(mount: Mount) -> None:
    mount.sh("printf '#!/bin/bash\\nexit 7\\n' > .jobs/fails")
    job = the_job(mount)
    wait_until(lambda: state(mount, job) == "FAILED")
    assert (mount.path / ".jobs" / job / "status").read_text().split("\t")[1] == "7"


def test_nothing_else_can_be_done_in_jobs(mount: Mount) -> None:
    for attempt in (["mkdir", ".jobs/d"], ["mv", ".jobs", "x"], ["rmdir", ".jobs"], ["mkdir", ".jobs"]):
        assert mount.attempt(*attempt).returncode != 0


def numbers(mount: Mount) -> set[str]:
    return {name for name in os.listdir(mount.path / ".jobs") if name.isdigit()}


def test_the_same_script_copied_again_is_another_job(mount: Mount, tmp_path: Path) -> None:
    (tmp_path / "run.sh").write_text("#!/bin/bash\necho 1\n")
    mount.run("cp", str(tmp_path / "run.sh"), ".jobs/")
    first = the_job(mount)
    mount.run("cp", str(tmp_path / "run.sh"), ".jobs/")
    second = the_job(mount)
    assert first != second
    assert os.readlink(mount.path / ".jobs/run.sh") == second
    assert os.readlink(mount.path / ".jobs/by-name/run.sh") == f"../{second}"
    assert mount.run("cat", ".jobs/run.sh/script", f".jobs/{first}/script") == "#!/bin/bash\necho 1\n" * 2
    # Under its name, where `cp` takes the link for the directory that it stands for.
    mount.run("cp", str(tmp_path / "run.sh"), ".jobs/run.sh")
    assert the_job(mount) not in {first, second}
    assert os.readlink(mount.path / ".jobs/run.sh") == the_job(mount)
    assert mount.run("cat", ".jobs/run.sh/wait").startswith("COMPLETED\t0\t")


def test_a_submitted_script_is_a_link_to_its_jobs_directory_until_that_or_the_link_is_removed(mount: Mount) -> None:
    mount.sh("echo '#!/bin/bash' > .jobs/one; echo '#!/bin/bash' > .jobs/two")
    assert {"one", "two"} <= set(os.listdir(mount.path / ".jobs"))
    one, two = (os.readlink(mount.path / ".jobs" / name) for name in ("one", "two"))
    assert int(one) < int(two) == int(the_job(mount))
    # It is not written through the link.
    assert "Is a directory" in mount.attempt("bash", "-c", "echo '#!/bin/bash' > .jobs/one").stderr
    assert the_job(mount) == two
    mount.run("rm", "-r", ".jobs/one")
    assert (mount.path / ".jobs" / one / "status").exists()
    mount.run("rm", "-r", f".jobs/{two}")
    for name in ("one", "two"):
        assert not (mount.path / ".jobs" / name).is_symlink()
        mount.sh(f"echo '#!/bin/bash' > .jobs/{name}")
        assert os.readlink(mount.path / ".jobs" / name) == the_job(mount)


def test_a_refused_script_is_a_file_until_it_is_put_right(mount: Mount) -> None:
    mount.sh("echo '#!/bin/bash' > .jobs/run")
    first = the_job(mount)
    assert mount.attempt("install", "/etc/hostname", ".jobs/run").returncode != 0
    assert mount.run("cat", ".jobs/run") == Path("/etc/hostname").read_text()
    assert (mount.path / ".jobs/run.err").exists()
    mount.sh("echo '#!/bin/bash' > .jobs/run")
    assert os.readlink(mount.path / ".jobs/run") == the_job(mount) != first


@pytest.mark.parametrize(
    "command",
    [
        "install {} .jobs/",
        "cp {0} copied && mv copied .jobs/run.sh",
        "rsync -a {} .jobs/",
        "rm .jobs/run.sh && cat {} > .jobs/run.sh",
    ],
    ids=["install", "mv", "rsync", "rm"],
)
def test_a_script_is_put_in_again_over_its_link(mount: Mount, tmp_path: Path, command: str) -> None:
    (tmp_path / "run.sh").write_text("#!/bin/bash\necho 1\n")
    mount.run("cp", str(tmp_path / "run.sh"), ".jobs/")
    first = the_job(mount)
    # rsync sends nothing of the same size and second.
    (tmp_path / "run.sh").write_text("#!/bin/bash\necho again\n")
    mount.sh(command.format(tmp_path / "run.sh"))
    assert os.readlink(mount.path / ".jobs/run.sh") == the_job(mount) != first
    assert mount.run("cat", ".jobs/run.sh/script") == "#!/bin/bash\necho again\n"


@pytest.mark.parametrize("api", APIS[:1])
def test_the_links_outlive_the_daemon(new_mount: Callable[..., Mount], tmp_path: Path, api: str) -> None:
    mount = new_mount(api)
    mount.mount()
    (tmp_path / "run.sh").write_text("#!/bin/bash\n")
    mount.run("cp", str(tmp_path / "run.sh"), ".jobs/")
    mount.sh("cp .jobs/run.sh/script .jobs/gone; rm .jobs/gone")
    mount.umount()
    mount.mount()
    assert os.readlink(mount.path / ".jobs/run.sh") == "1"
    assert not (mount.path / ".jobs/gone").is_symlink()
    mount.run("cp", str(tmp_path / "run.sh"), ".jobs/")
    assert os.readlink(mount.path / ".jobs/run.sh") == "3"


@pytest.mark.parametrize("api", APIS[:1])
def test_an_option_keeps_scripts_under_their_names(new_mount: Callable[..., Mount], tmp_path: Path, api: str) -> None:
    mount = new_mount(api, "-o", "keep_scripts")
    mount.mount()
    (tmp_path / "run.sh").write_text("#!/bin/bash\necho 1\n")
    mount.run("cp", str(tmp_path / "run.sh"), ".jobs/")
    mount.run("cp", str(tmp_path / "run.sh"), ".jobs/run.sh")
    mount.sh("sed -i s/1/2/ .jobs/run.sh")
    mount.run("vim", "-es", "-u", "NONE", "-c", "normal Gotrue", "-c", "w", "-c", "q", ".jobs/run.sh")
    mount.sh("cat .jobs/run.sh > again; echo false >> again; cat again > .jobs/run.sh")
    assert numbers(mount) == {"1", "2", "3", "4", "5"}
    assert mount.run("cat", ".jobs/run.sh") == "#!/bin/bash\necho 2\ntrue\nfalse\n"
    assert mount.run("cat", ".jobs/by-name/run.sh/script") == mount.run("cat", ".jobs/run.sh")
    assert os.readlink(mount.path / ".jobs/by-name/run.sh") == "../5"


def test_a_symbolic_link_submits_the_clusters_own_script_in_place(mount: Mount) -> None:
    mount.sh("mkdir project; printf '#!/bin/bash\\npwd > ran\\n' > project/own.sh")
    # The second one follows the link that `again` has become.
    for words in (["-s", f"{mount.path}/project/own.sh"], ["-s", "../own.sh"], ["-sfn", "../own.sh"]):
        before = numbers(mount)
        mount.run("ln", *words, "project/.jobs/again")
        job = (numbers(mount) - before).pop()
        assert os.readlink(mount.path / "project/.jobs/again") == job
        assert mount.run("cat", f".jobs/{job}/wait").startswith("COMPLETED")
        assert (mount.remote / "project/ran").read_text().strip().endswith("/project")
        (mount.remote / "project/ran").unlink()
        assert mount.run("cat", f".jobs/{job}/script").startswith("#!/bin/bash\npwd")
    failed = mount.attempt("ln", "-s", "../nosuch.sh", "project/.jobs/missing")
    assert failed.returncode != 0
    assert "nosuch.sh" in mount.run("cat", "project/.jobs/missing.err")


def test_what_tools_write_beside_is_submitted_when_it_gets_its_name(mount: Mount, tmp_path: Path) -> None:
    (tmp_path / "run.sh").write_text("#!/bin/bash\necho 1\n")
    before = numbers(mount)
    mount.run("rsync", "-a", str(tmp_path / "run.sh"), ".jobs/")
    assert len(numbers(mount) - before) == 1
    mount.sh("sed s/1/2/ .jobs/run.sh/script > .jobs/.temporary; mv -T .jobs/.temporary .jobs/run.sh")
    assert len(numbers(mount) - before) == 2
    assert mount.run("cat", ".jobs/last/script") == "#!/bin/bash\necho 2\n"
    mount.sh("cp .jobs/run.sh/script here.sh; mv here.sh .jobs/moved.sh")
    assert len(numbers(mount) - before) == 3
    mount.sh("echo '#!/bin/bash' | tee .jobs/.hidden .jobs/x~ .jobs/.run.sh.swp > /dev/null; touch .jobs/empty")
    assert len(numbers(mount) - before) == 3


def test_vim_submits_at_each_write(mount: Mount) -> None:
    before = numbers(mount)
    keys = ("normal i#!/bin/bash", "w", "normal Gotrue", "w", "q")
    words = [word for key in keys for word in ("-c", key)]
    mount.run("vim", "-es", "-u", "NONE", "-c", "set directory=.", *words, ".jobs/edited.sh")
    assert len(numbers(mount) - before) == 2
    assert os.readlink(mount.path / ".jobs/edited.sh") == the_job(mount)
    assert mount.run("cat", ".jobs/last/script") == "#!/bin/bash\ntrue\n"


def test_a_lost_answer_is_an_error_only_where_no_job_came_of_it(mount: Mount, tmp_path: Path) -> None:
    (tmp_path / "run.sh").write_text("#!/bin/bash\necho 1\n")
    mount.sandbox.faults({"match": "POST .*/compute/.*jobs", "drop": "after"})
    mount.run("cp", str(tmp_path / "run.sh"), ".jobs/")
    assert state(mount, the_job(mount)) in {"PENDING", "RUNNING", "COMPLETED"}
    mount.sandbox.faults({"match": "POST .*/compute/.*jobs", "drop": "before"})
    failed = mount.attempt("cp", str(tmp_path / "run.sh"), ".jobs/")
    assert failed.returncode != 0
    assert "Input/output error" in failed.stderr
    assert "is not known" in mount.run("cat", ".jobs/run.sh.err")
    lost = os.readlink(mount.path / ".jobs/by-name/run.sh").removeprefix("../")
    assert state(mount, lost) == "UNCERTAIN"
    mount.run("rmdir", f".jobs/{lost}")
    assert not (mount.path / ".jobs" / lost).exists()


def test_a_jobs_end_is_waited_for(mount: Mount) -> None:
    mount.sh("printf '#!/bin/bash\\nsleep 1\\nexit 4\\n' > .jobs/run")
    assert mount.run("cat", ".jobs/last/wait").split("\t")[:2] == ["FAILED", "4"]


def test_ctl_cancels_and_forgets(mount: Mount) -> None:
    mount.sh("printf '#!/bin/bash\\nsleep 300\\n' > .jobs/long")
    job = the_job(mount)
    assert mount.attempt("bash", "-c", f"echo forget > .jobs/{job}/ctl").returncode != 0
    mount.sh(f"echo cancel > .jobs/{job}/ctl")
    assert mount.run("cat", f".jobs/{job}/wait").startswith("CANCELLED\t")
    mount.sh(f"echo forget > .jobs/{job}/ctl")
    assert not (mount.path / ".jobs" / job).exists()
    assert mount.attempt("bash", "-c", "echo dance > .jobs/last/ctl").returncode != 0


def test_a_job_is_refused_while_a_change_below_its_directory_has_failed(mount: Mount, tmp_path: Path) -> None:
    (tmp_path / "run.sh").write_text("#!/bin/bash\ncat input\n")
    mount.sh("mkdir project other")
    mount.sandbox.faults(quota=0)
    assert mount.attempt("dd", "if=/dev/zero", "of=project/input", "bs=100", "count=1").returncode != 0
    mount.sandbox.clear_faults()
    failed = mount.attempt("cp", str(tmp_path / "run.sh"), "project/.jobs/")
    assert failed.returncode != 0
    assert "project/input could not be sent" in mount.run("cat", "project/.jobs/run.sh.err")
    mount.run("cp", str(tmp_path / "run.sh"), "other/.jobs/")
    mount.run("rm", "project/input")
    mount.run("cp", str(tmp_path / "run.sh"), "project/.jobs/")
    assert not (mount.path / "project/.jobs/run.sh.err").exists()


def test_a_command_runs_inside_a_running_job_where_the_api_can(mount: Mount) -> None:
    mount.sh("printf '#!/bin/bash\\nsleep 300\\n' > .jobs/long")
    job = the_job(mount)
    wait_until(lambda: state(mount, job) == "RUNNING")
    ran = mount.attempt("bash", "-c", f"echo 'run echo here > ran' > .jobs/{job}/ctl")
    if mount.api == "v2":
        assert ran.returncode == 0, ran.stderr
        assert (mount.remote / "ran").read_text() == "here\n"
    else:
        assert "Operation not supported" in ran.stderr
    mount.run("rm", "-r", f".jobs/{job}")
