"""Staged transfers and renames of both adapters: real bytes through a real object store."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trio

from f7tfs.cluster import errors
from f7tfs.cluster.model import StagedObject
from f7tfs.cluster.patience import Patience
from f7tfs.cluster.port import Cluster
from f7tfs.sandbox.process import SandboxProcess

if TYPE_CHECKING:
    from tests.client.conftest import Site

MIB = 2**20


class Gathered:
    """A sink that keeps what arrives at its offset."""

    def __init__(self, size: int) -> None:
        self.data = bytearray(size)

    def __call__(self, offset: int, data: bytes) -> None:
        self.data[offset : offset + len(data)] = data


async def whole(cluster: Cluster, staged: StagedObject) -> bytes:
    gathered = Gathered(staged.size)
    await cluster.fetch(staged, 0, staged.size, gathered)
    return bytes(gathered.data)


def big(path: Path, size: int) -> str:
    """Fill a file with `size` bytes; the digest of them."""
    content = os.urandom(size)
    path.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


@pytest.fixture(autouse=True)
def _nothing_is_left(site: Site) -> Iterator[None]:
    """No test leaves a temporary, or a log of a transfer job, in the user's home."""
    yield
    scratch = site.sandbox.home / ".f7tfs"
    assert not scratch.exists() or list(scratch.iterdir()) == []
    assert [path.name for path in site.sandbox.home.glob(".f7t_file_handling*")] == []


# -- from the cluster ----------------------------------------------------------------------------


def test_a_large_file_is_staged_and_read_by_ranges_in_any_order(site: Site) -> None:
    digest = big(site.real / "big", 60 * MIB)
    phases: list[str] = []

    async def use(cluster: Cluster) -> None:
        staged = await cluster.stage_out(f"{site.top}/big", lambda phase, _: phases.append(phase))
        assert staged.size == 60 * MIB
        gathered = Gathered(staged.size)
        async with trio.open_nursery() as nursery:
            for start in (40 * MIB, 0, 20 * MIB):
                nursery.start_soon(cluster.fetch, staged, start, start + 20 * MIB, gathered)
        assert hashlib.sha256(gathered.data).hexdigest() == digest
        await cluster.release(staged)

    site.run(use)
    assert phases[0] == "queued"
    assert phases[-1] == "finishing"


@pytest.mark.parametrize("path", ["sp ace", "dir with space/plain", "com,ma", "$HOME", "日本", "dir's & co/plain"])
def test_an_odd_name_is_staged_through_a_plain_one(site: Site, path: str) -> None:
    (site.real / path).parent.mkdir(exist_ok=True)
    (site.real / path).write_bytes(b"content of it")

    async def use(cluster: Cluster) -> None:
        try:
            cluster.check_name(f"{site.top}/{path}")
        except errors.InvalidName:
            with pytest.raises(errors.InvalidName):
                await cluster.stage_out(f"{site.top}/{path}")
            return
        staged = await cluster.stage_out(f"{site.top}/{path}")
        assert await whole(cluster, staged) == b"content of it"

    site.run(use)


@pytest.mark.parametrize(
    ("prepare", "meant"),
    [
        (lambda path: path.mkdir(), errors.IsADirectory),
        (lambda path: path.symlink_to("target"), errors.Unsupported),
        (lambda path: path.touch(), errors.Unsupported),
        (lambda _: None, errors.NotFound),
    ],
)
def test_what_cannot_be_staged_is_refused_before_a_job(
    site: Site, prepare: Callable[[Path], Any], meant: type[errors.ClusterError]
) -> None:
    prepare(site.real / "x")
    with pytest.raises(meant):
        site.run(lambda cluster: cluster.stage_out(f"{site.top}/x"))


def test_an_expired_copy_is_not_found(site: Site) -> None:
    big(site.real / "f", 1000)

    async def use(cluster: Cluster) -> None:
        staged = await cluster.stage_out(f"{site.top}/f")
        old = StagedObject(staged.path, staged.url, staged.size, 0.0, staged.handle)
        with pytest.raises(errors.NotFound):
            await cluster.fetch(old, 0, 10, Gathered(10))

    site.run(use)


@pytest.mark.parametrize("site", ["2"], indirect=True)
def test_a_copy_that_was_cut_short_is_not_taken(site: Site) -> None:
    big(site.real / "f", 100_000)

    async def use(cluster: Cluster) -> None:
        site.sandbox.faults(wrong_content=1)
        with pytest.raises(errors.Unavailable, match="instead of 100000"):
            await cluster.stage_out(f"{site.top}/f")

    site.run(use)


def test_a_failed_export_is_told(site: Site) -> None:
    big(site.real / "f", 100_000)

    async def use(cluster: Cluster) -> None:
        site.sandbox.faults(fail_transfers=1)
        with pytest.raises(errors.Refused, match="staging"):
            await cluster.stage_out(f"{site.top}/f")

    site.run(use)


# -- to the cluster ------------------------------------------------------------------------------


def test_a_large_file_arrives_whole_and_nothing_beside_it_is_harmed(site: Site, tmp_path: Path) -> None:
    digest = big(tmp_path / "source", 60 * MIB + 1)
    (site.real / "big.1").write_bytes(b"the ingest job would destroy this")
    seen: dict[str, int] = {}

    def progress(phase: str, done: int) -> None:
        seen[phase] = done

    site.run(lambda cluster: cluster.stage_in(f"{site.top}/big", tmp_path / "source", progress))
    assert hashlib.sha256((site.real / "big").read_bytes()).hexdigest() == digest
    assert (site.real / "big.1").read_bytes() == b"the ingest job would destroy this"
    assert seen["transferring"] == 60 * MIB + 1
    assert set(seen) == {"queued", "transferring", "staging", "finishing"}


def test_an_existing_file_is_replaced_and_a_symlink_is_not_followed(site: Site, tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"new")
    (site.real / "f").write_bytes(b"old and longer")
    (site.real / "l").symlink_to("f")

    async def use(cluster: Cluster) -> None:
        await cluster.stage_in(f"{site.top}/f", tmp_path / "source")
        await cluster.stage_in(f"{site.top}/l", tmp_path / "source")

    site.run(use)
    assert (site.real / "f").read_bytes() == b"new"
    assert not (site.real / "l").is_symlink()


@pytest.mark.parametrize("name", ["a b", "é", "$x"])
def test_an_odd_name_is_uploaded_exactly(site: Site, tmp_path: Path, name: str) -> None:
    (tmp_path / "source").write_bytes(b"content")
    site.run(lambda cluster: cluster.stage_in(f"{site.top}/{name}", tmp_path / "source"))
    assert (site.real / name).read_bytes() == b"content"


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("nope/f", errors.NotFound),
        ("f/below", errors.NotADirectory),
        ("d", errors.IsADirectory),
        ("a&b", errors.InvalidName),
        ("a'b", errors.InvalidName),
    ],
)
def test_what_cannot_arrive_is_refused_before_the_upload(
    site: Site, tmp_path: Path, path: str, meant: type[errors.ClusterError]
) -> None:
    (tmp_path / "source").write_bytes(b"content")
    (site.real / "d").mkdir()
    (site.real / "f").touch()
    with pytest.raises(meant):
        site.run(lambda cluster: cluster.stage_in(f"{site.top}/{path}", tmp_path / "source"))
    assert not any("transfer/upload" in call or "xfer-external" in call for call in site.sandbox.calls())


def test_an_empty_file_cannot_be_staged(site: Site, tmp_path: Path) -> None:
    (tmp_path / "source").touch()
    with pytest.raises(errors.Unsupported):
        site.run(lambda cluster: cluster.stage_in(f"{site.top}/f", tmp_path / "source"))


def test_a_failed_import_leaves_the_old_content(site: Site, tmp_path: Path) -> None:
    big(tmp_path / "source", 100_000)
    (site.real / "f").write_bytes(b"old")

    async def use(cluster: Cluster) -> None:
        site.sandbox.faults(wrong_content=1)
        with pytest.raises(errors.ClusterError):
            await cluster.stage_in(f"{site.top}/f", tmp_path / "source")

    site.run(use, patience=Patience(queue=10.0))
    assert (site.real / "f").read_bytes() == b"old"


def test_an_upload_that_is_cancelled_cleans_up(site: Site, tmp_path: Path) -> None:
    big(tmp_path / "source", 5 * MIB)

    async def use(cluster: Cluster) -> None:
        with trio.CancelScope() as scope:
            await cluster.stage_in(f"{site.top}/f", tmp_path / "source", lambda phase, _: stop(scope, phase))
        assert scope.cancelled_caught

    def stop(scope: trio.CancelScope, phase: str) -> None:
        if phase == "transferring":
            scope.cancel()

    site.run(use)
    assert not (site.real / "f").exists()


# -- renaming ------------------------------------------------------------------------------------


def test_a_rename_moves_and_replaces_a_file(site: Site) -> None:
    (site.real / "a").write_bytes(b"a")
    (site.real / "b").write_bytes(b"b")
    inode = (site.real / "a").stat().st_ino
    site.run(lambda cluster: cluster.rename(f"{site.top}/a", f"{site.top}/b"))
    assert not (site.real / "a").exists()
    assert ((site.real / "b").read_bytes(), (site.real / "b").stat().st_ino) == (b"a", inode)


def test_a_directory_is_renamed_with_all_below_it(site: Site) -> None:
    (site.real / "d" / "e").mkdir(parents=True)
    site.run(lambda cluster: cluster.rename(f"{site.top}/d", f"{site.top}/new name"))
    assert (site.real / "new name" / "e").is_dir()


def test_a_rename_never_moves_into_a_directory(site: Site) -> None:
    (site.real / "a").touch()
    (site.real / "d").mkdir()
    with pytest.raises(errors.AlreadyExists):
        site.run(lambda cluster: cluster.rename(f"{site.top}/a", f"{site.top}/d"))
    assert list((site.real / "d").iterdir()) == []


def test_a_rename_into_nowhere_is_told_though_the_job_says_completed(site: Site) -> None:
    (site.real / "a").touch()
    with pytest.raises(errors.NotFound):
        site.run(lambda cluster: cluster.rename(f"{site.top}/a", f"{site.top}/nope/b"))
    assert (site.real / "a").exists()


def test_a_rename_to_itself_is_nothing(site: Site) -> None:
    (site.real / "a").touch()
    site.run(lambda cluster: cluster.rename(f"{site.top}/a", f"{site.top}/a"))
    assert (site.real / "a").exists()


@pytest.mark.parametrize("site", ["1"], indirect=True)
def test_a_lost_answer_of_rename_is_looked_up(site: Site) -> None:
    (site.real / "a").touch()

    async def use(cluster: Cluster) -> None:
        site.sandbox.faults({"match": "rename", "drop": "after"})
        await cluster.rename(f"{site.top}/a", f"{site.top}/b")

    site.run(use)
    assert (site.real / "b").exists()


# -- accounts ------------------------------------------------------------------------------------


@pytest.mark.parametrize("site", ["2"], indirect=True)
def test_a_site_that_needs_an_account_says_how_to_name_it(
    site: Site, start_sandbox: Callable[..., SandboxProcess]
) -> None:
    demanding = start_sandbox(require_account=True)
    (demanding.home / "a").touch()
    home = demanding.info.home
    other = type(site)(demanding, "2", home, demanding.home)

    async def use(cluster: Cluster) -> None:
        await cluster.rename(f"{home}/a", f"{home}/b")

    with pytest.raises(errors.AccountRequired, match="--account"):
        other.run(use)
    other.run(use, account="users")
    assert (demanding.home / "b").exists()
