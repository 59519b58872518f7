"""Listings, modes, identities and limits from recorded and from hostile answers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from f7tfs.cluster import parsing, site_v1, site_v2
from f7tfs.cluster.errors import NoSuchSystem, Unsupported
from f7tfs.cluster.model import Entry, FileSystem, Kind
from f7tfs.firecrest.escapes import unescape
from tests.unit.recorded import body


def entries_v2(name: str) -> dict[str, Entry]:
    listed = parsing.entries_of(body("v2", name)["output"], "lastModified", "linkTarget")
    return {entry.name: entry for entry in listed}


def entries_v1(name: str) -> dict[str, Entry]:
    listed = parsing.entries_of(body("v1", name)["output"], "last_modified", "link_target")
    return {entry.name: entry for entry in listed}


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ("rwxr-xr-x", 0o755),
        ("rw-r--r--.", 0o644),
        ("rw-rw-r--+", 0o664),
        ("rwsr-sr-t", 0o7755),
        ("rwSr-Sr-T", 0o7644),
        ("rwxrwxrwt", 0o1777),
        ("---------", 0),
        ("", 0),
    ],
)
def test_permission_letters_are_mode_bits(text: str, mode: int) -> None:
    assert parsing.mode_of(text) == mode


@pytest.mark.parametrize(
    ("listed", "name", "exact"),
    [
        ("plain", "plain", True),
        ("h\\303\\251llo", "héllo", False),
        ("\\346\\227\\245\\346\\234\\254", "日本", False),
        ("latin1-\\351", "latin1-\\351", True),
        ("new\\nline", "new\\nline", True),
        ("\\001ctl", "\\001ctl", True),
        ("cut\\303", "cut\\303", True),
        ("back\\slash", "back\\slash", True),
        ("\\057", "\\057", True),  # an encoded slash stays what it is
    ],
)
def test_octal_escapes_are_undone_only_where_they_are_utf8(listed: str, name: str, exact: bool) -> None:
    assert unescape(listed) == (name, exact)


@given(st.text(alphabet=st.characters(min_codepoint=0x80, exclude_categories=["Cs"]), min_size=1))
def test_every_name_beyond_ascii_survives_the_escapes_of_ls(name: str) -> None:
    escaped = "".join(f"\\{byte:03o}" for byte in name.encode())
    assert unescape(escaped) == (name, False)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "nul\0"])
def test_a_listing_cannot_name_anything_outside_its_directory(name: str) -> None:
    item = {"name": name, "type": "-", "permissions": "rw-r--r--", "user": "u", "group": "g", "size": "1", "m": "t"}
    assert parsing.entries_of([item], "m", "l") == []


@pytest.mark.parametrize("name", ["../x", "a/../../x", "a//b", "/", "a/."])
def test_a_tree_cannot_name_anything_outside_either(name: str) -> None:
    item = {"name": name, "type": "-", "permissions": "rw-r--r--", "user": "u", "group": "g", "size": "1", "m": "t"}
    assert parsing.tree_of([item], "m", "l", "/top") == []


def test_a_broken_entry_does_not_break_its_listing() -> None:
    good = {"name": "a", "type": "-", "permissions": "rw-r--r--", "user": "u", "group": "g", "size": "1", "m": "t"}
    items = [good, "crw-r--r-- 1 root root 1, 3", {}, {**good, "size": "1, 3"}, {**good, "type": "?"}, None]
    assert [entry.name for entry in parsing.entries_of(items, "m", "l")] == ["a"]


def test_the_recorded_listing_of_v2() -> None:
    found = entries_v2("ls_hidden")
    assert found[".hidden"].size == 4
    assert found["dang"].kind is Kind.SYMLINK
    assert found["dang"].link_target == "nowhere"
    assert found["f"].modified == "2026-11-22T22:04:20"
    assert found["fifo"].kind is Kind.FIFO


def test_the_recorded_names_of_v2_in_both_locales() -> None:
    assert "héllo" in entries_v2("ls_utf8_locale")
    assert entries_v2("ls_utf8_locale")["héllo"].exact
    assert "latin1-\\351" in entries_v2("ls_utf8_locale")
    assert " lead" in entries_v2("ls_special_names")


def test_the_recorded_names_of_v1_are_the_same_in_both_locales() -> None:
    c = entries_v1("ls unicode names [C locale]")
    utf8 = entries_v1("ls unicode names [C.UTF-8 locale, TZ=Europe/Zurich]")
    assert set(c) == set(utf8)
    assert c["ln"].link_target == utf8["ln"].link_target == "é日"
    assert (c["é日"].exact, utf8["é日"].exact) == (False, True)


def test_device_nodes_alone_are_an_empty_directory_of_v1() -> None:
    assert entries_v1("ls only device nodes") == {}


def test_trees_have_relative_names_with_and_without_the_slash() -> None:
    plain = body("v1", "ls recursive")["output"]
    slash = body("v1", "ls recursive trailing slash")["output"]
    trees = [
        parsing.tree_of(items, "last_modified", "link_target", "/home/fireuser/x1/sub") for items in (plain, slash)
    ]
    assert trees[0] == trees[1]
    assert {entry.name for entry in trees[0]} >= {"deep", "s.txt", "deep/d.txt"}


def test_a_listing_of_a_file_is_known_as_such() -> None:
    assert parsing.lists_itself(body("v2", "ls_file")["output"], "/home/fireuser/x/dir/f")
    assert not parsing.lists_itself(body("v2", "ls_dir")["output"], "/home/fireuser/x/dir")


def test_recorded_stats() -> None:
    link = parsing.stat_of(body("v2", "stat_symlink")["output"])
    assert (link.kind, link.mode, link.uid, link.size) == (Kind.SYMLINK, 0o777, 4103, 1)
    assert parsing.stat_of(body("v2", "stat_neg")["output"]).mtime == -315619200
    assert parsing.stat_of(body("v1", "stat file")["output"]).mode == 0o755


def test_identity_has_all_groups_and_the_default_account_first() -> None:
    who = parsing.identity_of(body("v2", "userinfo"))
    assert (who.user, who.uid, who.gid, who.groups) == ("fireuser", 4103, 100, {100: "users"})
    assert who.accounts == ("users", "staff")


@pytest.mark.parametrize("buffer", [5 * 2**20, 1024, 1025, 1026, 1027, 1028])
def test_the_largest_direct_read_just_fits_as_base64(buffer: int) -> None:
    largest = parsing.direct_read_of(buffer)
    assert 4 * -(-largest // 3) < buffer <= 4 * -(-(largest + 1) // 3)


def test_the_measured_limits_of_v2() -> None:
    site = site_v2.site_of(body("v2", "status_systems")["systems"][0])
    assert (site.limits.direct_read, site.limits.direct_write) == (3_932_157, 5_242_880)
    assert site.file_systems == (FileSystem("/home", default_work_dir=True),)
    assert (site.needs_account, site.url_seconds) == (True, 604800.0)


@pytest.mark.parametrize(
    ("operation", "method"),
    [
        (None, "s3"),
        ({}, "s3"),
        ({"data_transfer": {}}, "s3"),
        ({"data_transfer": {"serviceType": "s3"}}, "s3"),
        ({"data_transfer": {"serviceType": "streamer"}}, "streamer"),
        ({"data_transfer": {"serviceType": "wormhole"}}, "wormhole"),
        ({"data_transfer": None}, "nothing"),
    ],
)
def test_a_large_file_is_refused_where_it_does_not_go_by_object_storage(operation: Any, method: str) -> None:
    site = site_v2.site_of({"name": "daint", "dataOperation": operation})
    assert site.method == method
    if method == "s3":
        site.check_method("/f")
    else:
        with pytest.raises(Unsupported, match=f"/f: daint moves large files by {method} only"):
            site.check_method("/f")


def test_the_largest_upload_of_v1_is_what_the_site_tells() -> None:
    told = body("v1", "status parameters")["out"]
    assert site_v1.site_of("cluster", told).limits.largest_write == 5120 * 2**20
    assert site_v1.site_of("cluster", {}).limits.largest_write is None


def test_systems_of_v2_are_found_in_any_case_and_named_when_missing() -> None:
    systems = body("v2", "status_systems")["systems"]
    assert site_v2.find_system(systems, "Cluster-SLURM-ssh")["name"] == "cluster-slurm-ssh"
    with pytest.raises(NoSuchSystem, match="cluster-slurm-ssh"):
        site_v2.find_system(systems, "daint")


def test_the_measured_limits_of_v1() -> None:
    site = site_v1.site_of("cluster", body("v1", "status parameters")["out"])
    assert site.limits.direct_read == 3_932_157
    assert 5_000_000 < site.limits.direct_write <= 5_242_633
    assert [system.path for system in site.file_systems] == ["/home", "/scratch"]
