"""What `verify` compares, and what it says where the site cannot tell a checksum."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

import pytest
import trio

from f7tfs.cluster import errors
from f7tfs.cluster.storage import ContentCheck

CONTENT = b"results\n"


DIGEST = hashlib.sha256(CONTENT).hexdigest()
TOO_SLOW = errors.TimedOut("the command took more than 5 s")


class Site:
    """`answer` of its command, and of a job: the checksum that it tells, or the error that comes instead."""

    def __init__(self, answer: str | errors.ClusterError, by_job: str | errors.ClusterError = DIGEST) -> None:
        self.answers = {"call": answer, "job": by_job}
        self.asked: list[str] = []

    async def checksum(self, path: str) -> str:
        assert path == "/home/.f7tfs/f"
        return self._tell("call")

    async def by_job(self, path: str, size: int) -> str:
        assert (path, size) == ("/home/.f7tfs/f", len(CONTENT))
        return self._tell("job")

    def _tell(self, way: str) -> str:
        self.asked.append(way)
        answer = self.answers[way]
        if isinstance(answer, str):
            return answer
        raise answer


def check(site: Site, tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(CONTENT)
    trio.run(ContentCheck(site.checksum, site.by_job), "/home/f", "/home/.f7tfs/f", tmp_path / "source")


def test_the_same_checksum_is_an_upload_that_arrived(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    site = Site(DIGEST)
    check(site, tmp_path)
    assert site.asked == ["call"]
    assert caplog.records == []


@pytest.mark.parametrize("site", [Site("0" * 64), Site(TOO_SLOW, "0" * 64)])
def test_another_checksum_is_a_failure(tmp_path: Path, site: Site) -> None:
    with pytest.raises(errors.RemoteFailure, match="/home/f: what arrived has another checksum"):
        check(site, tmp_path)


def test_a_checksum_that_takes_too_long_for_a_call_is_made_by_a_job(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    site = Site(TOO_SLOW)
    check(site, tmp_path)
    assert site.asked == ["call", "job"]
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_what_no_job_can_verify_leaves_the_size_and_a_word_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    check(Site(TOO_SLOW, errors.SchedulerRefused("no more jobs")), tmp_path)
    (record,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert "/home/f has the right size; its checksum could not be compared: no more jobs" in record.getMessage()


@pytest.mark.parametrize(
    "site", [Site(errors.Unavailable("away")), Site(TOO_SLOW, errors.Unavailable("away"))], ids=["call", "job"]
)
def test_a_site_that_is_away_is_no_checksum_that_takes_too_long(tmp_path: Path, site: Site) -> None:
    with pytest.raises(errors.Unavailable, match="away"):
        check(site, tmp_path)
