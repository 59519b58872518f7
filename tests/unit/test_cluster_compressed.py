"""A compressed upload whose calls fail one after the other, over a cluster in memory and in virtual time."""

from __future__ import annotations

import io
import itertools
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from f7tfs.cluster.compressed import MEMBER, Compressed, Put
from f7tfs.cluster.errors import (
    ClusterError,
    NotFound,
    RemoteFailure,
    TimedOut,
    Unavailable,
    Uncertain,
    Unsupported,
)
from f7tfs.cluster.links_v2 import LinksV2, link_archive
from f7tfs.cluster.model import FileSystem, Identity, Kind, Limits, Stat
from f7tfs.cluster.scratch import Scratch
from f7tfs.cluster.storage import no_progress
from f7tfs.vfs.archive import Member, write_archive

PLACE = "/scratch/project/run.log"
SCRATCH = "/scratch/user/.f7tfs"
LOG = b"converged\n" * 1000


@dataclass(frozen=True)
class Thing:
    ino: int
    kind: Kind
    content: bytes = b""
    mode: int = 0o644


class Files:
    """A cluster of a few paths. `fail(number, call)` may give the error of a call, and whether its work is done."""

    def __init__(self) -> None:
        self.inodes = itertools.count(1)
        self.things: dict[str, Thing] = {}
        self.calls: list[str] = []
        self.fail: Callable[[int, str], tuple[ClusterError, bool] | None] = lambda *_: None
        self.linkable = True
        self.does_nothing = False
        for directory in ("/scratch/project", "/scratch/user", SCRATCH):
            self.things[directory] = Thing(next(self.inodes), Kind.DIRECTORY, mode=0o700)

    limits = Limits(direct_read=5000, direct_write=5000)

    async def identity(self) -> Identity:
        return Identity("user", 1000, 1000)

    async def file_systems(self) -> Sequence[FileSystem]:
        return [FileSystem("/scratch")]

    def _call(self, call: str, work: Callable[[], None]) -> None:
        self.calls.append(call)
        failure = self.fail(len(self.calls), call)
        if failure is None or failure[1]:
            work()
        if failure is not None:
            raise failure[0]

    async def stat(self, path: str) -> Stat:
        self._call("stat", lambda: None)
        if path not in self.things:
            raise NotFound(path)
        thing = self.things[path]
        return Stat(thing.kind, thing.mode, thing.ino, 1, 1000, 1000, len(thing.content), 0, 0, 0)

    async def make_directory(self, path: str) -> None:
        self._call("mkdir", lambda: self._put(path, Thing(next(self.inodes), Kind.DIRECTORY)))

    async def write_direct(self, path: str, content: bytes) -> None:
        self._call("upload", lambda: self._put(path, Thing(next(self.inodes), Kind.FILE, content)))

    async def remove(self, path: str) -> None:
        def work() -> None:
            if path not in self.things:
                raise NotFound(path)
            self.things = {
                name: thing for name, thing in self.things.items() if not f"{name}/".startswith(f"{path}/")
            }

        self._call("rm", work)

    async def chmod(self, path: str, mode: int) -> None:
        self._call("chmod", lambda: self._put(path, replace(self.things[path], mode=mode)))

    async def rename(self, new: str, path: str, ino: int, *, free: bool) -> None:
        assert self.things[new].ino == ino
        del free
        self._call("mv", lambda: self._put(path, self.things.pop(new)))

    async def extract(self, archive: str, directory: str, *places: str) -> None:
        assert places
        self._call("extract", lambda: self._extract(self.things[archive].content, directory))

    def _extract(self, packed: bytes, directory: str) -> None:
        with tarfile.open(fileobj=io.BytesIO(packed)) as members:
            for member in members:
                path = f"{directory}/{member.name}"
                if member.islnk():
                    # As GNU tar does: what is there goes before it is known whether the link can be made.
                    linked = self.things[f"{directory}/{member.linkname}"]
                    self.things.pop(path, None)
                    if self.does_nothing:
                        continue
                    if not self.linkable:
                        raise RemoteFailure("Invalid cross-device link")
                    self._put(path, linked)
                else:
                    content = members.extractfile(member)
                    assert content is not None
                    self._put(path, Thing(next(self.inodes), Kind.FILE, content.read(), member.mode))

    def _put(self, path: str, thing: Thing) -> None:
        if path.rpartition("/")[0] not in self.things:
            raise NotFound(path)
        self.things[path] = thing

    @property
    def left(self) -> list[str]:
        return [path for path in self.things if path.startswith(f"{SCRATCH}/")]

    def content(self) -> bytes | None:
        return self.things[PLACE].content if PLACE in self.things else None


class Record:
    """What an upload writes down."""

    kept = True
    content = "digest"

    def __init__(self) -> None:
        self.state: dict[str, Any] = {}

    def load(self) -> dict[str, Any]:
        return dict(self.state)

    async def save(self, state: Mapping[str, Any]) -> None:
        self.state = dict(state)

    async def clear(self) -> None:
        self.state = {}


class Upload:
    """Of the log, to a place where `old` is."""

    def __init__(self, directory: Path, version: str, old: bytes | None) -> None:
        self.files = Files()
        self.record = Record()
        self.source, self.archive = directory / "run.log", directory / "run.tar.gz"
        self.source.write_bytes(LOG)
        write_archive(self.archive, [Member(MEMBER, Kind.FILE, 0o644, 0, source=self.source)])
        if old is not None:
            self.files.things[PLACE] = Thing(99, Kind.FILE, old)
        put: Put = LinksV2(self.files) if version == "v2" else self.files.rename
        self.compressed = Compressed(self.files, put, Scratch(self.files), None)

    def send(self, mode: int = 0o600) -> ClusterError | None:
        async def main() -> None:
            await self.compressed.send(PLACE, self.source, self.archive, no_progress, self.record, mode)

        try:
            trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
        except ClusterError as error:
            return error
        return None


@pytest.fixture(params=["v1", "v2"])
def version(request: pytest.FixtureRequest) -> str:
    return str(request.param)


FAILURES = {"lost": Uncertain("lost"), "away": Unavailable("away"), "stopped": TimedOut("stopped")}


@pytest.mark.parametrize("done", [True, False], ids=["done", "not done"])
@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
@pytest.mark.parametrize("old", [None, b"old"], ids=["new", "there"])
def test_a_failure_of_any_call_leaves_all_of_the_old_or_the_new_and_the_next_attempt_brings_it(
    tmp_path: Path, version: str, old: bytes | None, failure: ClusterError, done: bool
) -> None:
    undisturbed = Upload(tmp_path, version, old)
    assert undisturbed.send() is None
    assert undisturbed.files.left == []
    assert undisturbed.files.things[PLACE].mode == 0o600
    for number in range(1, len(undisturbed.files.calls) + 1):
        upload = Upload(tmp_path, version, old)
        upload.files.fail = lambda n, _, number=number: (failure, done) if n == number else None  # type: ignore[misc]
        error = upload.send()
        assert upload.files.content() in (old, LOG), number
        assert error is not None or upload.files.content() == LOG
        # Nothing is there that nobody knows of.
        assert not upload.files.left or upload.record.state
        assert upload.send() is None
        assert (upload.files.content(), upload.record.state) == (LOG, {})
        assert upload.files.left == []


@pytest.mark.parametrize("failure", [RemoteFailure("tar: broken"), TimedOut("stopped")], ids=["failed", "stopped"])
def test_what_the_cluster_does_not_extract_goes_another_way_and_leaves_nothing(
    tmp_path: Path, version: str, failure: ClusterError
) -> None:
    upload = Upload(tmp_path, version, b"old")
    upload.files.fail = lambda _, call: (failure, False) if call == "extract" else None
    assert isinstance(upload.send(), Unsupported)
    assert (upload.files.content(), upload.files.left, upload.record.state) == (b"old", [], {})


def test_a_site_that_went_away_is_cleaned_up_after_by_the_next_attempt(tmp_path: Path, version: str) -> None:
    upload = Upload(tmp_path, version, None)
    away = Unavailable("away")
    upload.files.fail = lambda number, _: (away, False) if number > 5 else None
    assert upload.send() is away
    assert upload.files.left
    upload.files.fail = lambda *_: None
    assert upload.send() is None
    assert (upload.files.content(), upload.files.left) == (LOG, [])


def test_no_file_is_replaced_by_a_link_where_links_cannot_be_made(tmp_path: Path) -> None:
    upload = Upload(tmp_path, "v2", b"old")
    upload.files.linkable = False
    assert isinstance(upload.send(), Unsupported)
    assert (upload.files.content(), upload.files.left) == (b"old", [])


def test_a_link_that_is_not_there_though_nothing_was_refused_loses_nothing(tmp_path: Path) -> None:
    upload = Upload(tmp_path, "v2", None)
    upload.files.does_nothing = True
    assert isinstance(upload.send(), Unsupported)
    assert (upload.files.content(), upload.files.left) == (None, [])


def test_once_links_were_made_in_a_directory_a_file_there_is_replaced_by_fewer_calls(tmp_path: Path) -> None:
    upload = Upload(tmp_path, "v2", b"old")
    assert upload.send() is None
    first = len(upload.files.calls)
    assert upload.send() is None
    # One is the look at the private directory, two are the trial.
    assert len(upload.files.calls) - first == first - 3


def test_a_link_is_named_from_where_it_is_extracted() -> None:
    with tarfile.open(fileobj=io.BytesIO(link_archive("user/.f7tfs/1a/content", "project/é.log"))) as archive:
        (member,) = archive
    assert (member.islnk(), member.name, member.linkname) == (True, "project/é.log", "user/.f7tfs/1a/content")
