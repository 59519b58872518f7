"""What is seen of jobs: live output, tables, times, and what it costs."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from io import FileIO

import pytest

from tests.mounted.conftest import APIS, PATIENCE, Mount, wait_until

SWEEP = 20


def submit(mount: Mount, script: str, name: str = "run") -> str:
    (mount.path / ".jobs" / name).write_text(script)
    return os.readlink(mount.path / ".jobs/by-name" / name).removeprefix("../")


def state(mount: Mount, job: str) -> str:
    return (mount.path / ".jobs" / job / "status").read_text().split("\t")[0]


def calls(mount: Mount, *routes: str) -> int:
    return sum(count for route, count in mount.sandbox.calls().items() if any(each in route for each in routes))


def test_tail_follows_the_output_of_a_running_job(mount: Mount) -> None:
    script = "#!/bin/bash\necho one; while [ ! -e go ]; do sleep 0.1; done; echo zwölf; sleep 300\n"
    job = submit(mount, script)
    wait_until(lambda: (mount.path / f".jobs/{job}/stdout").read_text() == "one\n")
    with subprocess.Popen(
        ["tail", "-n", "+1", "-f", str(mount.path / f".jobs/{job}/stdout")], stdout=subprocess.PIPE, text=True
    ) as tail:
        assert tail.stdout is not None
        assert tail.stdout.readline() == "one\n"
        (mount.remote / "go").touch()
        assert tail.stdout.readline() == "zwölf\n"
        tail.kill()
    mount.run("rm", "-r", f".jobs/{job}")


def test_the_output_of_a_job_that_has_ended_is_exact_whatever_it_is(mount: Mount) -> None:
    job = submit(mount, "#!/bin/bash\nhead -c 300000 /dev/urandom | tee copy\nprintf '\\xff\\xfe'\n")
    mount.run("cat", f".jobs/{job}/wait")
    output = (mount.path / f".jobs/{job}/stdout").read_bytes()
    assert output == (mount.remote / "copy").read_bytes() + b"\xff\xfe"


def test_output_that_grows_is_read_as_it_is_also_if_it_is_no_text(mount: Mount) -> None:
    script = "#!/bin/bash\nprintf 'a\\xff'; while [ ! -e go ]; do sleep 0.1; done; printf '\\xfeb'; sleep 300\n"
    job = submit(mount, script)
    output = mount.path / f".jobs/{job}/stdout"
    wait_until(lambda: output.read_bytes() == b"a\xff")
    (mount.remote / "go").touch()
    wait_until(lambda: output.read_bytes() == b"a\xff\xfeb")
    mount.run("rm", "-r", f".jobs/{job}")


def test_what_a_job_has_made_is_seen_as_soon_as_its_end_is(mount: Mount) -> None:
    """However fresh the listing of its working directory is."""
    job = submit(mount, "#!/bin/bash\nuntil [ -e go ]; do sleep 0.1; done; echo 1 > made; echo longer > grown\n")
    (mount.path / "grown").write_text("")
    assert "made" not in os.listdir(mount.path)
    (mount.remote / "go").touch()
    mount.run("cat", f".jobs/{job}/wait")
    assert {"made", f"slurm-{job}.out"} <= set(os.listdir(mount.path))
    assert (mount.path / "grown").read_text() == "longer\n"


def test_a_jobs_times_have_a_zone_and_its_directory_is_a_link_into_the_mount(mount: Mount) -> None:
    began = time.time()
    job = submit(mount, "#!/bin/bash\ntrue\n")
    mount.run("cat", f".jobs/{job}/wait")
    info = json.loads((mount.path / f".jobs/{job}/info.json").read_text())
    for name in ("submitted", "started", "ended"):
        assert abs(datetime.fromisoformat(info[name]).timestamp() - began) < 600
        assert datetime.fromisoformat(info[name]).tzinfo is not None
    assert (mount.path / f".jobs/{job}/workdir").resolve() == mount.path
    # By the way: what no file is, is no file.
    assert not (mount.path / f".jobs/{job}/nothing").exists()


def test_the_queue_is_a_table(mount: Mount) -> None:
    job = submit(mount, "#!/bin/bash\nexit 2\n", "two")
    mount.run("cat", f".jobs/{job}/wait")
    lines = mount.run("cat", ".jobs/queue").splitlines()
    assert lines[0].split()[:4] == ["JOBID", "NAME", "STATE", "TIME"]
    row = next(line for line in lines if line.split()[0] == job)
    assert row.split()[1:3] == ["two", "FAILED"]
    told = {each["key"]: each for each in json.loads(mount.run("cat", ".jobs/queue.json"))}
    assert (told[job]["exit_code"], told[job]["finished"]) == (2, True)


def test_the_transfer_jobs_of_f7tfs_are_not_shown(mount: Mount) -> None:
    (mount.path / "directory").mkdir()
    before = set(os.listdir(mount.path / ".jobs"))
    mount.run("mv", "directory", "renamed")
    assert set(os.listdir(mount.path / ".jobs")) == before


def test_the_log_files_of_transfer_jobs_are_not_shown(mount: Mount) -> None:
    for name in (".f7t_file_handling_job_1a-2b.log", ".f7t_file_handling_job_error_1a-2b.log", ".f7t_notes"):
        (mount.remote / name).touch()
    mount.f7tfs("refresh", str(mount.path))
    assert os.listdir(mount.path) == [".f7t_notes"]


@pytest.mark.parametrize("api", APIS)
def test_watching_many_jobs_costs_what_watching_one_does(new_mount: Callable[..., Mount], api: str) -> None:
    mount = new_mount(api)
    mount.mount()
    jobs = [submit(mount, "#!/bin/bash\nsleep 600\n", f"job{number}") for number in range(SWEEP)]
    for watched in (jobs[:1], jobs):
        mount.sandbox.reset_calls()
        began = time.monotonic()
        for _ in range(3):
            assert {state(mount, job) for job in watched} <= {"PENDING", "RUNNING"}
        looks = calls(mount, "GET /v2/compute", "GET /v1/compute")
        # v1 asks the accounting and the queue, v2 both in one.
        most = ((time.monotonic() - began) / 2.0 + 2) * (1 if api == "v2" else 2)
        assert looks <= most
    mount.sandbox.reset_calls()
    assert mount.run("ls", ".jobs")
    mount.run("rm", "-r", *[f".jobs/{job}" for job in jobs])


def test_wait_can_be_polled_and_is_readable_when_the_job_has_ended(mount: Mount) -> None:
    job = submit(mount, "#!/bin/bash\nwhile [ ! -e go ]; do sleep 0.1; done\nexit 3\n")
    ways = ("poll", "select", "epoll")
    with contextlib.ExitStack() as stack:
        waits = [stack.enter_context((mount.path / f".jobs/{job}/wait").open("rb", buffering=0)) for _ in ways]
        threads = stack.enter_context(ThreadPoolExecutor(len(ways)))
        assert not any(readable(way, wait, 0) for way, wait in zip(ways, waits, strict=True))
        told = [threads.submit(readable, way, wait, PATIENCE) for way, wait in zip(ways, waits, strict=True)]
        assert not readable("poll", waits[0], 0.5)
        (mount.remote / "go").touch()
        assert all(each.result(PATIENCE * 2) for each in told)
        assert [wait.read(100).split(b"\t")[:2] for wait in waits] == [[b"FAILED", b"3"]] * len(ways)
    with (mount.path / f".jobs/{job}/status").open("rb", buffering=0) as status:
        assert readable("poll", status, 0)


def readable(way: str, file: FileIO, seconds: float) -> bool:
    """Whether a system call says within so many seconds that a file can be read."""
    if way == "select":
        return bool(select.select([file], [], [], seconds)[0])
    if way == "poll":
        poll = select.poll()
        poll.register(file, select.POLLIN)
        return bool(poll.poll(seconds * 1000))
    with select.epoll() as epoll:
        epoll.register(file, select.EPOLLIN)
        return bool(epoll.poll(seconds))


def test_what_has_ended_is_not_asked_for_again(mount: Mount) -> None:
    job = submit(mount, "#!/bin/bash\ntrue\n")
    mount.run("cat", f".jobs/{job}/wait")
    mount.run("cat", f".jobs/{job}/script", f".jobs/{job}/info.json")
    mount.sandbox.reset_calls()
    for _ in range(3):
        mount.run("cat", f".jobs/{job}/status", f".jobs/{job}/info.json", f".jobs/{job}/wait", f".jobs/{job}/script")
    assert mount.calls() == 0


@pytest.mark.parametrize("api", APIS)
def test_jobs_outlive_the_daemon_and_the_api(new_mount: Callable[..., Mount], api: str) -> None:
    mount = new_mount(api)
    mount.mount()
    job = submit(mount, "#!/bin/bash\nwhile [ ! -e go ]; do sleep 0.1; done\n", "kept")
    wait_until(lambda: state(mount, job) == "RUNNING")
    for daemon in mount.daemons():
        os.kill(daemon, 9)
    mount.mount()
    assert os.readlink(mount.path / ".jobs/last") == job
    mount.sandbox.faults({"match": "GET .*/compute/", "status": 500, "count": None})
    assert state(mount, job) == "RUNNING"
    assert mount.run("cat", f".jobs/{job}/script").startswith("#!/bin/bash\nwhile")
    (mount.remote / "go").touch()
    mount.sandbox.clear_faults()
    assert mount.run("cat", f".jobs/{job}/wait").startswith("COMPLETED\t0\t")


@pytest.mark.parametrize("api", APIS[:1])
def test_options_list_rename_and_protect(new_mount: Callable[..., Mount], api: str) -> None:
    mount = new_mount(api, "-o", "jobs_name=.batch,list_jobs,nocancel")
    (mount.remote / ".jobs").mkdir()
    (mount.remote / ".jobs/real").write_text("mine\n")
    mount.mount()
    assert mount.run("cat", ".jobs/real") == "mine\n"
    assert {".batch", ".jobs"} <= set(os.listdir(mount.path))
    (mount.path / ".batch/run").write_text("#!/bin/bash\nwhile [ ! -e go ]; do sleep 0.1; done\n")
    job = os.readlink(mount.path / ".batch/last")
    for command in (["rmdir", f".batch/{job}"], ["rm", "-r", f".batch/{job}"]):
        assert mount.attempt(*command).returncode != 0
    assert mount.attempt("bash", "-c", f"echo cancel > .batch/{job}/ctl").returncode != 0
    (mount.remote / "go").touch()
    assert mount.run("cat", f".batch/{job}/wait").startswith("COMPLETED")
    mount.run("rm", "-r", f".batch/{job}")


def test_a_real_directory_of_that_name_is_not_hidden_silently(new_mount: Callable[..., Mount]) -> None:
    mount = new_mount("v2")
    (mount.remote / ".jobs").mkdir()
    mount.mount()
    assert mount.run("ls", "-a") == ".\n..\n"
    (hidden,) = json.loads(mount.f7tfs("status", "--json", str(mount.path)).stdout)["hidden"]
    assert hidden == f"{mount.sandbox.info.home}/.jobs"
