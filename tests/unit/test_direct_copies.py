"""`f7tfs cp` of a large file to the cluster: what is tried again, and what the user is told."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import trio
import trio.testing

from f7tfs.cluster.errors import ClusterError, Interrupted, NoSpace, Unavailable, Unsupported
from f7tfs.cluster.model import Features, Limits
from f7tfs.cluster.port import Cluster
from f7tfs.vfs.direct import PAUSES, DirectCopies
from f7tfs.vfs.options import VfsOptions
from f7tfs.vfs.sender import Sender
from f7tfs.vfs.transfers import Transfer, Transfers

LIMIT = 1000
FAILED = Interrupted("job 42 ended (NODE_FAIL) without doing its work")
NO_WAY = Unsupported("their job failed 6 times")


class Site:
    """Its jobs that join pieces end with these errors, one after the other; None: the file is there."""

    limits = Limits(direct_read=LIMIT, direct_write=LIMIT)
    features = Features(True, True, True, pieces=True)

    def __init__(self, source: Path, *outcomes: ClusterError | None, meanwhile: bytes = b"") -> None:
        self.sent: list[str] = []
        self._source, self._outcomes, self._meanwhile = source, list(outcomes), meanwhile

    async def send_pieces(self, *_: object, **__: object) -> None:
        self.sent.append("pieces")
        if self._meanwhile:
            self._source.write_bytes(self._meanwhile)
        if (outcome := self._outcomes.pop(0)) is not None:
            raise outcome

    async def stage_in(self, *_: object, **__: object) -> None:
        self.sent.append("staged")

    async def forget_upload(self, record: Any) -> None:
        await record.clear()

    async def chmod(self, *_: object) -> None:
        """It has its mode."""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "source.gz").write_bytes(bytes(2 * LIMIT))
    return tmp_path / "source.gz"


def copy(site: Site, source: Path) -> None:
    """As the command has it done. The clock needs no time for pauses."""
    state = source.with_name("state")
    state.mkdir()
    cluster = cast("Cluster", site)
    copies = DirectCopies(cluster, Sender(cluster, state, Transfers()), cast("VfsOptions", SimpleNamespace()))
    transfer = Transfer("upload", str(source), 0)
    clock = trio.testing.MockClock(autojump_threshold=0.1)
    trio.run(copies.upload, str(source), "/home/user/source.gz", transfer, clock=clock)


def test_a_job_that_fails_is_made_again_by_the_same_command(source: Path) -> None:
    site = Site(source, FAILED, FAILED, None)
    copy(site, source)
    assert site.sent == ["pieces"] * 3


def test_where_the_job_fails_again_and_again_the_file_is_staged(source: Path) -> None:
    site = Site(source, *[FAILED] * 5, NO_WAY)
    copy(site, source)
    assert site.sent == ["pieces"] * 6 + ["staged"]


def test_it_is_given_up_in_the_end_and_told_how_to_go_on(source: Path) -> None:
    site = Site(source, *[FAILED] * 20)
    with pytest.raises(Unavailable, match=r"NODE_FAIL.*; the same command again goes on with what was sent"):
        copy(site, source)
    assert len(site.sent) == len(PAUSES) + 1


@pytest.mark.parametrize(
    ("error", "told"), [(Unavailable("the site is away"), "the same command again"), (NoSpace("full"), "^full$")]
)
def test_what_no_other_job_would_mend_is_told_at_once(source: Path, error: ClusterError, told: str) -> None:
    site = Site(source, error)
    with pytest.raises(type(error), match=told):
        copy(site, source)
    assert site.sent == ["pieces"]


def test_a_file_that_changed_meanwhile_is_not_sent_again(source: Path) -> None:
    site = Site(source, FAILED, meanwhile=bytes(3 * LIMIT))
    with pytest.raises(Unavailable, match=r"was changed while it was copied: copy it again$"):
        copy(site, source)
    assert site.sent == ["pieces"]
