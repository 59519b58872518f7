"""Batch jobs through both adapters: submitted, followed, cancelled, and what is told of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
import trio

from f7tfs.cluster import errors
from f7tfs.cluster.model import Job, JobRequest, JobState
from f7tfs.cluster.port import Cluster

if TYPE_CHECKING:
    from tests.client.conftest import Site

SCRIPT = "#!/bin/bash\necho to-stdout $GREETING\npwd > where\n"


async def until(cluster: Cluster, job_id: str, wanted: Callable[[Job], bool]) -> Job:
    """Ask until a job is as wanted."""
    with trio.fail_after(60):
        while True:
            for job in await cluster.jobs([job_id]):
                if wanted(job):
                    return job
            await trio.sleep(0.1)


async def ended(cluster: Cluster, job_id: str) -> Job:
    return await until(cluster, job_id, lambda job: job.state.ended)


def test_a_script_runs_in_its_working_directory_with_its_environment(site: Site) -> None:
    request = JobRequest(site.top, script=SCRIPT, name="greet", environment={"GREETING": "hello you"})

    async def use(cluster: Cluster) -> Job:
        return await ended(cluster, await cluster.submit(request))

    job = site.run(use)
    assert (job.state, job.exit_code, job.name) == (JobState.COMPLETED, 0, "greet")
    assert (site.real / "where").read_text().strip().endswith(site.real.name)
    outputs = list(site.real.glob("slurm-*.out"))
    assert [path.read_text() for path in outputs] == ["to-stdout hello you\n"]
    assert {path.name for path in site.real.iterdir()} == {"where", outputs[0].name}


def test_a_script_on_the_cluster_runs_where_it_is_told(site: Site) -> None:
    (site.real / "work").mkdir()
    (site.real / "job.sh").write_text(SCRIPT)

    async def use(cluster: Cluster) -> None:
        request = JobRequest(f"{site.top}/work", script_path=f"{site.top}/job.sh")
        await ended(cluster, await cluster.submit(request))

    site.run(use)
    assert (site.real / "work" / "where").exists()


def test_a_failed_job_tells_its_exit_code(site: Site) -> None:
    async def use(cluster: Cluster) -> Job:
        job_id = await cluster.submit(JobRequest(site.top, script="#!/bin/bash\nexit 7\n"))
        return await ended(cluster, job_id)

    job = site.run(use)
    assert (job.state, job.exit_code) == (JobState.FAILED, 7)


def test_a_running_job_is_cancelled_and_cancelling_it_again_is_no_error(site: Site) -> None:
    async def use(cluster: Cluster) -> None:
        job_id = await cluster.submit(JobRequest(site.top, script="#!/bin/bash\nsleep 60\n"))
        await until(cluster, job_id, lambda job: job.state is JobState.RUNNING)
        await cluster.cancel(job_id)
        assert (await ended(cluster, job_id)).state is JobState.CANCELLED
        await cluster.cancel(job_id)

    site.run(use)


def test_an_unknown_job_is_not_found(site: Site) -> None:
    async def use(cluster: Cluster) -> None:
        assert await cluster.jobs(["99999999"]) == []
        for call in (cluster.cancel, cluster.job_files):
            with pytest.raises(errors.NotFound):
                await call("99999999")

    site.run(use)


def test_a_jobs_script_and_files_are_told(site: Site) -> None:
    async def use(cluster: Cluster) -> None:
        (site.real / "job.sh").write_text(SCRIPT)
        request = JobRequest(site.top, script_path=f"{site.top}/job.sh")
        job_id = await cluster.submit(request)
        files = await cluster.job_files(job_id)
        assert files.script == SCRIPT
        assert files.stdout == f"{site.top}/slurm-{job_id}.out"

    site.run(use)


def test_the_users_jobs_are_listed_without_our_own(site: Site) -> None:
    (site.real / "a").touch()

    async def use(cluster: Cluster) -> None:
        before = {job.job_id for job in await cluster.jobs()}
        job_id = await cluster.submit(JobRequest(site.top, script="#!/bin/bash\nsleep 60\n", name="mine"))
        await cluster.rename(f"{site.top}/a", f"{site.top}/b")
        found = {job.job_id: job.name for job in await cluster.jobs() if job.job_id not in before}
        assert found == {job_id: "mine"}
        await cluster.cancel(job_id)

    site.run(use)


def test_what_the_scheduler_refuses_is_told_in_its_own_words(site: Site) -> None:
    async def use(cluster: Cluster) -> None:
        script = "#!/bin/bash\n#SBATCH --partition=nope\ntrue\n"
        with pytest.raises(errors.SchedulerRefused, match="invalid partition"):
            await cluster.submit(JobRequest(site.top, script=script))

    site.run(use)
    assert list(site.real.iterdir()) == []


def test_a_submission_whose_answer_is_lost_is_uncertain_and_sent_once(site: Site) -> None:
    async def use(cluster: Cluster) -> None:
        site.sandbox.faults({"match": "POST .*/compute/.*jobs", "drop": "after"})
        with pytest.raises(errors.Uncertain):
            await cluster.submit(JobRequest(site.top, script=SCRIPT))

    site.run(use)
    submissions = [count for call, count in site.sandbox.calls().items() if "POST" in call and "compute" in call]
    assert submissions == [1]


def test_a_submission_that_never_left_is_sent_again(site: Site) -> None:
    async def use(cluster: Cluster) -> str:
        site.sandbox.faults({"match": "POST .*/compute/.*jobs", "status": 429, "retry_after": 0})
        return await cluster.submit(JobRequest(site.top, script=SCRIPT))

    assert site.run(use).isdigit()
