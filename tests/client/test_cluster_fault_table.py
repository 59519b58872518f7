"""The table of faults in explanation/large-files.md: each fault in each phase, for both versions, both ways.

Whatever happens, a failure says that it may pass, the old content stays until the new one is whole, and the next
attempt brings it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trio

from f7tfs.cluster import errors
from f7tfs.cluster.patience import Patience
from f7tfs.cluster.port import Cluster
from f7tfs.sandbox.process import SandboxProcess
from tests.client.conftest import site_of
from tests.client.test_cluster_staging import Record, whole

if TYPE_CHECKING:
    from tests.client.conftest import Site

OLD, NEW = os.urandom(300_000), os.urandom(300_001)
IMPATIENT = Patience(queue=1.0, rename=1.0, first=0.1, longest=0.3)
QUICK = Patience(first=0.1, longest=0.3)
ATTEMPTS = 4


@pytest.fixture(scope="module", params=["1", "2"], ids=["v1", "v2"])
def here(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[SandboxProcess, str]]:
    """A site of its own for each version: what goes wrong on v1 is tried there for ever."""
    settings = {"ingest_poll_seconds": 0.1, "job_start_seconds": 0.05}
    with SandboxProcess(tmp_path_factory.mktemp("sandbox"), **settings) as sandbox:
        (sandbox.home / ".f7tfs").mkdir(mode=0o700)
        yield sandbox, str(request.param)


@pytest.fixture
def place(here: tuple[SandboxProcess, str], tmp_path: Path) -> Iterator[Site]:
    sandbox, version = here
    sandbox.clear_faults()
    site = site_of(sandbox, version)
    (site.real / "f").write_bytes(OLD)
    (tmp_path / "source").write_bytes(NEW)
    yield site
    sandbox.clear_faults()


def some(*values: Any, long: list[Any]) -> list[Any]:
    """Parameters of which the latter take their time, and differ little."""
    return [*values, *(pytest.param(value, marks=pytest.mark.long) for value in long)]


def only(version: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("here", [version], ids=[f"v{version}"], indirect=True)


CALL_FAULTS: dict[str, dict[str, Any]] = {
    "lost": {"drop": "before"},
    "cut": {"drop": "after"},
    "503": {"status": 503},
    "token expired": {"status": 401, "body": '{"message": "Access token expired"}'},
}
CALLED = {
    "begin": "POST .*(transfer|xfer-external)/(up|down)load",
    "move": "(POST .*transfer/mv|PUT .*utilities/rename)",
    "look": "GET .*/(stat|jobs/|tasks/)",
}
OFTEN = {("begin", "cut"), ("move", "cut"), ("look", "token expired")}
CALLS = [
    pytest.param(call, how, marks=[] if (call, how) in OFTEN else pytest.mark.long)
    for call in CALLED
    for how in CALL_FAULTS
]


# -- writing -------------------------------------------------------------------------------------


def written(site: Site, tmp_path: Path, faults: Callable[[], object], **options: Any) -> int:
    """How many attempts fail under these faults, in a way that may pass; at the end everything is there.

    The first attempt is an impatient one. Each of the next has only what was written down, as after a new start.
    """
    record = Record()

    async def attempt(cluster: Cluster, failed: int) -> errors.ClusterError | None:
        if not failed:
            # The private directory is there.
            await cluster.stat(f"{site.sandbox.info.home}/.f7tfs")
            faults()
        try:
            await cluster.stage_in(f"{site.top}/f", tmp_path / "source", None, record)
        except errors.ClusterError as error:
            return error
        return None

    for failed in range(ATTEMPTS):
        chosen = {"patience": QUICK if failed else IMPATIENT, **options}
        error = site.run(lambda cluster, failed=failed: attempt(cluster, failed), **chosen)  # type: ignore[misc]
        if error is None:
            assert (site.real / "f").read_bytes() == NEW
            assert record.state == {}
            return failed
        assert isinstance(error, errors.Unavailable | errors.Uncertain), repr(error)
        assert (site.real / "f").read_bytes() in (OLD, NEW)
        site.sandbox.clear_faults()
    raise AssertionError("it does not come to an end")


@pytest.mark.parametrize(
    "fault", some({"drop": "before"}, {"status": 403}, long=[{"drop": "after"}, {"status": 503}]), ids=str
)
def test_writing_when_object_storage_fails(place: Site, tmp_path: Path, fault: dict[str, Any]) -> None:
    # What the server itself asks of it is another matter.
    rule = {"match": "^PUT" if place.version == "2" else "^POST", **fault}
    failed = written(place, tmp_path, lambda: place.sandbox.faults(s3_rules=[rule]), patience=QUICK)
    # A URL that has expired needs a new upload.
    assert failed == (1 if fault == {"status": 403} else 0)


@pytest.mark.long
@only("2")
def test_writing_when_the_server_cannot_reach_its_store(place: Site, tmp_path: Path) -> None:
    fault = {"match": "^POST", "status": 403}
    assert written(place, tmp_path, lambda: place.sandbox.faults(s3_rules=[fault]), patience=QUICK) == 1


@only("1")
@pytest.mark.parametrize("status", some("110", "112", long=["100", "111", "113"]))
def test_writing_when_a_task_stays_in_a_state(place: Site, tmp_path: Path, status: str) -> None:
    assert written(place, tmp_path, lambda: place.sandbox.faults(hold_tasks=status)) == 1


@only("1")
def test_writing_when_the_server_fails_and_tries_again(place: Site, tmp_path: Path) -> None:
    """115, twice."""
    assert written(place, tmp_path, lambda: place.sandbox.faults(fail_transfers=2), patience=QUICK) == 0


@only("1")
@pytest.mark.parametrize("status", some("118", "400", long=["300", "302"]))
@pytest.mark.parametrize("phase", ["before the form", "after the form"])
def test_writing_when_a_task_fails(place: Site, tmp_path: Path, status: str, phase: str) -> None:
    body = json.dumps({"task": {"status": status, "data": {"error": "it broke"}}})
    rule = {"match": "GET .*/tasks/", "status": 200, "body": body}
    task = [rule] if phase == "before the form" else [{"match": "GET .*/tasks/"}, {"match": "GET .*/tasks/"}, rule]
    assert written(place, tmp_path, lambda: place.sandbox.faults(*task)) <= 1


@only("2")
def test_writing_when_a_job_starts_long_after_its_bound(place: Site, tmp_path: Path) -> None:
    def asked(what: str) -> int:
        return sum(count for route, count in place.sandbox.calls().items() if what in route)

    async def use(cluster: Cluster) -> None:
        await cluster.stat(f"{place.sandbox.info.home}/.f7tfs")
        place.sandbox.faults(hold_jobs=True)
        place.sandbox.reset_calls()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(cluster.stage_in, f"{place.top}/f", tmp_path / "source")
            began = trio.current_time()
            while trio.current_time() < began + 3 * IMPATIENT.queue or asked("/jobs") < 3:  # noqa: ASYNC110 -- a double
                await trio.sleep(0.1)
            place.sandbox.clear_faults()
        assert asked("transfer/upload") == 1

    place.run(use, patience=IMPATIENT)
    assert (place.real / "f").read_bytes() == NEW


@only("2")
@pytest.mark.parametrize("count", some(1, long=[2]))
def test_writing_when_a_job_says_completed_and_has_done_nothing(place: Site, tmp_path: Path, count: int) -> None:
    assert written(place, tmp_path, lambda: place.sandbox.faults(fail_transfers=count)) >= 1


def test_writing_when_nobody_knows_the_job_or_the_task(place: Site, tmp_path: Path) -> None:
    unknown = {"match": "GET .*/(jobs|tasks)/", "status": 404, "count": None}
    assert written(place, tmp_path, lambda: place.sandbox.faults(unknown, hold_jobs=True), patience=QUICK) == 1


def test_writing_when_what_arrives_is_too_short(place: Site, tmp_path: Path) -> None:
    assert written(place, tmp_path, lambda: place.sandbox.faults(wrong_content=1), patience=QUICK) == 1


def test_writing_when_what_arrives_has_another_checksum(place: Site, tmp_path: Path) -> None:
    answer = {"output": {"checksum": "0" * 64}} if place.version == "2" else {"output": "0" * 64}
    rule = {"match": "GET .*checksum", "status": 200, "body": json.dumps(answer)}
    assert written(place, tmp_path, lambda: place.sandbox.faults(rule), verify=True, patience=QUICK) == 1


@pytest.mark.parametrize(("call", "how"), CALLS)
def test_writing_when_a_call_fails(place: Site, tmp_path: Path, call: str, how: str) -> None:
    fault = {"match": CALLED[call], **CALL_FAULTS[how]}
    assert written(place, tmp_path, lambda: place.sandbox.faults(fault), patience=QUICK) <= 1


# -- reading -------------------------------------------------------------------------------------


def read(site: Site, faults: Callable[[], object], **options: Any) -> errors.ClusterError | None:
    """What the first attempt to stage and fetch a file under these faults ends with; the next one gets it exactly."""

    async def attempt(cluster: Cluster) -> errors.ClusterError | None:
        faults()
        try:
            assert await whole(cluster, await cluster.stage_out(f"{site.top}/f")) == OLD
        except errors.ClusterError as error:
            return error
        return None

    async def again(cluster: Cluster) -> bytes:
        return await whole(cluster, await cluster.stage_out(f"{site.top}/f"))

    found = site.run(attempt, **{"patience": IMPATIENT, **options})
    site.sandbox.clear_faults()
    assert site.run(again, patience=QUICK) == OLD
    return found


@pytest.mark.parametrize(
    "rule",
    some(
        {"truncate": 200_000},
        long=[{"drop": "before"}, {"drop": "after"}, {"truncate": 0}, {"truncate": 299_999}, {"status": 503}],
    ),
    ids=str,
)
def test_reading_when_a_body_is_cut_short_or_object_storage_fails(place: Site, rule: dict[str, Any]) -> None:
    async def use(cluster: Cluster) -> bytes:
        staged = await cluster.stage_out(f"{place.top}/f")
        place.sandbox.faults(s3_rules=[{"match": "^GET", **rule}])
        return await whole(cluster, staged)

    assert place.run(use) == OLD


@only("1")
@pytest.mark.parametrize("status", some("116", long=["100"]))
def test_reading_when_a_task_stays_in_a_state(place: Site, status: str) -> None:
    assert isinstance(read(place, lambda: place.sandbox.faults(hold_tasks=status)), errors.TimedOut)


@only("2")
def test_reading_when_a_job_never_starts(place: Site) -> None:
    assert isinstance(read(place, lambda: place.sandbox.faults(hold_jobs=True)), errors.TimedOut)


@only("1")
@pytest.mark.parametrize("status", some("118", long=["300", "302", "400"]))
def test_reading_when_a_task_fails(place: Site, status: str) -> None:
    body = json.dumps({"task": {"status": status, "data": {"error": "it broke"}}})
    found = read(place, lambda: place.sandbox.faults({"match": "GET .*/tasks/", "status": 200, "body": body}))
    assert isinstance(found, errors.RemoteFailure)
    assert "it broke" in str(found)


def test_reading_when_nobody_knows_the_job_or_the_task(place: Site) -> None:
    unknown = {"match": "GET .*/(jobs|tasks)/", "status": 404, "count": None}
    found = read(place, lambda: place.sandbox.faults(unknown, hold_jobs=True), patience=QUICK)
    # Not that the file is not there.
    assert isinstance(found, errors.RemoteFailure)


def test_reading_when_the_copy_is_too_short(place: Site) -> None:
    assert isinstance(read(place, lambda: place.sandbox.faults(wrong_content=1)), errors.Unavailable)


@only("2")
def test_reading_when_somebody_cancels_the_job(place: Site) -> None:
    async def use(cluster: Cluster) -> None:
        place.sandbox.faults(hold_jobs=True)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(attempt, cluster)
            known: set[str] = set()
            while not known:
                known = set(await hidden_jobs(cluster))
                await trio.sleep(0.05)
            for job_id in known:
                await cluster.cancel(job_id)
        place.sandbox.clear_faults()
        assert await whole(cluster, await cluster.stage_out(f"{place.top}/f")) == OLD

    async def attempt(cluster: Cluster) -> None:
        with pytest.raises(errors.RemoteFailure, match="without doing its work"):
            await cluster.stage_out(f"{place.top}/f")

    async def hidden_jobs(cluster: Cluster) -> list[str]:
        return list(cluster._transfers.ids)  # type: ignore[attr-defined]

    place.run(use)


@pytest.mark.parametrize(("call", "how"), [each for each in CALLS if "move" not in each.values])
def test_reading_when_a_call_fails(place: Site, call: str, how: str) -> None:
    fault = {"match": CALLED[call], **CALL_FAULTS[how]}
    found = read(place, lambda: place.sandbox.faults(fault), patience=QUICK)
    assert found is None or isinstance(found, errors.Unavailable | errors.Uncertain)
