"""Large texts that travel compressed: extracted aside, and in their place only when they are whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from f7tfs.cluster import errors
from f7tfs.cluster.compressed import MEMBER
from f7tfs.cluster.model import Kind
from f7tfs.cluster.port import Cluster
from f7tfs.vfs.archive import Member, write_archive
from tests.client.test_cluster_staging import MIB, Record

if TYPE_CHECKING:
    from tests.client.conftest import Site

LOG = b"".join(b"step %09d energy -76.02 converged\n" % number for number in range(170_000))
MTIME = 1_600_000_000_123_456_789


class Text:
    """A log of more than the direct limit, here, and the archive of it."""

    def __init__(self, directory: Path) -> None:
        self.source, self.archive = directory / "run.log", directory / "run.tar.gz"
        self.source.write_bytes(LOG)
        self.pack(LOG)

    def pack(self, content: bytes) -> None:
        inside = self.source.with_name("inside")
        inside.write_bytes(content)
        write_archive(self.archive, [Member(MEMBER, Kind.FILE, 0o644, MTIME, source=inside)], level=1)


@pytest.fixture
def text(tmp_path: Path) -> Text:
    return Text(tmp_path)


@pytest.fixture(autouse=True)
def _nothing_is_left(site: Site) -> Iterator[None]:
    (site.sandbox.home / ".f7tfs").mkdir(mode=0o700, exist_ok=True)
    yield
    site.sandbox.clear_faults()
    assert list((site.sandbox.home / ".f7tfs").iterdir()) == []


def send(site: Site, text: Text, name: str, mode: int = 0o644, **options: object) -> int:
    """How many calls it takes."""
    record = Record()

    async def use(cluster: Cluster) -> int:
        await cluster.stat(f"{site.sandbox.info.home}/.f7tfs")
        await cluster.identity()
        before = sum(cluster.calls.values())
        await cluster.send_compressed(f"{site.top}/{name}", text.source, text.archive, None, record, mode=mode)
        return sum(cluster.calls.values()) - before

    try:
        return site.run(use, **options)
    finally:
        assert record.state == {}


@pytest.mark.parametrize("mode", [0o644, 0o600, 0o775])
def test_a_new_text_comes_whole_with_mode_and_time_in_a_few_calls(site: Site, text: Text, mode: int) -> None:
    (site.real / "d").mkdir()
    name = {"1": "d/a run.log", "2": "d/it's  a rün.log"}[site.version]
    calls = send(site, text, name, mode)
    there = site.real / name
    assert there.read_bytes() == LOG
    assert (there.stat().st_mode & 0o777, there.stat().st_mtime_ns, there.stat().st_nlink) == (mode, MTIME, 1)
    # One of them is the look at the private directory, of which later files know.
    assert calls == {"1": 8, "2": 11}[site.version] + (mode != 0o644)


def test_a_file_or_link_that_is_there_is_replaced_and_keeps_its_old_content_elsewhere(site: Site, text: Text) -> None:
    (site.real / "old.log").write_bytes(b"old")
    (site.real / "kept.log").hardlink_to(site.real / "old.log")
    (site.real / "link.log").symlink_to("kept.log")
    for name in ("old.log", "link.log"):
        send(site, text, name)
        assert (site.real / name).read_bytes() == LOG
        assert not (site.real / name).is_symlink()
    assert (site.real / "kept.log").read_bytes() == b"old"
    assert (site.real / "kept.log").stat().st_nlink == 1


def test_what_can_be_no_file_is_refused_and_no_directory_is_made(site: Site, text: Text) -> None:
    (site.real / "directory").mkdir()
    (site.real / "file").write_bytes(b"old")
    for name, meant in (
        ("directory", errors.IsADirectory),
        ("file/below", errors.Unsupported),  # the usual way tells why
        ("none/below", errors.Unsupported),
    ):
        with pytest.raises(meant):
            send(site, text, name)
    assert sorted(path.name for path in site.real.iterdir()) == ["directory", "file"]
    assert (site.real / "file").read_bytes() == b"old"


@pytest.mark.parametrize("damage", ["cut", "other size", "no archive"])
def test_what_is_not_extracted_whole_goes_another_way_and_changes_nothing(
    site: Site, text: Text, damage: str
) -> None:
    (site.real / "run.log").write_bytes(b"old")
    if damage == "cut":
        text.archive.write_bytes(text.archive.read_bytes()[:-2000])
    elif damage == "other size":
        text.pack(LOG[:-1])
    else:
        text.archive.write_bytes(os.urandom(2000))
    with pytest.raises(errors.Unsupported, match="as an archive"):
        send(site, text, "run.log")
    assert (site.real / "run.log").read_bytes() == b"old"


def test_a_checksum_that_is_wrong_is_found_before_it_takes_its_place(site: Site, text: Text) -> None:
    (site.real / "run.log").write_bytes(b"old")
    send(site, text, "run.log", verify=True)
    assert (site.real / "run.log").read_bytes() == LOG
    text.pack(LOG.replace(b"-76.02", b"-76.03", 1))
    with pytest.raises(errors.Unsupported, match="checksum"):
        send(site, text, "run.log", verify=True)
    assert (site.real / "run.log").read_bytes() == LOG


def test_a_full_disk_is_told_and_leaves_what_was_there(site: Site, text: Text) -> None:
    (site.real / "run.log").write_bytes(b"old")
    site.sandbox.faults(quota=len(text.archive.read_bytes()) + MIB)
    # v1 glues the lines of an answer together, so the usual way has to find out.
    with pytest.raises({"1": errors.Unsupported, "2": errors.QuotaExceeded}[site.version], match="quota exceeded"):
        send(site, text, "run.log")
    assert (site.real / "run.log").read_bytes() == b"old"
