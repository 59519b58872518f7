"""A real Slurm behind both APIs: jobs that run, fail, are cancelled, come in arrays, and carry transfers."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from f7tfs.sandbox.jobs.model import SchedulerMissing
from f7tfs.sandbox.process import SandboxProcess
from f7tfs.sandbox.settings import SandboxSettings
from f7tfs.sandbox.slurm import daemons
from f7tfs.sandbox.slurm.config import Ports, slurm_conf
from f7tfs.sandbox.slurm.records import fields_of, lines_of, order, record_of

PATIENCE = 120.0
ACTIVE = {"PENDING", "CONFIGURING", "RUNNING", "COMPLETING"}


def headers(sandbox: SandboxProcess) -> dict[str, str]:
    return {"Authorization": f"Bearer {sandbox.token()}", "X-Machine-Name": sandbox.info.system}


def until(what: Callable[[], Any]) -> Any:
    """Wait until a function gives something true, and return that."""
    give_up = time.monotonic() + PATIENCE
    while not (found := what()):
        assert time.monotonic() < give_up, "this did not come about"
        time.sleep(0.05)
    return found


# -- v2 ------------------------------------------------------------------------------------------


def jobs_url(sandbox: SandboxProcess) -> str:
    return f"{sandbox.info.url_v2}/compute/{sandbox.info.system}/jobs"


def post_job(sandbox: SandboxProcess, **job: Any) -> httpx.Response:
    job = {"workingDirectory": sandbox.info.home, **job}
    return httpx.post(jobs_url(sandbox), json={"job": job}, headers=headers(sandbox), timeout=60)


def submit(sandbox: SandboxProcess, script: str, **job: Any) -> str:
    answer = post_job(sandbox, script=script, **job)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["jobId"])


def jobs(sandbox: SandboxProcess, job_id: str) -> list[dict[str, Any]]:
    answer = httpx.get(f"{jobs_url(sandbox)}/{job_id}", headers=headers(sandbox), timeout=60)
    assert answer.status_code == 200, answer.text
    return list(answer.json()["jobs"])


def ended(sandbox: SandboxProcess, job_id: str) -> list[dict[str, Any]]:
    def look() -> list[dict[str, Any]]:
        found = jobs(sandbox, job_id)
        return [] if any(job["status"]["state"] in ACTIVE for job in found) else found

    return list(until(look))


def in_state(sandbox: SandboxProcess, job_id: str, state: str) -> None:
    until(lambda: jobs(sandbox, job_id)[0]["status"]["state"] == state)


def test_a_job_runs_where_and_with_what_it_was_told(slurm: SandboxProcess) -> None:
    (slurm.home / "work").mkdir()
    script = "#!/bin/bash\n#SBATCH --job-name=one --output=out-%j\npwd; echo $WORD; echo $HOME; cat /home/user/in\n"
    (slurm.home / "in").write_text("content\n")
    job_id = submit(slurm, script, account="staff", env={"WORD": "b a,r"}, workingDirectory=f"{slurm.info.home}/work")
    (job,) = ended(slurm, job_id)
    assert job["status"] == {"state": "COMPLETED", "stateReason": "None", "exitCode": 0, "interruptSignal": 0}
    assert (job["name"], job["account"], job["partition"]) == ("one", "staff", "part01")
    assert job["time"]["start"] <= job["time"]["end"] <= time.time() + 1
    said = (slurm.home / f"work/out-{job_id}").read_text()
    assert said == "/home/user/work\nb a\n/home/user\ncontent\n"


def test_a_script_on_the_cluster_gives_its_name(slurm: SandboxProcess) -> None:
    (slurm.home / "run.sh").write_text("#!/bin/bash\nexit 0\n")
    answer = post_job(slurm, scriptPath=f"{slurm.info.home}/run.sh", script=None)
    (job,) = ended(slurm, answer.json()["jobId"])
    assert (job["name"], job["status"]["state"]) == ("run.sh", "COMPLETED")


@pytest.mark.parametrize(
    ("command", "exit_code", "signal", "step"),
    [("exit 7", 7, 0, "FAILED"), ("kill -SEGV $$", 0, 11, "CANCELLED")],
)
def test_a_job_fails_with_its_code_or_signal(
    slurm: SandboxProcess, command: str, exit_code: int, signal: int, step: str
) -> None:
    (job,) = ended(slurm, submit(slurm, f"#!/bin/bash\n{command}\n"))
    status = job["status"]
    assert (status["state"], status["exitCode"], status["interruptSignal"]) == ("FAILED", exit_code, signal)
    assert job["tasks"][0]["status"]["state"] == step


def test_a_job_without_its_directory_fails_at_once(slurm: SandboxProcess) -> None:
    job_id = submit(slurm, "#!/bin/bash\ntrue\n", workingDirectory=f"{slurm.info.home}/none")
    (job,) = ended(slurm, job_id)
    assert (job["status"]["state"], job["status"]["interruptSignal"]) == ("FAILED", 53)


def test_a_cancelled_job_ends_with_all_its_processes(slurm: SandboxProcess) -> None:
    job_id = submit(slurm, "#!/bin/bash\ntouch began\nsleep 1000\n")
    until((slurm.home / "began").exists)
    url = f"{jobs_url(slurm)}/{job_id}"
    assert httpx.delete(url, headers=headers(slurm), timeout=60).status_code == 204
    (job,) = ended(slurm, job_id)
    assert job["status"]["state"] == "CANCELLED by 4103"
    again = httpx.delete(url, headers=headers(slurm), timeout=60)
    assert (again.status_code, "already completing or completed" in again.text) == (500, True)


def test_an_array_is_a_row_of_jobs(slurm: SandboxProcess) -> None:
    script = "#!/bin/bash\n#SBATCH --array=1-3 -o task-%a\necho $SLURM_ARRAY_TASK_ID; exit $SLURM_ARRAY_TASK_ID\n"
    job_id = submit(slurm, script)
    found = ended(slurm, job_id)
    assert [job["jobId"] for job in found] == [f"{job_id}_{task}" for task in (1, 2, 3)]
    assert [job["status"]["exitCode"] for job in found] == [1, 2, 3]
    assert [(slurm.home / f"task-{task}").read_text() for task in (1, 2, 3)] == ["1\n", "2\n", "3\n"]
    (one,) = jobs(slurm, f"{job_id}_2")
    assert one["status"]["exitCode"] == 2


def test_metadata_tells_script_and_files(slurm: SandboxProcess) -> None:
    script = "#!/bin/bash\n#SBATCH --error=err-%j\ntrue\n"
    job_id = submit(slurm, script)
    answer = httpx.get(f"{jobs_url(slurm)}/{job_id}/metadata", headers=headers(slurm), timeout=60).json()
    assert answer["jobs"] == [
        {
            "jobId": job_id,
            "script": script,
            "standardInput": "/dev/null",
            "standardOutput": f"{slurm.info.home}/slurm-{job_id}.out",
            "standardError": f"{slurm.info.home}/err-{job_id}",
        }
    ]


def test_what_slurm_refuses_is_told_in_its_words(slurm: SandboxProcess) -> None:
    refused = post_job(slurm, script="#!/bin/bash\ntrue\n", partition="none")
    assert refused.status_code == 500
    assert "sbatch: error: invalid partition specified: none\n" in refused.json()["message"]
    assert "does not look like a batch script" in post_job(slurm, script="true\n").text
    unknown = httpx.get(f"{jobs_url(slurm)}/999999", headers=headers(slurm), timeout=60)
    assert (unknown.status_code, unknown.json()["message"]) == (404, "Job not found.")


def test_attach_runs_a_command_inside_a_running_job(slurm: SandboxProcess) -> None:
    job_id = submit(slurm, "#!/bin/bash\nsleep 1000\n")
    in_state(slurm, job_id, "RUNNING")
    url = f"{jobs_url(slurm)}/{job_id}/attach"
    asked = {"command": "pwd > attached; exit 0"}
    assert httpx.put(url, json=asked, headers=headers(slurm), timeout=PATIENCE).status_code == 204
    assert (slurm.home / "attached").read_text() == "/home/user\n"
    httpx.delete(f"{jobs_url(slurm)}/{job_id}", headers=headers(slurm), timeout=60)


def test_a_transfer_job_goes_through_the_queue(slurm: SandboxProcess) -> None:
    (slurm.home / "old").write_text("x")
    body = {"sourcePath": f"{slurm.info.home}/old", "targetPath": f"{slurm.info.home}/new"}
    url = f"{slurm.info.url_v2}/filesystem/{slurm.info.system}/transfer/mv"
    transfer = httpx.post(url, json=body, headers=headers(slurm), timeout=60).json()["transferJob"]
    (job,) = ended(slurm, transfer["jobId"])
    assert (job["status"]["state"], job["time"]["limit"]) == ("COMPLETED", 900)
    assert (slurm.home / "new").read_text() == "x"
    assert slurm.real(transfer["logs"]["outputLog"]).read_text() == "Files were successfully moved.\n"
    assert slurm.real(transfer["logs"]["errorLog"]).read_text() == ""


def test_a_file_is_staged_by_a_job_of_slurm(slurm: SandboxProcess) -> None:
    (slurm.home / "large").write_bytes(b"0123456789" * 1000)
    url = f"{slurm.info.url_v2}/filesystem/{slurm.info.system}/transfer/download"
    body = {"sourcePath": f"{slurm.info.home}/large", "transferDirectives": {"transferMethod": "s3"}}
    made = httpx.post(url, json=body, headers=headers(slurm), timeout=PATIENCE).json()
    ended(slurm, made["transferJob"]["jobId"])
    link = made["transferDirectives"]["downloadUrl"]
    assert httpx.get(link, timeout=60).content == (slurm.home / "large").read_bytes()


def test_a_cancelled_transfer_leaves_the_target_alone(slurm: SandboxProcess) -> None:
    url = f"{slurm.info.url_v2}/filesystem/{slurm.info.system}/transfer/upload"
    directives = {"transferMethod": "s3", "fileSize": 4}
    body = {"path": f"{slurm.info.home}/never", "transferDirectives": directives}
    made = httpx.post(url, json=body, headers=headers(slurm), timeout=PATIENCE).json()
    job_id = made["transferJob"]["jobId"]
    in_state(slurm, job_id, "RUNNING")
    httpx.delete(f"{jobs_url(slurm)}/{job_id}", headers=headers(slurm), timeout=60)
    (job,) = ended(slurm, job_id)
    assert job["status"]["state"] == "CANCELLED by 4103"
    assert not (slurm.home / "never").exists()


# -- v1 ------------------------------------------------------------------------------------------


def task(sandbox: SandboxProcess, answer: httpx.Response) -> dict[str, Any]:
    """A finished task."""
    assert answer.status_code in {200, 201}, answer.text
    url = f"{sandbox.info.url_v1}/tasks/{answer.json()['task_id']}"

    def look() -> dict[str, Any] | None:
        found: dict[str, Any] = httpx.get(url, headers=headers(sandbox), timeout=60).json()["task"]
        return found if found["status"] in {"200", "400"} else None

    found: dict[str, Any] = until(look)
    return found


def v1_submit(sandbox: SandboxProcess, script: str, **form: str) -> dict[str, Any]:
    url = f"{sandbox.info.url_v1}/compute/jobs/upload"
    files = {"file": ("job.sh", script.encode())}
    return task(sandbox, httpx.post(url, data=form, files=files, headers=headers(sandbox), timeout=60))


def accounted(sandbox: SandboxProcess, job_id: str) -> list[dict[str, str]]:
    def look() -> list[dict[str, str]]:
        url = f"{sandbox.info.url_v1}/compute/acct"
        found: list[dict[str, str]] = task(
            sandbox, httpx.get(url, params={"jobs": job_id}, headers=headers(sandbox), timeout=60)
        )["data"]
        return [] if any(job["state"] in ACTIVE for job in found) else found

    return list(until(look))


def test_v1_submits_and_accounts(slurm: SandboxProcess) -> None:
    data = v1_submit(slurm, "#!/bin/bash\necho said; exit 3\n", account="staff")["data"]
    (job,) = accounted(slurm, data["jobid"])
    assert (job["name"], job["state"], job["exit_code"]) == ("job.sh", "FAILED", "3:0")
    assert slurm.real(data["job_file_out"]).read_text() == "said\n"
    assert data["job_file_out"].startswith(f"{slurm.info.home}/firecrest/")


def test_v1_shows_the_queue_and_cancels(slurm: SandboxProcess) -> None:
    data = v1_submit(slurm, "#!/bin/bash\nsleep 1000\n")["data"]
    in_state(slurm, data["jobid"], "RUNNING")
    url = f"{slurm.info.url_v1}/compute/jobs"
    queued = task(slurm, httpx.get(url, params={"jobs": data["jobid"]}, headers=headers(slurm), timeout=60))["data"]
    assert (queued["0"]["jobid"], queued["0"]["state"]) == (data["jobid"], "RUNNING")
    cancelled = task(slurm, httpx.delete(f"{url}/{data['jobid']}", headers=headers(slurm), timeout=60))
    assert cancelled["data"] == f"scancel: Terminating job {data['jobid']}"
    (job,) = accounted(slurm, data["jobid"])
    assert job["state"] == "CANCELLED by 4103"
    again = task(slurm, httpx.delete(f"{url}/{data['jobid']}", headers=headers(slurm), timeout=60))
    assert (again["status"], "already completing or completed" in again["data"]) == ("400", True)


def test_v1_accounts_for_an_array(slurm: SandboxProcess) -> None:
    data = v1_submit(slurm, "#!/bin/bash\n#SBATCH --array=0-1\nexit $SLURM_ARRAY_TASK_ID\n")["data"]
    found = accounted(slurm, data["jobid"].partition("_")[0])
    assert [job["exit_code"] for job in found] == ["0:0", "1:0"]


def test_v1_moves_by_a_job(slurm: SandboxProcess) -> None:
    (slurm.home / "before").write_text("x")
    form = {"sourcePath": f"{slurm.info.home}/before", "targetPath": f"{slurm.info.home}/after"}
    url = f"{slurm.info.url_v1}/storage/xfer-internal/mv"
    data = task(slurm, httpx.post(url, data=form, headers=headers(slurm), timeout=60))["data"]
    (job,) = accounted(slurm, data["jobid"])
    assert (job["state"], job["partition"]) == ("COMPLETED", "xfer")
    assert (slurm.home / "after").read_text() == "x"


def test_v1_tells_what_sbatch_said(slurm: SandboxProcess) -> None:
    refused = v1_submit(slurm, "#!/bin/bash\n#SBATCH --partition=none\ntrue\n")
    assert refused["status"] == "400"
    assert refused["data"].startswith("sbatch: error: invalid partition specified: none")


# -- its life ------------------------------------------------------------------------------------


def test_nothing_is_left_of_a_killed_one_and_ids_go_on(start_sandbox: Callable[..., SandboxProcess]) -> None:
    sandbox = start_sandbox(scheduler="slurm")
    first = submit(sandbox, "#!/bin/bash\necho $SLURM_CONF > conf.new; mv conf.new conf; exec sleep 1000\n")
    until((sandbox.home / "conf").exists)
    directory = Path((sandbox.home / "conf").read_text().strip()).parent
    assert directory.exists()
    sandbox.kill()
    until(lambda: not directory.exists())
    sandbox.start()
    second = submit(sandbox, "#!/bin/bash\ntrue\n")
    assert int(second) == int(first) + 1


def test_a_machine_without_slurm_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemons, "PROGRAMS", ("no-such-slurm",))
    with pytest.raises(SchedulerMissing, match=r"no-such-slurm: scripts/setup-slurm\.sh"):
        daemons.check()


# -- pure parts ----------------------------------------------------------------------------------

LINE = (
    "JobId=8 ArrayJobId=6 ArrayTaskId=0 JobName=a name UserId=root(0) Account=(null) JobState=RUNNING Reason=None "
    "ExitCode=0:0 TimeLimit=5-00:00:00 SubmitTime=1795592609 StartTime=1795592610 EndTime=1796024610 "
    "Partition=part01 CPUs/Task=1 ReqB:S:C:T=0:0:*:* WorkDir=/home/u ser StdErr=/e StdIn=/dev/null StdOut=/o"
)


def test_values_with_blanks_are_read() -> None:
    fields = fields_of(LINE)
    assert (fields["JobName"], fields["WorkDir"], fields["ReqB:S:C:T"]) == ("a name", "/home/u ser", "0:0:*:*")


def test_a_running_task_of_an_array_as_a_record(tmp_path: Path) -> None:
    record = record_of(fields_of(LINE), None, SandboxSettings(root=tmp_path))
    assert (record.job_id, record.state, record.limit, record.ended) == ("6_0", "RUNNING", 432000, None)
    assert (record.account, record.started) == ("users", 1795592610)


def test_tasks_are_in_order_and_those_to_come_last() -> None:
    lines = [f"JobId={n} ArrayJobId=6 ArrayTaskId={t} X=" for n, t in ((6, "3-9"), (8, "1"), (7, "0"))]
    found = sorted(lines_of("\n".join([*lines, "No jobs in the system"])), key=order)
    assert [each["ArrayTaskId"] for each in found] == ["0", "1", "3-9"]


def test_the_first_partition_is_the_default() -> None:
    text = slurm_conf(
        Path("/run/x"), Ports(1, 2), cluster="c", partitions=("a", "b"), max_seconds=90, first_job=5
    ).splitlines()
    assert "PartitionName=a Nodes=localhost MaxTime=2 State=UP Default=YES" in text
    assert "PartitionName=b Nodes=localhost MaxTime=2 State=UP Default=NO" in text
    assert "FirstJobId=5" in text
