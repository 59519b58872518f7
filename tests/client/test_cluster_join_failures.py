"""Jobs that join pieces, and fail: what is on the cluster stays there, and only the job is made again."""

from __future__ import annotations

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
from tests.client.test_cluster_append import is_tidy, uploads
from tests.client.test_cluster_staging import MIB, Record

if TYPE_CHECKING:
    from tests.client.conftest import Site

LIMIT = MIB // 4
OLD, PIECES = 2 * LIMIT, 3
ONE_EACH = [("1", "append"), ("2", "whole")]
QUICK = Patience(first=0.05, longest=0.2)


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    """Jobs fail here one after the other."""
    with SandboxProcess(
        tmp_path_factory.mktemp("sandbox"), job_start_seconds=0.05, max_ops_file_size=LIMIT
    ) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def streaming(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxProcess]:
    """The same, at a site that stages nothing."""
    with SandboxProcess(
        tmp_path_factory.mktemp("sandbox"),
        job_start_seconds=0.05,
        max_ops_file_size=LIMIT,
        transfer_method="streamer",
    ) as sandbox:
        yield sandbox


@pytest.fixture(params=[*ONE_EACH, ("2", "append")], ids="-".join)
def upload(request: pytest.FixtureRequest, quick: SandboxProcess, tmp_path: Path) -> Upload:
    version, way = request.param
    return Upload(site_of(quick, version), way, tmp_path / "source")


@pytest.fixture
def unstaged(streaming: SandboxProcess, tmp_path: Path) -> Upload:
    return Upload(site_of(streaming, "2"), "whole", tmp_path / "source")


one_each = pytest.mark.parametrize("upload", ONE_EACH, ids="-".join, indirect=True)
whole = pytest.mark.parametrize("upload", ONE_EACH[1:], ids="-".join, indirect=True)


class Upload:
    """A checkpoint that has grown, or a new one; each attempt has only what was written down, as after a restart."""

    def __init__(self, site: Site, way: str, source: Path) -> None:
        self.site, self.way, self._source = site, way, source
        size = PIECES * LIMIT - 10_000
        self.content = os.urandom(OLD + size if way == "append" else size)
        self.record = Record()
        source.write_bytes(self.content)
        self.there = site.real / "checkpoint"
        self.there.write_bytes(self.content[:OLD] if way == "append" else b"an older one")

    def attempt(self, meanwhile: Callable[[], object] | None = None, **faults: Any) -> errors.ClusterError | None:
        """What it fails with; None: the cluster has all of it. `meanwhile` is done while its job is in the queue."""

        async def send(cluster: Cluster) -> errors.ClusterError | None:
            place = f"{self.site.top}/checkpoint"
            try:
                if self.way == "append":
                    await cluster.append(place, self._source, OLD, None, self.record)
                else:
                    await cluster.send_pieces(place, self._source, None, self.record, mode=0o600)
            except errors.ClusterError as error:
                return error
            return None

        async def use(cluster: Cluster) -> errors.ClusterError | None:
            async with trio.open_nursery() as nursery:
                if meanwhile is not None:
                    nursery.start_soon(queued, meanwhile)
                return await send(cluster)

        async def queued(meanwhile: Callable[[], object]) -> None:
            while not self.record.state.get("job"):  # noqa: ASYNC110 -- a double
                await trio.sleep(0.05)
            meanwhile()
            self.site.sandbox.clear_faults()

        rules = faults.pop("rules", [])
        self.site.sandbox.faults(*rules, **faults)
        self.site.sandbox.reset_calls()
        try:
            return self.site.run(use, patience=QUICK)
        finally:
            self.site.sandbox.clear_faults()

    @property
    def sent(self) -> int:
        """Pieces of the last attempt. v1 submits a script that was uploaded before."""
        scripts = sum(count for route, count in self.site.sandbox.calls().items() if "compute/jobs/path" in route)
        return uploads(self.site) - scripts

    def piece(self, index: int) -> Path:
        (found,) = (self.site.sandbox.home / ".f7tfs").glob(f"*/p{index:05d}-*")
        return found

    def check(self) -> None:
        assert self.there.read_bytes() == self.content
        assert self.record.state == {}
        assert is_tidy(self.site)


def test_a_job_that_fails_is_made_again_and_no_piece_is_sent_again(upload: Upload) -> None:
    sent = PIECES
    for ends in ("NODE_FAIL", "TIMEOUT", "CANCELLED", "FAILED"):
        failed = upload.attempt(fail_jobs=[ends])
        assert isinstance(failed, errors.Interrupted)
        assert ends in str(failed)
        assert (upload.sent, sent) == (sent, sent)
        sent = 0
    assert upload.attempt() is None
    assert upload.sent == 0
    upload.check()


def test_only_pieces_that_are_not_there_whole_are_sent_again(upload: Upload) -> None:
    assert isinstance(upload.attempt(fail_jobs=["NODE_FAIL"]), errors.Interrupted)
    upload.piece(0).unlink()
    os.truncate(upload.piece(1), 1000)
    assert upload.attempt() is None
    assert upload.sent == 2
    upload.check()


@one_each
def test_a_piece_that_goes_while_the_job_is_in_the_queue_is_sent_again_alone(upload: Upload) -> None:
    failed = upload.attempt(lambda: upload.piece(1).unlink(), hold_jobs=True)
    assert isinstance(failed, errors.Interrupted)
    assert "a piece is missing" in str(failed)
    assert upload.attempt() is None
    assert upload.sent == 1
    upload.check()


@one_each
def test_a_submission_whose_answer_is_lost_costs_no_piece(upload: Upload) -> None:
    lost = {"match": "POST .*compute/.*jobs", "drop": "after"}
    failed = upload.attempt(rules=[lost])
    # v1 tells by its tasks what became of it.
    assert failed is None or isinstance(failed, errors.Interrupted)
    if failed is not None:
        assert upload.attempt() is None
        assert upload.sent == 0
    upload.check()


@whole
def test_after_so_many_failures_there_is_another_way_and_nothing_is_left_of_this_one(upload: Upload) -> None:
    for attempt in range(5):
        assert isinstance(upload.attempt(fail_jobs=["NODE_FAIL"]), errors.Interrupted)
        assert upload.sent == (0 if attempt else PIECES)
    failed = upload.attempt(fail_jobs=["NODE_FAIL"])
    # What sends it stages it then.
    assert isinstance(failed, errors.Unsupported)
    assert "failed 6 times" in str(failed)
    assert upload.record.state == {}
    assert is_tidy(upload.site)


@whole
def test_after_so_many_failures_there_is_no_other_way_while_the_pieces_cannot_be_removed(upload: Upload) -> None:
    for _ in range(5):
        assert isinstance(upload.attempt(fail_jobs=["NODE_FAIL"]), errors.Interrupted)
    stuck = {"match": "DELETE .*ops/rm", "status": 503, "count": None}
    assert isinstance(upload.attempt(fail_jobs=["NODE_FAIL"], rules=[stuck]), errors.Interrupted)
    # They are removed first, and all is sent anew.
    assert upload.attempt() is None
    assert upload.sent == PIECES
    upload.check()


def test_where_nothing_can_be_staged_the_pieces_are_sent_anew(unstaged: Upload) -> None:
    for _ in range(6):
        assert isinstance(unstaged.attempt(fail_jobs=["NODE_FAIL"]), errors.Interrupted)
    assert unstaged.record.state == {}
    assert unstaged.attempt() is None
    assert unstaged.sent == PIECES
    unstaged.check()


@whole
def test_a_disk_that_is_full_is_told_and_what_was_sent_is_removed(upload: Upload) -> None:
    """That is no fault of the job: another one would find it so too."""
    upload.attempt(fail_jobs=["NODE_FAIL"])
    upload.piece(1).unlink()
    assert isinstance(upload.attempt(quota=0, quota_error="ENOSPC"), errors.NoSpace)
    assert is_tidy(upload.site)
