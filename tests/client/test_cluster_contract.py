"""What both adapters promise: every direct call of the port, on real files behind a real HTTP server."""

from __future__ import annotations

import hashlib
import io
import os
import tarfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trio

from f7tfs.cluster import errors
from f7tfs.cluster.connect import connect, list_systems
from f7tfs.cluster.model import Entry, Kind
from f7tfs.cluster.port import Cluster
from f7tfs.firecrest.auth import StaticToken

if TYPE_CHECKING:
    from tests.client.conftest import Site

Use = Callable[[Cluster], Awaitable[Any]]


def calls_of(site: Site, use: Use) -> int:
    """How many API calls `use` needs, on a connection that is there already."""

    async def main(cluster: Cluster) -> int:
        site.sandbox.reset_calls()
        await use(cluster)
        return sum(site.sandbox.calls().values())

    return int(site.run(main))


def names(entries: list[Entry]) -> set[str]:
    return {entry.name for entry in entries}


# -- connecting ----------------------------------------------------------------------------------


def test_the_version_is_found_out_and_the_system_checked(site: Site) -> None:
    async def use(cluster: Cluster) -> tuple[str, bool]:
        return cluster.system, cluster.features.cheap_rename

    assert site.run(use) == (site.sandbox.info.system, site.version == "1")
    with pytest.raises(errors.NoSuchSystem, match=site.sandbox.info.system):
        _connect(site, system="nosuch")


def test_a_slash_after_the_url_does_not_matter(site: Site) -> None:
    _connect(site, url=f"{site.url}/")


def test_the_wrong_version_is_told(site: Site) -> None:
    other = "1" if site.version == "2" else "2"
    with pytest.raises(errors.RemoteFailure, match=f"v{other}"):
        _connect(site, api_version=other)


def test_a_bad_token_is_unauthorized(site: Site) -> None:
    with pytest.raises(errors.Unauthorized):
        _connect(site, authorization=StaticToken("garbage"))


def _connect(site: Site, url: str = "", authorization: Any = None, system: str = "", **options: Any) -> None:
    async def main() -> None:
        system_name = system or site.sandbox.info.system
        async with connect(url or site.url, authorization or site.authorization, system_name, **options):
            pass

    trio.run(main)


def test_systems_can_be_listed_without_connecting_to_one(site: Site) -> None:
    found = trio.run(list_systems, site.url, site.authorization)
    assert [(system.name, system.api_version) for system in found] == [(site.sandbox.info.system, site.version)]
    assert found[0].file_systems == ("/home", "/scratch")


def test_who_and_where(site: Site) -> None:
    async def use(cluster: Cluster) -> None:
        who = await cluster.identity()
        assert (who.user, who.uid, who.gid, who.groups[100]) == ("user", 4103, 100, "users")
        assert [system.path for system in await cluster.file_systems()] == ["/home", "/scratch"]
        assert cluster.limits.direct_read == 3_932_157

    site.run(use)


# -- looking -------------------------------------------------------------------------------------


def test_a_listing_has_everything_but_dots_and_takes_one_call(site: Site) -> None:
    (site.real / "d").mkdir(mode=0o750)
    (site.real / ".hidden").write_bytes(b"1234")
    (site.real / "f").write_bytes(b"12")
    (site.real / "f").chmod(0o640)
    (site.real / "l").symlink_to("nowhere")
    os.mkfifo(site.real / "p")

    async def use(cluster: Cluster) -> None:
        found = {entry.name: entry for entry in await cluster.list_directory(site.top)}
        assert set(found) == {"d", ".hidden", "f", "l", "p"}
        assert (found["d"].kind, found["d"].mode) == (Kind.DIRECTORY, 0o750)
        assert (found["f"].size, found["f"].mode, found["f"].user) == (2, 0o640, "user")
        assert (found["l"].kind, found["l"].link_target) == (Kind.SYMLINK, "nowhere")
        assert found["p"].kind is Kind.FIFO

    assert calls_of(site, use) == 1


def test_a_symlink_to_a_directory_is_followed_and_a_file_is_refused(site: Site) -> None:
    (site.real / "d").mkdir()
    (site.real / "d" / "inside").touch()
    (site.real / "l").symlink_to("d")
    (site.real / "f").touch()

    async def use(cluster: Cluster) -> None:
        assert names(await cluster.list_directory(f"{site.top}/l")) == {"inside"}
        for call in (cluster.list_directory, cluster.list_tree):
            with pytest.raises(errors.NotADirectory):
                await call(f"{site.top}/f")
            with pytest.raises(errors.NotFound):
                await call(f"{site.top}/nope")

    site.run(use)


def test_a_tree_is_one_call_with_parents_first(site: Site) -> None:
    (site.real / "a" / "b").mkdir(parents=True)
    (site.real / "a" / "b" / "f").write_bytes(b"123")

    async def use(cluster: Cluster) -> None:
        tree = await cluster.list_tree(site.top)
        assert [entry.name for entry in tree] == ["a", "a/b", "a/b/f"]
        assert tree[2].size == 3

    assert calls_of(site, use) == 1


def test_stat_is_of_the_link_itself(site: Site) -> None:
    (site.real / "f").write_bytes(b"123")
    os.utime(site.real / "f", (1_700_000_000, 1_700_000_001))
    (site.real / "l").symlink_to("f")

    async def use(cluster: Cluster) -> None:
        of_file = await cluster.stat(f"{site.top}/f")
        assert (of_file.kind, of_file.size, of_file.mtime) == (Kind.FILE, 3, 1_700_000_001)
        assert of_file.ino == (site.real / "f").stat().st_ino
        assert (await cluster.stat(f"{site.top}/l")).kind is Kind.SYMLINK
        assert (await cluster.stat(site.top)).kind is Kind.DIRECTORY

    assert calls_of(site, use) == 3


def test_a_checksum_is_sha256(site: Site) -> None:
    (site.real / "f").write_bytes(b"123")
    assert site.run(lambda cluster: cluster.checksum(f"{site.top}/f")) == hashlib.sha256(b"123").hexdigest()


# -- direct content ------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 3, 65_537, 3_932_157])
def test_content_goes_there_and_back_in_a_call_each(site: Site, size: int) -> None:
    content = os.urandom(size)

    async def use(cluster: Cluster) -> None:
        await cluster.write_direct(f"{site.top}/f", content)
        assert await cluster.read_direct(f"{site.top}/f") == content

    assert calls_of(site, use) == 2
    assert (site.real / "f").read_bytes() == content


def test_the_largest_direct_upload_is_taken_and_one_byte_more_is_not_sent(site: Site) -> None:
    async def use(cluster: Cluster) -> None:
        await cluster.write_direct(f"{site.top}/f", bytes(cluster.limits.direct_write))
        with pytest.raises(errors.TooLarge):
            await cluster.write_direct(f"{site.top}/f", bytes(cluster.limits.direct_write + 1))

    assert calls_of(site, use) == 1


def test_a_file_above_the_limit_is_not_read_directly(site: Site) -> None:
    (site.real / "f").write_bytes(bytes(3_932_158))
    with pytest.raises(errors.TooLarge):
        site.run(lambda cluster: cluster.read_direct(f"{site.top}/f"))


def test_an_overwritten_file_keeps_its_mode_and_its_inode(site: Site) -> None:
    (site.real / "f").write_bytes(b"old content")
    (site.real / "f").chmod(0o600)
    inode = (site.real / "f").stat().st_ino
    site.run(lambda cluster: cluster.write_direct(f"{site.top}/f", b"new"))
    assert (site.real / "f").read_bytes() == b"new"
    assert ((site.real / "f").stat().st_mode & 0o777, (site.real / "f").stat().st_ino) == (0o600, inode)


def test_an_empty_file_is_uploaded_only_where_the_api_can(site: Site) -> None:
    async def use(cluster: Cluster) -> None:
        if cluster.features.empty_write:
            await cluster.write_direct(f"{site.top}/f", b"")
            assert await cluster.read_direct(f"{site.top}/f") == b""
        else:
            with pytest.raises(errors.Unsupported):
                await cluster.write_direct(f"{site.top}/f", b"")

    site.run(use)


# -- changing ------------------------------------------------------------------------------------


def test_simple_changes_take_one_call_each(site: Site) -> None:
    (site.real / "f").touch()

    async def use(cluster: Cluster) -> None:
        await cluster.make_directory(f"{site.top}/d")
        await cluster.chmod(f"{site.top}/f", 0o604)
        await cluster.make_symlink(f"{site.top}/l", f"{site.top}/f")
        await cluster.remove(f"{site.top}/f")

    assert calls_of(site, use) == 4
    assert (site.real / "d").is_dir()
    assert (site.real / "l").readlink() == Path(f"{site.top}/f")
    assert not (site.real / "f").exists()


def test_chmod_sets_all_bits(site: Site) -> None:
    (site.real / "f").touch()
    site.run(lambda cluster: cluster.chmod(f"{site.top}/f", 0o4751))
    assert (site.real / "f").stat().st_mode & 0o7777 == 0o4751


def test_removing_takes_a_directory_with_all_below_it_but_only_the_link(site: Site) -> None:
    (site.real / "d" / "e").mkdir(parents=True)
    (site.real / "target").mkdir()
    (site.real / "target" / "kept").touch()
    (site.real / "l").symlink_to("target")

    async def use(cluster: Cluster) -> None:
        await cluster.remove(f"{site.top}/d")
        await cluster.remove(f"{site.top}/l/")

    site.run(use)
    assert {path.name for path in site.real.iterdir()} == {"target"}
    assert (site.real / "target" / "kept").exists()


@pytest.mark.parametrize("target", ["relative/x", "../up", "dangling"])
def test_a_relative_symlink_is_made_only_where_the_api_can(site: Site, target: str) -> None:
    async def use(cluster: Cluster) -> None:
        if cluster.features.relative_symlink:
            await cluster.make_symlink(f"{site.top}/l", target)
        else:
            with pytest.raises(errors.Unsupported):
                await cluster.make_symlink(f"{site.top}/l", target)

    site.run(use)
    if site.version == "1":
        assert (site.real / "l").readlink() == Path(target)


@pytest.mark.parametrize("site", ["2"], indirect=True)
def test_a_symlink_is_not_left_inside_of_a_directory(site: Site) -> None:
    (site.real / "d").mkdir()
    with pytest.raises(errors.AlreadyExists):
        site.run(lambda cluster: cluster.make_symlink(f"{site.top}/d", f"{site.top}/f"))
    assert list((site.real / "d").iterdir()) == []


@pytest.mark.parametrize(
    ("method", "arguments", "meant"),
    [
        ("stat", ["nope"], errors.NotFound),
        ("stat", ["f/below"], errors.NotADirectory),
        ("stat", ["loop/x"], errors.TooManySymlinks),
        ("stat", ["n" * 256], errors.NameTooLong),
        ("read_direct", ["nope"], errors.NotFound),
        ("read_direct", ["d"], errors.IsADirectory),
        ("write_direct", ["nope/f", b"x"], errors.NotFound),
        ("write_direct", ["d", b"x"], errors.IsADirectory),
        ("make_directory", ["d"], errors.AlreadyExists),
        ("make_directory", ["f"], errors.AlreadyExists),
        ("make_directory", ["nope/d"], errors.NotFound),
        ("remove", ["nope"], errors.NotFound),
        ("chmod", ["nope", 0o600], errors.NotFound),
        ("checksum", ["d"], errors.IsADirectory),
        ("list_directory", ["locked"], errors.PermissionDenied),
        ("rename", ["nope", "x"], errors.NotFound),
        ("rename", ["f", "d"], errors.AlreadyExists),
    ],
)
def test_refusals_have_their_error(
    site: Site, method: str, arguments: list[Any], meant: type[errors.ClusterError]
) -> None:
    (site.real / "f").write_bytes(b"x")
    (site.real / "d").mkdir()
    (site.real / "d" / "e").touch()
    (site.real / "loop").symlink_to("loop")
    (site.real / "locked").mkdir(mode=0o000)
    paths = [f"{site.top}/{value}" if isinstance(value, str) else value for value in arguments]
    with pytest.raises(meant):
        site.run(lambda cluster: getattr(cluster, method)(*paths))


def test_chown_to_ones_own_group_is_taken_and_to_a_stranger_refused(site: Site) -> None:
    (site.real / "f").touch()

    async def use(cluster: Cluster) -> None:
        await cluster.chown(f"{site.top}/f", None, "users")
        await cluster.chown(f"{site.top}/f", None, None)
        with pytest.raises(errors.Refused):
            await cluster.chown(f"{site.top}/f", "root", None)

    site.run(use)


# -- names ---------------------------------------------------------------------------------------

ODD_NAMES = [
    "a b",
    "-dash",
    "$HOME",
    "*",
    "日本",
    "é",
    " lead",
    "trail ",
    "a,b",
    "%41",
    "~",
    "#",
    "a+b",
    "=",
    "[x]{y}",
]
ODD_ON_V2 = ["it's", '"', "back\\slash", "a&b", "(", "`id`", "a  b", "''", "<", "|;"]


@pytest.mark.parametrize("name", ODD_NAMES + ODD_ON_V2)
def test_an_odd_name_is_the_same_everywhere_or_refused_before_anything_is_sent(site: Site, name: str) -> None:
    path = f"{site.top}/{name}"

    async def use(cluster: Cluster) -> None:
        try:
            cluster.check_name(path)
        except errors.InvalidName:
            assert site.version == "1"
            before = sum(cluster.calls.values())
            for call in (cluster.stat, cluster.make_directory, cluster.remove, cluster.read_direct):
                with pytest.raises(errors.InvalidName):
                    await call(path)
            assert sum(cluster.calls.values()) == before
            return
        await cluster.make_directory(path)
        await cluster.write_direct(f"{path}/{name}", b"content")
        assert (site.real / name / name).read_bytes() == b"content"
        assert await cluster.read_direct(f"{path}/{name}") == b"content"
        assert (await cluster.stat(f"{path}/{name}")).size == 7
        assert names(await cluster.list_directory(path)) == {name}
        await cluster.remove(f"{path}/{name}")
        assert await cluster.list_directory(path) == []

    site.run(use)
    if site.version == "2":
        assert (site.real / name).is_dir()


def test_a_name_that_is_not_utf8_is_listed_but_not_sent(site: Site) -> None:
    os.close(os.open(os.fsencode(site.real) + b"/latin\xe9", os.O_CREAT))

    async def use(cluster: Cluster) -> None:
        assert names(await cluster.list_directory(site.top)) == {"latin\\351"}
        with pytest.raises(errors.InvalidName):
            await cluster.stat(f"{site.top}/latin\udce9")

    site.run(use)


def test_names_are_decoded_in_the_c_locale_and_marked(site: Site) -> None:
    (site.real / "é日").touch()

    async def use(cluster: Cluster) -> None:
        (entry,) = await cluster.list_directory(site.top)
        assert (entry.name, entry.exact) == ("é日", False)

    site.run(use)


# -- archives ------------------------------------------------------------------------------------


def test_an_archive_is_unpacked_with_all_that_the_api_cannot_do(site: Site, tmp_path: Path) -> None:
    archive = tmp_path / "a.tar.gz"
    with tarfile.open(archive, "w:gz", format=tarfile.PAX_FORMAT) as tar:
        for name, content in (("empty", b""), ("it's  odd", b"x")):
            member = tarfile.TarInfo(name)
            member.size, member.mtime, member.mode = len(content), 1_600_000_000, 0o600
            tar.addfile(member, io.BytesIO(content))
        link = tarfile.TarInfo("rel")
        link.type, link.linkname = tarfile.SYMTYPE, "../somewhere"
        tar.addfile(link)

    site.run(lambda cluster: cluster.unpack(archive, site.top))
    assert (site.real / "empty").stat().st_mtime == 1_600_000_000
    assert (site.real / "it's  odd").read_bytes() == b"x"
    assert (site.real / "rel").readlink() == Path("../somewhere")
    assert_no_temporaries(site)


def test_a_directory_is_packed(site: Site, tmp_path: Path) -> None:
    (site.real / "d" / "e").mkdir(parents=True)
    (site.real / "d" / "e" / "f").write_bytes(b"123")
    archive = tmp_path / "a.tar.gz"
    site.run(lambda cluster: cluster.pack(f"{site.top}/d", archive))
    with tarfile.open(archive) as tar:
        member = tar.extractfile("d/e/f")
        assert member is not None
        assert member.read() == b"123"
    assert_no_temporaries(site)


def test_an_archive_takes_three_calls_once_its_place_is_known(site: Site, tmp_path: Path) -> None:
    archive = tmp_path / "a.tar.gz"
    with tarfile.open(archive, "w:gz"):
        pass

    async def main(cluster: Cluster) -> int:
        await cluster.unpack(archive, site.top)
        site.sandbox.reset_calls()
        await cluster.unpack(archive, site.top)
        return sum(site.sandbox.calls().values())

    assert site.run(main) == 3


@pytest.mark.parametrize(("mode", "calls"), [(0o700, 3), (0o755, 5)])
def test_the_place_of_archives_need_not_be_asked_for_where_a_listing_showed_it(
    site: Site, tmp_path: Path, mode: int, calls: int
) -> None:
    archive = tmp_path / "a.tar.gz"
    with tarfile.open(archive, "w:gz"):
        pass
    scratch = site.sandbox.home / ".f7tfs"
    scratch.mkdir(exist_ok=True)
    scratch.chmod(mode)

    async def main(cluster: Cluster) -> int:
        await cluster.identity()
        await cluster.list_directory(site.sandbox.info.home)
        site.sandbox.reset_calls()
        await cluster.unpack(archive, site.top)
        return sum(site.sandbox.calls().values())

    assert site.run(main) == calls
    assert scratch.stat().st_mode & 0o777 == 0o700


def test_the_place_of_archives_is_made_anew_where_a_listing_showed_that_it_is_gone(
    site: Site, tmp_path: Path
) -> None:
    async def main(cluster: Cluster) -> None:
        await cluster.pack(site.top, tmp_path / "first")
        (site.sandbox.home / ".f7tfs").rmdir()
        await cluster.list_directory(site.sandbox.info.home)
        await cluster.pack(site.top, tmp_path / "second")

    site.run(main)
    assert_no_temporaries(site)


def test_packing_what_is_not_there_fails_and_leaves_nothing(site: Site, tmp_path: Path) -> None:
    with pytest.raises(errors.NotFound):
        site.run(lambda cluster: cluster.pack(f"{site.top}/nope", tmp_path / "a"))
    assert_no_temporaries(site)


def assert_no_temporaries(site: Site) -> None:
    scratch = site.sandbox.home / ".f7tfs"
    assert scratch.stat().st_mode & 0o777 == 0o700
    assert list(scratch.iterdir()) == []
