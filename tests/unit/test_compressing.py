"""Which large contents go compressed, and what comes of those that do not."""

from __future__ import annotations

import errno
import os
import random
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
import trio

from f7tfs.cluster.compressed import MEMBER
from f7tfs.cluster.errors import ClusterError, Unavailable, Unsupported
from f7tfs.cluster.model import Features, Limits
from f7tfs.cluster.port import Cluster
from f7tfs.vfs import compressing
from f7tfs.vfs.compressing import SAMPLE, Compressing, compresses
from f7tfs.vfs.records import UploadRecords
from f7tfs.vfs.routes import WriteRoute
from f7tfs.vfs.sender import Sender
from f7tfs.vfs.transfers import Transfer, Transfers

MOST = 2**20
LOG = b"".join(b"step %09d energy -76.02 converged\n" % number for number in range(150_000))
NOISE = random.Random(1).randbytes(len(LOG))
HIDDEN_NOISE = LOG[:SAMPLE] + NOISE[: len(LOG) // 2 - SAMPLE] + LOG[: SAMPLE * 2] + NOISE[: 2 * SAMPLE]


class Site:
    """A cluster that has `errors` for uploads by archive, one after the other, and takes all else."""

    def __init__(self, *errors: ClusterError, pieces: bool = True) -> None:
        self.errors = list(errors)
        self.limits = Limits(direct_read=MOST, direct_write=MOST)
        self.features = Features(True, True, True, pieces=pieces, compressed=True)
        self.sent: list[str] = []

    async def send_compressed(
        self, path: str, source: Path, archive: Path, _: object, record: Any, *, mode: int
    ) -> None:
        self.sent.append("compressed")
        with tarfile.open(archive) as members:
            (member,) = members
        size = (await trio.Path(source).stat()).st_size
        assert (member.name, member.mode, member.size) == (MEMBER, mode, size)
        if self.errors:
            await record.save({"route": "compressed", "path": path, "content": record.content})
            raise self.errors.pop(0)

    async def send_pieces(self, *_: object, **__: object) -> None:
        self.sent.append("pieces")

    async def stage_in(self, *_: object, **__: object) -> None:
        self.sent.append("staged")

    async def forget_upload(self, record: Any) -> None:
        self.sent.append("forgotten")
        await record.clear()


def sender(site: Site, directory: Path) -> Sender:
    return Sender(cast("Cluster", site), directory, Transfers())


def put(sender: Sender, source: Path, path: str = "/home/user/run.log", digest: str = "digest") -> None:
    transfer = Transfer("upload", path, source.stat().st_size)
    trio.run(sender.put_local, path, source, WriteRoute.PIECES, digest, 0o644, transfer)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "source").write_bytes(LOG)
    return tmp_path / "source"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    (tmp_path / "state").mkdir()
    return tmp_path / "state"


def archives(state: Path) -> Sequence[Path]:
    return list(state.glob("*.tar.gz"))


@pytest.mark.parametrize(
    ("content", "expected"),
    [(LOG, True), (NOISE, False), (LOG[:SAMPLE] + NOISE, False), (bytes(40 * MOST), True), (HIDDEN_NOISE, True)],
    ids=["log", "noise", "noise after a header", "zeros", "noise where no sample is"],
)
def test_a_sample_tells_what_is_not_worth_compressing(tmp_path: Path, content: bytes, expected: bool) -> None:
    (tmp_path / "source").write_bytes(content)
    assert compresses(tmp_path / "source", MOST) is expected


def test_a_text_goes_compressed_and_its_archive_is_gone_afterwards(source: Path, state: Path) -> None:
    site = Site()
    put(sender(site, state), source)
    assert site.sent == ["compressed"]
    assert archives(state) == []


@pytest.mark.parametrize(
    ("content", "path"),
    [(NOISE, "/home/user/run.log"), (HIDDEN_NOISE, "/home/user/run.log"), (LOG, "/home/user/run.log.GZ")],
    ids=["noise", "too large when it is compressed", "by its name"],
)
def test_what_stays_large_goes_the_usual_way(source: Path, state: Path, content: bytes, path: str) -> None:
    source.write_bytes(content)
    site = Site()
    put(sender(site, state), source, path)
    assert site.sent == ["pieces"]
    assert archives(state) == []


def test_what_is_too_large_to_be_extracted_in_time_is_not_compressed(source: Path, state: Path) -> None:
    os.truncate(source, 64 * 2**20 + 1)
    site = Site()
    put(sender(site, state), source)
    assert site.sent == ["pieces"]


def test_what_was_not_extracted_goes_the_usual_way_from_then_on(source: Path, state: Path) -> None:
    site = Site(Unsupported("stopped"))
    one = sender(site, state)
    put(one, source)
    assert site.sent == ["compressed", "forgotten", "pieces"]
    put(one, source)
    assert site.sent[3:] == ["pieces"]
    put(one, source, digest="of other content")
    assert site.sent[4:] == ["compressed"]


def test_an_attempt_that_was_interrupted_is_made_again(source: Path, state: Path) -> None:
    site = Site(Unavailable("away"))
    one = sender(site, state)
    with pytest.raises(Unavailable):
        put(one, source)
    put(one, source)
    assert site.sent == ["compressed", "compressed"]


@pytest.mark.parametrize("route", ["pieces", "form", "staged"])
def test_what_has_begun_to_go_another_way_goes_on_there(source: Path, state: Path, route: str) -> None:
    records = UploadRecords(state / "uploads")
    record = records.record(Path("local-digest"), "digest")
    begun = {"route": route, "path": "/home/user/run.log", "content": "digest"}
    trio.run(record.save, begun)
    site = Site()
    put(sender(site, state), source)
    assert site.sent == ["pieces"]


@pytest.mark.parametrize("bound", [len, lambda data: len(data) - 1], ids=["just", "one less"])
def test_an_archive_is_given_up_as_soon_as_it_is_too_large(
    source: Path, state: Path, bound: Callable[[bytes], int]
) -> None:
    async def packed(most: int) -> bytes | None:
        site = Site()
        site.limits = Limits(direct_read=MOST, direct_write=most)
        compressing = Compressing(cast("Cluster", site), state)
        async with compressing.packed("/home/user/run.log", source, "digest", 0o644, 0) as archive:
            return None if archive is None else archive.read_bytes()

    whole = trio.run(packed, MOST)
    assert whole is not None
    again = trio.run(packed, bound(whole))
    assert (again == whole) if bound is len else (again is None)
    assert archives(state) == []


def test_a_full_local_disk_is_no_reason_not_to_send(
    state: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, *_: object) -> None:
        path.write_bytes(b"a part")
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(compressing, "write_archive", full)
    site = Site()
    put(sender(site, state), source)
    assert site.sent == ["pieces"]
    assert not archives(state)
