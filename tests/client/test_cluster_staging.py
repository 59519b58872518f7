"""Staged transfers and renames of both adapters: real bytes through a real object store."""

from __future__ import annotations

import copy
import hashlib
import os
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trio

from f7tfs.cluster import errors
from f7tfs.cluster.errand import Errand
from f7tfs.cluster.model import StagedObject
from f7tfs.cluster.patience import Patience
from f7tfs.cluster.port import Cluster
from f7tfs.sandbox.process import SandboxProcess
from tests.client.conftest import site_of

if TYPE_CHECKING:
    from tests.client.conftest import Site

MIB = 2**20


class Gathered:
    """A sink that keeps what arrives at its offset."""

    def __init__(self, size: int) -> None:
        self.data = bytearray(size)

    def __call__(self, offset: int, data: memoryview) -> None:
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


@pytest.mark.parametrize("site", ["2"], indirect=True)
@pytest.mark.parametrize("lost", [1, 2])
def test_a_copy_whose_answer_is_lost_is_asked_for_once_more(site: Site, lost: int) -> None:
    (site.real / "run.h5").write_bytes(b"content of it")

    async def use(cluster: Cluster) -> None:
        # From here that is the same as a request that is lost, which leaves no job's logs behind.
        site.sandbox.faults({"match": "POST .*transfer/download", "drop": "before", "count": lost})
        if lost == 1:
            staged = await cluster.stage_out(f"{site.top}/run.h5")
            assert await whole(cluster, staged) == b"content of it"
        else:
            with pytest.raises(errors.Unavailable, match="no answer came"):
                await cluster.stage_out(f"{site.top}/run.h5")

    site.run(use)


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
    (site.real / "hard").hardlink_to(site.real / "f")

    async def use(cluster: Cluster) -> None:
        await cluster.stage_in(f"{site.top}/f", tmp_path / "source")
        await cluster.stage_in(f"{site.top}/l", tmp_path / "source")

    site.run(use)
    assert (site.real / "f").read_bytes() == b"new"
    assert not (site.real / "l").is_symlink()
    # A new file takes the place of the old one, which another name may have.
    assert (site.real / "hard").read_bytes() == b"old and longer"


@pytest.mark.parametrize("name", ["a b", "é", "$x"])
def test_an_odd_name_is_uploaded_exactly(site: Site, tmp_path: Path, name: str) -> None:
    (tmp_path / "source").write_bytes(b"content")
    site.run(lambda cluster: cluster.stage_in(f"{site.top}/{name}", tmp_path / "source"))
    assert (site.real / name).read_bytes() == b"content"


HOSTILE = ['R&D <draft> "it\'s"', "$(touch x)`touch x`'; touch x; '\"; touch x; \"", "-rf '*'  \\"]


@pytest.mark.parametrize("site", ["2"], indirect=True)
@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_means_anything_to_a_shell_of_the_cluster(site: Site, tmp_path: Path, name: str) -> None:
    """There and back, and moved, copied and removed there: by jobs of our own, since the site's get it wrong."""
    (tmp_path / "source").write_bytes(b"measured in Spain")
    (site.real / name).write_bytes(b"old")
    place, copy = f"{site.top}/{name}", f"{site.top}/copy of {name}"

    async def use(cluster: Cluster) -> None:
        await cluster.stage_in(place, tmp_path / "source", mode=0o600)
        assert await whole(cluster, await cluster.stage_out(place)) == b"measured in Spain"
        await cluster.copy(place, copy, Errand())
        await cluster.rename(copy, f"{copy}'")
        await cluster.move(f"{copy}'", copy, Errand())
        assert (site.real / f"copy of {name}").read_bytes() == b"measured in Spain"
        site.sandbox.faults({"match": "DELETE .*ops/rm", "status": 408, "body": '{"message": "time limit exceeded"}'})
        await cluster.remove_tree(copy, Errand())
        assert {job.name for job in await cluster.jobs()}.isdisjoint({"f7t_files"})

    site.run(use)
    assert [path.name for path in site.real.iterdir()] == [name]
    assert (site.real / name).stat().st_mode & 0o777 == 0o600
    assert [path for path in (site.sandbox.home, site.sandbox.home / ".f7tfs") if (path / "x").exists()] == []


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("nope/f", errors.NotFound),
        ("f/below", errors.NotADirectory),
        ("d", errors.IsADirectory),
        ("a\nb", errors.InvalidName),
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


@pytest.mark.parametrize("site", ["1"], indirect=True)
def test_more_than_v1_takes_in_one_upload_is_refused_before_it_is_sent(site: Site, tmp_path: Path) -> None:
    with (tmp_path / "source").open("wb") as file:
        file.truncate(5120 * MIB + 1)

    async def use(cluster: Cluster) -> None:
        site.sandbox.reset_calls()
        with pytest.raises(errors.TooLarge, match="more than the 5368709120"):
            await cluster.stage_in(f"{site.top}/f", tmp_path / "source")
        assert not site.sandbox.calls()

    site.run(use)
    assert not (site.real / "f").exists()


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


class Record:
    """What an upload writes down, and a switch: the attempt ends when so much is written."""

    kept = True
    content = "digest"

    def __init__(self, *, stop: Callable[[dict[str, Any]], bool] = lambda _: False) -> None:
        self.state: dict[str, Any] = {}
        self.stop = stop
        self.scope = trio.CancelScope()

    def load(self) -> dict[str, Any]:
        return copy.deepcopy(self.state)

    async def save(self, state: Any) -> None:
        self.state = copy.deepcopy(dict(state))
        if self.stop(self.state):
            self.scope.cancel()
            await trio.lowlevel.checkpoint()

    async def clear(self) -> None:
        self.state = {}


def _sent(state: dict[str, Any]) -> int:
    sent = state.get("sent")
    return len(sent) if isinstance(sent, dict) else len(state.get("etags", ()))


PHASES: dict[str, Callable[[dict[str, Any]], bool]] = {
    "queued": bool,
    "part": lambda state: _sent(state) == 2,
    "complete": lambda state: bool(state.get("completed") or state.get("sent") is True or state.get("job")),
    "moving": lambda state: bool(state.get("ino")),
}
# httpx leaves the generator of a body whose request is cancelled to the garbage collector, which complains.
cancels_requests = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@cancels_requests
@pytest.mark.parametrize("phase", ["queued", "part", "complete", "moving"])
def test_an_upload_that_ended_in_any_phase_is_gone_on_with(
    site: Site, tmp_path: Path, phase: str, start_sandbox: Callable[..., SandboxProcess]
) -> None:
    """Nobody cleans up: as after a power cut. The next connection has only what was written down."""
    parts = start_sandbox(max_part_size=5 * MIB)
    here = site_of(parts, site.version)
    digest = big(tmp_path / "source", 22 * MIB)
    (here.real / "f").write_bytes(b"old")
    record = Record(stop=PHASES[phase])

    async def first(cluster: Cluster) -> None:
        with record.scope:
            await cluster.stage_in(f"{here.top}/f", tmp_path / "source", None, record)

    async def second(cluster: Cluster) -> None:
        await cluster.stage_in(f"{here.top}/f", tmp_path / "source", None, record)

    here.run(first)
    assert record.scope.cancelled_caught or (site.version == "1" and phase in {"part", "moving"})
    left = copy.deepcopy(record.state)
    record.stop = lambda _: False
    parts.reset_calls()
    here.run(second)
    assert hashlib.sha256((here.real / "f").read_bytes()).hexdigest() == digest
    assert record.state == {}
    assert list((parts.home / ".f7tfs").iterdir()) == []
    begun = sum(
        count for route, count in parts.calls().items() if route.endswith(("transfer/upload", "external/upload"))
    )
    # v1's form is one piece: until it is sent there is nothing to go on from.
    assert begun == (0 if left.get("route") == "staged" or left.get("sent") else 1)


@pytest.mark.parametrize("site", ["2"], indirect=True)
@pytest.mark.parametrize(
    "spoil",
    [
        lambda state: state.update(expires=0.0),
        lambda state: state.update(job="999999"),
        lambda state: state.update(size=1),
        lambda state: state["directives"].update(completeUploadUrl="http://127.0.0.1:9/"),
    ],
)
def test_what_is_left_and_of_no_use_costs_an_upload_from_the_start(
    site: Site, tmp_path: Path, spoil: Callable[[dict[str, Any]], Any]
) -> None:
    digest = big(tmp_path / "source", 6 * MIB)
    record = Record(stop=PHASES["queued"])

    async def first(cluster: Cluster) -> None:
        with record.scope:
            await cluster.stage_in(f"{site.top}/f", tmp_path / "source", None, record)

    async def second(cluster: Cluster) -> None:
        for _ in range(3):
            try:
                await cluster.stage_in(f"{site.top}/f", tmp_path / "source", None, record)
                return
            except errors.Unavailable:
                record.state.update(expires=0.0)

    site.run(first)
    spoil(record.state)
    record.stop = lambda _: False
    site.run(second)
    assert hashlib.sha256((site.real / "f").read_bytes()).hexdigest() == digest


# -- in pieces -----------------------------------------------------------------------------------


def in_pieces(source: Path, path: str, record: Record | None = None) -> Callable[[Cluster], Awaitable[None]]:
    return lambda cluster: cluster.send_pieces(path, source, None, record)


@pytest.mark.parametrize("site", ["2"], indirect=True)
@pytest.mark.parametrize("name", ["f", "it's", "a & b", "$HOME", 'q"', "é", "-rf", " x "])
def test_pieces_are_joined_under_any_name_and_replace_what_is_there(site: Site, tmp_path: Path, name: str) -> None:
    digest = big(tmp_path / "source", 11 * MIB + 7)
    (site.real / name).write_bytes(b"old")
    (site.real / "other").write_bytes(b"other")
    (site.real / "link").symlink_to("other")

    async def use(cluster: Cluster) -> None:
        await in_pieces(tmp_path / "source", f"{site.top}/{name}")(cluster)
        await in_pieces(tmp_path / "source", f"{site.top}/link")(cluster)
        assert "f7t_join" not in [job.name for job in await cluster.jobs()]

    site.run(use, verify=True)
    assert hashlib.sha256((site.real / name).read_bytes()).hexdigest() == digest
    assert not (site.real / "link").is_symlink()
    assert (site.real / "other").read_bytes() == b"other"


@cancels_requests
@pytest.mark.parametrize("site", ["2"], indirect=True)
@pytest.mark.parametrize("phase", ["queued", "part", "complete"])
def test_pieces_that_were_sent_are_not_sent_again(site: Site, tmp_path: Path, phase: str) -> None:
    digest = big(tmp_path / "source", 22 * MIB)
    record = Record(stop=PHASES[phase])

    async def first(cluster: Cluster) -> None:
        with record.scope:
            await in_pieces(tmp_path / "source", f"{site.top}/f", record)(cluster)

    site.run(first)
    assert record.scope.cancelled_caught
    left, record.stop = len(record.state["sent"]), lambda _: False
    site.sandbox.reset_calls()
    site.run(in_pieces(tmp_path / "source", f"{site.top}/f", record))
    assert hashlib.sha256((site.real / "f").read_bytes()).hexdigest() == digest
    sent = sum(count for route, count in site.sandbox.calls().items() if route.endswith("ops/upload"))
    assert sent == 5 - left


@pytest.mark.parametrize("site", ["2"], indirect=True)
def test_nothing_of_a_middle_size_waits_for_a_second_look(
    site: Site, tmp_path: Path, start_sandbox: Callable[..., SandboxProcess]
) -> None:
    """The ingest job looks once a minute, as on real sites; here that minute would never end."""
    slow = start_sandbox(ingest_poll_seconds=3600.0)
    digest = big(tmp_path / "source", 20 * MIB)
    here = site_of(slow, "2")
    here.run(in_pieces(tmp_path / "source", f"{here.top}/f"))
    assert hashlib.sha256((here.real / "f").read_bytes()).hexdigest() == digest
    assert sum(slow.calls().values()) <= 30


@pytest.mark.parametrize("site", ["2"], indirect=True)
def test_pieces_are_joined_where_the_sites_own_transfers_run(
    site: Site, tmp_path: Path, start_sandbox: Callable[..., SandboxProcess]
) -> None:
    demanding = start_sandbox(require_account=True)
    here = site_of(demanding, "2")
    big(tmp_path / "source", 6 * MIB)
    with pytest.raises(errors.AccountRequired):
        here.run(in_pieces(tmp_path / "source", f"{here.top}/f"))
    here.run(in_pieces(tmp_path / "source", f"{here.top}/f"), account="users")
    assert (here.real / "f").stat().st_size == 6 * MIB


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
