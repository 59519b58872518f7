"""Nothing leads out of the sandbox's directory, and modes count even for a process that runs as root."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from f7tfs.sandbox.coreutils.transfer import Mover
from f7tfs.sandbox.root import Root


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Root]:
    (tmp_path / "root/home/u").mkdir(parents=True)
    (tmp_path / "outside").write_bytes(b"secret")
    made = Root(tmp_path / "root")
    yield made
    made.close()


def read(root: Root, path: str) -> bytes:
    fd = root.open_read(path)
    with os.fdopen(fd, "rb") as file:
        return file.read()


def home(root: Root) -> Path:
    return root.directory / "home/u"


@pytest.mark.parametrize(
    "path", ["/../outside", "/home/../../outside", "/home/u/../../../outside", "/home/u/up/outside"]
)
def test_dots_do_not_lead_out(root: Root, path: str) -> None:
    (home(root) / "up").symlink_to("../../..")
    with pytest.raises(FileNotFoundError):
        read(root, path)


def test_absolute_links_start_at_the_root(root: Root) -> None:
    (home(root) / "f").write_bytes(b"inside")
    (home(root) / "good").symlink_to("/home/u/f")
    (home(root) / "bad").symlink_to(root.directory.parent / "outside")
    assert read(root, "/home/u/good") == b"inside"
    with pytest.raises(FileNotFoundError):
        read(root, "/home/u/bad")


def test_writing_through_a_link_stays_inside(root: Root) -> None:
    (home(root) / "link").symlink_to("../../../outside")
    os.close(root.open_write("/home/u/link"))
    assert (root.directory / "outside").exists()
    assert (root.directory.parent / "outside").read_bytes() == b"secret"


def test_loops_end(root: Root) -> None:
    (home(root) / "a").symlink_to("b")
    (home(root) / "b").symlink_to("a")
    with pytest.raises(OSError, match="symbolic links") as caught:
        read(root, "/home/u/a")
    assert caught.value.errno == errno.ELOOP


def test_modes_of_the_owner_count(root: Root) -> None:
    (home(root) / "secret").write_bytes(b"x")
    (home(root) / "secret").chmod(0o200)
    (home(root) / "shut").mkdir(mode=0o600)
    (home(root) / "readonly").write_bytes(b"x")
    (home(root) / "readonly").chmod(0o444)
    with pytest.raises(PermissionError):
        read(root, "/home/u/secret")
    with pytest.raises(PermissionError), root.locate("/home/u/shut/x"):
        pass
    with pytest.raises(PermissionError):
        root.open_write("/home/u/readonly")


def test_long_names_are_refused(root: Root) -> None:
    with pytest.raises(OSError, match="too long"), root.locate("/home/" + "n" * 256):
        pass


def test_no_descriptor_is_left_open(root: Root) -> None:
    (home(root) / "d/e").mkdir(parents=True)
    (home(root) / "link").symlink_to("d/../d/e/..")
    before = set(os.listdir("/proc/self/fd"))
    for path in ("/home/u/d/e/none", "/home/u/link/e", "/home/u/none/x", "/", "/home/u/link/"):
        try:
            with root.locate(path, follow=True):
                pass
        except OSError:
            continue
    Mover(root).copy("/home/u/d", "/home/u/copy")
    Mover(root).move("/home/u/copy", "/home/u/moved")
    assert set(os.listdir("/proc/self/fd")) == before
    assert (home(root) / "moved/e").is_dir()
