"""What `verify` compares, and what it says where the site cannot tell a checksum."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

import pytest
import trio

from f7tfs.cluster import errors
from f7tfs.cluster.storage import check_content

CONTENT = b"results\n"


class Site:
    """`answer`: the checksum that it tells, or the error that comes instead."""

    def __init__(self, answer: str | errors.ClusterError) -> None:
        self.answer = answer
        self.asked: list[str] = []

    async def checksum(self, path: str) -> str:
        self.asked.append(path)
        if isinstance(self.answer, str):
            return self.answer
        raise self.answer


def check(site: Site, tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(CONTENT)
    trio.run(check_content, site.checksum, "/home/f", "/home/.f7tfs/f", tmp_path / "source")
    assert site.asked == ["/home/.f7tfs/f"]


def test_the_same_checksum_is_an_upload_that_arrived(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    check(Site(hashlib.sha256(CONTENT).hexdigest()), tmp_path)
    assert caplog.records == []


def test_another_checksum_is_a_failure(tmp_path: Path) -> None:
    with pytest.raises(errors.RemoteFailure, match="/home/f: what arrived has another checksum"):
        check(Site("0" * 64), tmp_path)


def test_a_checksum_that_takes_too_long_leaves_the_size_and_a_word_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    check(Site(errors.TimedOut("the command took more than 5 s")), tmp_path)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert "/home/f is too large for a checksum in the time of one call: only its size" in record.getMessage()


def test_a_site_that_is_away_is_no_checksum_that_takes_too_long(tmp_path: Path) -> None:
    with pytest.raises(errors.Unavailable, match="away"):
        check(Site(errors.Unavailable("away")), tmp_path)
