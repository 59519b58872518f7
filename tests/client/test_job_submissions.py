"""Exactly one job for each script, whatever becomes of the answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio

from f7tfs.cluster.errors import Refused, Unavailable, Uncertain
from f7tfs.cluster.model import JobRequest
from f7tfs.cluster.port import Cluster
from f7tfs.vfs.jobs import submitting
from f7tfs.vfs.jobs.book import Book
from f7tfs.vfs.jobs.record import Phase, Record, new_record
from f7tfs.vfs.jobs.store import JobStore
from f7tfs.vfs.jobs.submitting import Submitter

if TYPE_CHECKING:
    from tests.client.conftest import Site

SCRIPT = "#!/bin/bash\necho one\n"
SUBMISSION = "POST .*/compute/.*jobs"


@dataclass
class Desk:
    """A submitter over a sandbox, and what it keeps."""

    cluster: Cluster
    book: Book
    submitter: Submitter
    may_go: trio.Event
    """What waits for earlier changes goes on when this is set."""

    async def until(self, condition: Callable[[], object]) -> None:
        with trio.fail_after(60):
            while not condition():  # noqa: ASYNC110 -- what is waited for has no event
                await trio.sleep(0.02)


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """Where jobs outlive a mount."""
    return tmp_path / "jobs.sqlite"


@asynccontextmanager
async def desk(cluster: Cluster, kept: Path, *, patience: float = 60.0, busy: bool = False) -> AsyncIterator[Desk]:
    store = JobStore(kept)
    may_go = trio.Event()
    if not busy:
        may_go.set()

    async def settle(_directory: str) -> None:
        await may_go.wait()

    try:
        async with trio.open_nursery() as nursery:
            book = Book(cluster, store, lambda: None)
            submitter = Submitter(cluster, book, settle, nursery, account=None, environment={}, patience=patience)
            yield Desk(cluster, book, submitter, may_go)
            nursery.cancel_scope.cancel()
    finally:
        store.close()


def submissions(site: Site) -> int:
    return sum(count for call, count in site.sandbox.calls().items() if "POST" in call and "compute" in call)


def test_a_job_whose_answer_was_lost_is_found_and_not_sent_again(
    site: Site, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submitting, "LOOKUP_SECONDS", 60.0)

    async def use(cluster: Cluster) -> None:
        async with desk(cluster, kept) as at:
            # Jobs of the same name and directory, which are others.
            first, second = (new_record("run.sh", site.top, SCRIPT) for _ in range(2))
            await at.submitter.submit(first)
            site.sandbox.faults({"match": SUBMISSION, "drop": "after"})
            await at.submitter.submit(second)
            assert (second.phase, second.key != first.key) == (Phase.SUBMITTED, True)
            assert second.key in {job.job_id for job in await cluster.jobs()}
            third = new_record("run.sh", site.top, SCRIPT)
            await at.submitter.submit(third)
            assert len({first.key, second.key, third.key}) == 3

    site.run(use)
    assert submissions(site) == 3


def test_a_job_that_never_came_to_be_is_uncertain_and_not_sent_again(
    site: Site, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submitting, "LOOKUP_SECONDS", 1.0)

    async def use(cluster: Cluster) -> Record:
        async with desk(cluster, kept) as at:
            record = new_record("run.sh", site.top, SCRIPT)
            site.sandbox.faults({"match": SUBMISSION, "drop": "before"})
            with pytest.raises(Uncertain, match="not submitted again"):
                await at.submitter.submit(record)
            assert "not submitted again" in at.submitter.problems[site.top, "run.sh"]
            assert record in at.book.records()
            return record

    record = site.run(use)
    assert (record.phase, record.state) == (Phase.UNCERTAIN, "UNCERTAIN")
    assert submissions(site) == 1


def test_a_job_that_turns_up_late_is_taken(site: Site, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submitting, "LOOKUP_SECONDS", 0.0)

    async def use(cluster: Cluster) -> Record:
        async with desk(cluster, kept) as at:
            record = new_record("run.sh", site.top, SCRIPT)
            looks = "GET .*(/jobs|/tasks/)"
            site.sandbox.faults(
                {"match": SUBMISSION, "drop": "after"}, {"match": looks, "status": 404, "count": 1, "body": "{}"}
            )
            with pytest.raises(Uncertain):
                await at.submitter.submit(record)
            await at.until(lambda: record.phase is Phase.SUBMITTED)
            assert (site.top, "run.sh") not in at.submitter.problems
            return record

    assert site.run(use).key.isdigit()
    assert submissions(site) == 1


def test_a_script_of_the_clusters_own_is_found_too_and_not_taken_for_an_earlier_run_of_it(
    site: Site, kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submitting, "LOOKUP_SECONDS", 1.0)
    path = f"{site.top}/own.sh"

    async def use(cluster: Cluster) -> None:
        (site.real / "own.sh").write_text(SCRIPT)
        earlier = await cluster.submit(JobRequest(site.top, script_path=path))
        async with desk(cluster, kept) as at:
            site.sandbox.faults({"match": SUBMISSION, "drop": "before"})
            lost = new_record("own.sh", site.top, None, path)
            with pytest.raises(Uncertain):
                await at.submitter.submit(lost)
            monkeypatch.setattr(submitting, "LOOKUP_SECONDS", 60.0)
            site.sandbox.faults({"match": SUBMISSION, "drop": "after"})
            found = new_record("own.sh", site.top, None, path)
            await at.submitter.submit(found)
            assert found.phase is Phase.SUBMITTED
            assert found.key != earlier

    site.run(use)
    assert submissions(site) == 3


def test_what_the_server_never_took_is_sent_again(site: Site, kept: Path) -> None:
    async def use(cluster: Cluster) -> Record:
        async with desk(cluster, kept) as at:
            record = new_record("run.sh", site.top, SCRIPT)
            site.sandbox.faults({"match": SUBMISSION, "status": 429, "retry_after": 0})
            await at.submitter.submit(record)
            return record

    assert site.run(use).phase is Phase.SUBMITTED
    assert submissions(site) == 2


def test_a_job_waits_for_what_was_written_before_it(site: Site, kept: Path) -> None:
    async def use(cluster: Cluster) -> None:
        async with desk(cluster, kept, patience=0.05, busy=True) as at:
            record = new_record("run.sh", site.top, SCRIPT)
            await at.submitter.submit(record)
            assert record.state == "WAITING_FOR_UPLOAD"
            assert record in at.book.records()
            name = record.key
            assert submissions(site) == 0
            at.may_go.set()
            await at.until(lambda: record.phase is Phase.SUBMITTED)
            assert at.book.known(name) is at.book.known(record.key)

    site.run(use)
    assert submissions(site) == 1


def test_a_job_that_waits_outlives_the_mount(site: Site, kept: Path) -> None:
    async def use(cluster: Cluster) -> None:
        async with desk(cluster, kept, patience=0.05, busy=True) as at:
            await at.submitter.submit(new_record("run.sh", site.top, SCRIPT))
        assert submissions(site) == 0
        async with desk(cluster, kept) as at:
            await at.submitter.resume()
            await at.submitter.settled()
            (record,) = at.book.ours()
            assert record.phase is Phase.SUBMITTED

    site.run(use)
    assert submissions(site) == 1


def test_a_job_that_waits_can_be_taken_back(site: Site, kept: Path) -> None:
    async def use(cluster: Cluster) -> None:
        async with desk(cluster, kept, patience=0.05, busy=True) as at:
            record = new_record("run.sh", site.top, SCRIPT)
            await at.submitter.submit(record)
            await at.book.cancel(record)
            at.may_go.set()
            await at.until(lambda: not at.submitter.under_way)
            assert record.state == "REFUSED"

    site.run(use)
    assert submissions(site) == 0


def test_a_mount_that_ended_while_it_submitted_finds_the_job_again(site: Site, kept: Path) -> None:
    async def use(cluster: Cluster) -> None:
        record = new_record("run.sh", site.top, SCRIPT)
        store = JobStore(kept)
        record.phase, record.sent = Phase.SENDING, 1.0
        await store.save(record)
        store.close()
        job_id = await cluster.submit(record.request(None, {}))
        async with desk(cluster, kept) as at:
            await at.submitter.resume()
            (found,) = at.book.ours()
            await at.until(lambda: found.phase is Phase.SUBMITTED)
            assert found.key == job_id

    site.run(use)
    assert submissions(site) == 1


@pytest.mark.parametrize("prevented", [Unavailable("x could not be sent"), Refused("x was refused")])
def test_a_job_is_refused_where_a_change_that_it_needs_has_failed(
    site: Site, kept: Path, prevented: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def settle(_directory: str) -> None:
        raise prevented

    async def use(cluster: Cluster) -> None:
        async with desk(cluster, kept) as at:
            monkeypatch.setattr(at.submitter, "_settle", settle)
            record = new_record("run.sh", site.top, SCRIPT)
            with pytest.raises(Refused, match="x "):
                await at.submitter.submit(record)
            assert record not in at.book.records()
            assert at.submitter.problems[site.top, "run.sh"].startswith("x ")

    site.run(use)
    assert submissions(site) == 0
