"""Following jobs of v2 and tasks of v1: what ends the wait, and how."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import httpx
import pytest
import trio
import trio.testing

from f7tfs.cluster import errors
from f7tfs.cluster.following import TransferJob
from f7tfs.cluster.model import Limits
from f7tfs.cluster.patience import Patience, Poll
from f7tfs.cluster.site_v2 import SiteV2
from f7tfs.cluster.tasks_v1 import TasksV1
from f7tfs.cluster.transfer_v2 import TransferJobs
from f7tfs.firecrest.auth import StaticToken
from f7tfs.firecrest.client_v1 import FirecrestV1
from f7tfs.firecrest.client_v2 import FirecrestV2
from f7tfs.firecrest.session import Options
from f7tfs.mount.daemon import patience

T = TypeVar("T")
LOGS = ("/home/u/.out.log", "/home/u/.err.log")


def site(*, needs_account: bool = False) -> SiteV2:
    return SiteV2("cluster", Limits(100, 100), (), 3600.0, needs_account)


class Scheduler:
    """A v2 server with one transfer job. `states` are told one after the other; None is a 404."""

    def __init__(self, *states: str | None, log: str = "") -> None:
        self.states = list(states)
        self.log = log
        self.cancelled = 0
        self.removed: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        match request.method, request.url.path.rpartition("/")[2]:
            case "POST", "mv":
                logs = {"outputLog": LOGS[0], "errorLog": LOGS[1]}
                return httpx.Response(201, json={"transferJob": {"jobId": "7", "logs": logs}})
            case "GET", "7":
                return self._state()
            case "DELETE", "7":
                self.cancelled += 1
                return httpx.Response(204)
            case "DELETE", "rm":
                self.removed.append(request.url.params["path"])
                return httpx.Response(204)
            case "GET", "download":
                return httpx.Response(200, content=self.log.encode())
        raise AssertionError(request)

    def _state(self) -> httpx.Response:
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        if state is None:
            return httpx.Response(404, json={"message": "Job not found."})
        return httpx.Response(200, json={"jobs": [{"jobId": "7", "status": {"state": state}}]})


def with_jobs(
    server: Callable[[httpx.Request], httpx.Response], use: Callable[[TransferJobs, TransferJob], Awaitable[T]]
) -> T:
    async def main() -> T:
        options = Options(transport=httpx.MockTransport(server))
        async with FirecrestV2("https://f7t.test", StaticToken("t"), options) as client:
            jobs = TransferJobs(client, site(), None, Patience())
            return await use(jobs, await jobs.start(client.transfer_mv, "/a", "/b"))

    return trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def seen_after(looks: int) -> Callable[[], Awaitable[bool]]:
    left = looks

    async def look() -> bool:
        nonlocal left
        left -= 1
        return left < 0

    return look


def test_work_that_is_seen_ends_the_wait_whatever_the_scheduler_says() -> None:
    server = Scheduler("PENDING", "RUNNING", "PENDING", None, None, "RUNNING")
    with_jobs(server, lambda jobs, job: jobs.follow(job, seen_after(40), 120, "moving"))
    assert server.cancelled == 0


def test_a_job_that_ended_without_its_work_tells_its_log_though_it_says_completed() -> None:
    server = Scheduler("COMPLETED", log="mv: cannot stat '/a': No such file or directory\n")
    with pytest.raises(errors.NotFound, match="moving: mv: cannot stat"):
        with_jobs(server, lambda jobs, job: jobs.follow(job, seen_after(1000), 120, "moving"))


def test_work_that_is_seen_late_after_the_jobs_end_is_still_seen() -> None:
    server = Scheduler("COMPLETED")
    with_jobs(server, lambda jobs, job: jobs.follow(job, seen_after(4), 120, "moving"))


@pytest.mark.parametrize(("denials", "ends"), [(2, False), (3, True)])
def test_only_three_denials_in_a_row_mean_that_a_job_is_gone(denials: int, ends: bool) -> None:
    server = Scheduler(*[None] * denials, "RUNNING")

    async def use(jobs: TransferJobs, job: TransferJob) -> None:
        await jobs.follow(job, seen_after(25), 120, "moving")

    if ends:
        with pytest.raises(errors.RemoteFailure, match="without doing its work"):
            with_jobs(server, use)
    else:
        with_jobs(server, use)


def test_a_job_that_never_comes_is_cancelled_at_the_bound_and_looked_at_once_more() -> None:
    server = Scheduler("PENDING")
    with pytest.raises(errors.TimedOut, match="not done after 60 s"):
        with_jobs(server, lambda jobs, job: jobs.follow(job, seen_after(10_000), 60, "moving"))
    assert server.cancelled == 1


def test_who_is_patient_goes_on_waiting_for_a_job_in_the_queue_and_not_for_one_that_runs() -> None:
    server = Scheduler(*["PENDING"] * 20, "RUNNING")
    with pytest.raises(errors.TimedOut, match="not done after 60 s"):
        with_jobs(server, lambda jobs, job: jobs.follow(job, seen_after(10_000), 60, "moving", patient=True))
    assert server.states == ["RUNNING"]
    assert server.cancelled == 1


def test_a_job_that_begins_after_hours_in_the_queue_brings_an_upload_to_its_end() -> None:
    server, bound, hours = Scheduler("PENDING"), Patience().upload(1), 12

    async def use(jobs: TransferJobs, job: TransferJob) -> float:
        began = trio.current_time()

        async def look() -> bool:
            return trio.current_time() > began + hours * 3600

        await jobs.follow(job, look, bound, "uploading", patient=True)
        return trio.current_time() - began

    assert with_jobs(server, use) > hours * 3600
    assert server.cancelled == 0


@pytest.mark.parametrize("deadline", [3.0, 86400.0])
def test_the_staging_deadline_of_a_mount_bounds_its_transfers_and_uploads_have_half_an_hour(deadline: float) -> None:
    allowed = patience(deadline)
    assert allowed.transfer(10**6) == deadline + 1
    assert allowed.upload(10**6) == max(deadline, 1800.0) + 1


def test_logs_go_with_the_next_job_or_at_the_end() -> None:
    server = Scheduler("COMPLETED")

    async def use(jobs: TransferJobs, job: TransferJob) -> None:
        async with jobs.given_up(job):
            pass
        await jobs.sweep()
        assert server.removed == []  # the job may still have them open
        await jobs.sweep(settle=True)
        assert server.removed == list(LOGS)

    with_jobs(server, use)
    assert server.cancelled == 0


def test_a_job_whose_transfer_fails_here_is_cancelled() -> None:
    server = Scheduler("RUNNING")

    async def use(jobs: TransferJobs, job: TransferJob) -> None:
        async with jobs.given_up(job):
            raise errors.Unavailable("the upload broke")

    with pytest.raises(errors.Unavailable, match="broke"):
        with_jobs(server, use)
    assert server.cancelled == 1


def test_an_account_is_asked_for_before_anything_is_sent() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise AssertionError(request)

    async def main() -> None:
        options = Options(transport=httpx.MockTransport(refuse))
        async with FirecrestV2("https://f7t.test", StaticToken("t"), options) as client:
            jobs = TransferJobs(client, site(needs_account=True), None, Patience())
            await jobs.start(client.transfer_mv, "/a", "/b")

    with pytest.raises(errors.AccountRequired, match="--account"):
        trio.run(main)


def test_looks_become_rarer_up_to_the_longest_wait() -> None:
    async def main() -> list[float]:
        poll, times = Poll(Patience(first=1, longest=3), 12, "x"), []
        for _ in range(6):
            await poll.wait()
            times.append(trio.current_time())
        with pytest.raises(errors.TimedOut):
            await poll.wait()
        return times

    clock = trio.testing.MockClock(autojump_threshold=0)
    assert trio.run(main, clock=clock) == [1.0, 2.5, 4.75, 7.75, 10.75, 13.75]


# -- v1 ------------------------------------------------------------------------------------------


def follow_task(statuses: list[tuple[str, Any]], wanted: str, bound: float = 3600) -> Any:
    left = list(statuses)

    def server(request: httpx.Request) -> httpx.Response:
        status, data = left.pop(0) if len(left) > 1 else left[0]
        return httpx.Response(200, json={"task": {"status": status, "data": data, "description": "described"}})

    async def main() -> Any:
        options = Options(transport=httpx.MockTransport(server))
        async with FirecrestV1("https://f7t.test", StaticToken("t"), options) as client:
            return await TasksV1(client, Patience()).until("id", frozenset({wanted}), bound, "uploading")

    return trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


def test_a_task_is_followed_to_the_status_that_is_wanted() -> None:
    task = follow_task([("100", "Queued"), ("116", {}), ("117", {"url": "u"})], "117")
    assert task["data"] == {"url": "u"}


def test_a_failed_task_tells_its_error() -> None:
    data = {"error": "Upload to Staging area has failed. Object: x. curl: (26) Failed to open/read local data"}
    with pytest.raises(errors.RemoteFailure, match="uploading: Upload to Staging area has failed"):
        follow_task([("116", {}), ("118", data)], "117")
    with pytest.raises(errors.RemoteFailure, match="described"):
        follow_task([("302", "")], "117")


def test_an_ingest_that_fails_is_given_time_to_recover_but_not_for_ever() -> None:
    failing: list[tuple[str, Any]] = [("113", {}), ("115", {})]
    assert follow_task([*failing * 3, ("114", {})], "114")["status"] == "114"
    with pytest.raises(errors.RemoteFailure, match="described"):
        follow_task([*failing * 10, ("114", {})], "114")


@pytest.mark.parametrize("denials", [2, 3])
def test_only_three_denials_in_a_row_mean_that_a_task_is_gone(denials: int) -> None:
    left = [404] * denials

    def server(_: httpx.Request) -> httpx.Response:
        if left:
            return httpx.Response(left.pop(), json={"error": "Task id does not exist"})
        return httpx.Response(200, json={"task": {"status": "200", "data": "done"}})

    async def main() -> Any:
        options = Options(transport=httpx.MockTransport(server))
        async with FirecrestV1("https://f7t.test", StaticToken("t"), options) as client:
            return await TasksV1(client, Patience()).result("id", "submitting the job")

    clock = trio.testing.MockClock(autojump_threshold=0)
    if denials < 3:
        assert trio.run(main, clock=clock) == "done"
    else:
        # It may have been submitted all the same.
        with pytest.raises(errors.Uncertain, match="knows nothing"):
            trio.run(main, clock=clock)


def test_a_task_that_stays_as_it_is_ends_by_time() -> None:
    with pytest.raises(errors.TimedOut):
        follow_task([("100", "Queued")], "200", bound=120)
