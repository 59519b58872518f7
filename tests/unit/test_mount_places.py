"""Mount points, the kernel's table of mounts, and where a mount's files lie on the local disk."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from f7tfs.mount import mountpoint as module
from f7tfs.mount.address import bind
from f7tfs.mount.ask import is_listening
from f7tfs.mount.errors import MountError
from f7tfs.mount.mountinfo import mount_at, mount_of, parse_mountinfo
from f7tfs.mount.mountpoint import find_mountpoint, prepare_mountpoint, require_fuse
from f7tfs.mount.runtime import absolute, key_of, private_directory
from f7tfs.mount.state import Origin, locked_state, state_directory

MOUNTINFO = """\
23 28 0:22 / /sys rw,nosuid shared:7 - sysfs sysfs rw
28 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
90 28 0:50 / /home/me/my\\040cluster rw,nosuid - fuse.f7tfs daint:/scratch/a\\040b rw,user_id=1000,group_id=100
91 28 0:51 / /home/me/c rw - fuse.sshfs host: rw,user_id=1000,group_id=100
92 90 0:52 / /home/me/my\\040cluster/sub rw master:1 propagate_from:2 - fuse.f7tfs daint:/x rw,user_id=0
"""


def test_the_table_of_mounts_is_read() -> None:
    table = parse_mountinfo(MOUNTINFO)
    assert [str(each.mountpoint) for each in table][2:] == [
        "/home/me/my cluster",
        "/home/me/c",
        "/home/me/my cluster/sub",
    ]
    assert [each.is_ours for each in table] == [False, False, True, False, True]
    assert (table[2].source, table[2].owner, table[1].owner) == ("daint:/scratch/a b", 1000, None)
    assert [each.device for each in table[2:]] == ["0:50", "0:51", "0:52"]


def test_a_path_belongs_to_the_innermost_mount_of_ours() -> None:
    table = parse_mountinfo(MOUNTINFO)
    inner = mount_of(Path("/home/me/my cluster/sub/x"), table)
    outer = mount_of(Path("/home/me/my cluster/subway"), table)
    assert inner is not None
    assert outer is not None
    assert (inner.source, outer.source) == ("daint:/x", "daint:/scratch/a b")
    assert mount_of(Path("/home/me/c/x"), table) is None
    assert mount_at(Path("/home/me"), table) is None


@pytest.fixture(autouse=True)
def _state_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def test_an_empty_directory_is_a_mount_point(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "link").symlink_to("m")
    assert prepare_mountpoint(tmp_path / "m") == tmp_path / "m"
    assert prepare_mountpoint(tmp_path / "link") == tmp_path / "m"
    assert find_mountpoint(tmp_path / "link") == tmp_path / "m"


def test_what_is_no_mount_point_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").touch()
    for place, message in (("absent", "no such directory"), ("file", "not a directory"), ("full", "not empty")):
        with pytest.raises(MountError, match=message):
            prepare_mountpoint(tmp_path / place)
    with pytest.raises(MountError, match="busy: proc"):
        prepare_mountpoint(Path("/proc"))


def test_no_fuse_device_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_DEVICE", tmp_path / "fuse")
    with pytest.raises(MountError, match=r"no FUSE: .*fuse is missing"):
        require_fuse(allow_other=False)


def test_an_ordinary_user_needs_fusermount3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_DEVICE", Path("/dev/null"))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MountError, match="fusermount3 is missing"):
        require_fuse(allow_other=False)
    (tmp_path / "fusermount3").touch(0o755)
    require_fuse(allow_other=False)


@pytest.mark.parametrize(
    ("text", "allowed"), [("user_allow_other\n", True), ("#user_allow_other\n", False), ("mount_max = 5\n", False)]
)
def test_allow_other_needs_roots_leave(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, *, allowed: bool
) -> None:
    (tmp_path / "fusermount3").touch(0o755)
    (tmp_path / "fuse.conf").write_text(text)
    monkeypatch.setattr(module, "_DEVICE", Path("/dev/null"))
    monkeypatch.setattr(module, "_FUSE_CONFIGURATION", tmp_path / "fuse.conf")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("PATH", str(tmp_path))
    if allowed:
        require_fuse(allow_other=True)
    else:
        with pytest.raises(MountError, match="user_allow_other"):
            require_fuse(allow_other=True)


def test_a_mount_point_is_named_as_the_kernel_names_it(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert absolute(tmp_path / "link" / "." / "m") == tmp_path / "real" / "m"


def test_keys_are_file_names_that_do_not_clash() -> None:
    keys = {key_of(Path(text)) for text in ("/a/m", "/b/m", "/a/m n", "/a/m-n", "/", "/\udcff")}
    assert len(keys) == 6
    assert all("/" not in key and len(key) < 40 for key in keys)


def test_a_private_directory_is_made_private_and_anothers_is_refused(tmp_path: Path) -> None:
    made = private_directory(tmp_path / "a" / "b")
    made.chmod(0o755)
    assert stat.S_IMODE(private_directory(made).stat().st_mode) == 0o700
    (tmp_path / "link").symlink_to(made)
    with pytest.raises(MountError):
        private_directory(tmp_path / "link")


def test_a_socket_may_lie_at_any_depth(tmp_path: Path) -> None:
    directory = tmp_path / ("x" * 100) / ("y" * 100)
    directory.mkdir(parents=True)
    address = directory / "socket"
    assert not is_listening(address)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listening:
        bind(listening, address)
        assert not is_listening(address)
        listening.listen(1)
        assert is_listening(address)
    assert not is_listening(address)


ORIGIN = Origin("https://api.example.org", "daint", "me", "/scratch/me")


def test_a_state_directory_belongs_to_what_is_mounted() -> None:
    base = Path("/state")
    same = state_directory(base, Origin("https://API.example.org/", "Daint", "me", "/scratch/me"))
    others = [
        Origin("https://other.example.org", "daint", "me", "/scratch/me"),
        Origin("https://api.example.org", "eiger", "me", "/scratch/me"),
        Origin("https://api.example.org", "daint", "you", "/scratch/me"),
        Origin("https://api.example.org", "daint", "me", "/scratch"),
    ]
    directory = state_directory(base, ORIGIN)
    assert same == directory
    assert len({state_directory(base, other) for other in (*others, ORIGIN)}) == 5
    assert directory.name.startswith("daint-scratch-me-")


def test_two_daemons_never_share_a_journal(tmp_path: Path) -> None:
    with locked_state(tmp_path / "s", ORIGIN, Path("/mnt/one")) as directory:
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700
        message = rf"mounted already.*process {os.getpid()}, /mnt/one"
        with pytest.raises(MountError, match=message), locked_state(tmp_path / "s", ORIGIN, Path("/mnt/two")):
            pass
    with locked_state(tmp_path / "s", ORIGIN, Path("/mnt/two")) as again:
        assert again == directory
