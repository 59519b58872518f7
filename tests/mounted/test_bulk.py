"""Walks and bulk reads: what they cost, and that nothing wrong is shown for it."""

from __future__ import annotations

import compileall
import os
import py_compile
import random
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from f7tfs.vfs.walker import GUESS_SECONDS
from tests.mounted.conftest import APIS, Mount, wait_until

OLD = 1_600_000_000


def plant(mount: Mount, *, width: int = 5, files: int = 9) -> Path:
    """A tree two levels deep, whose times are old enough to be believed. Returns its place on the cluster."""
    top = mount.remote / "tree"
    for one in range(width):
        for two in range(width):
            directory = top / f"d{one}" / f"e{two}"
            directory.mkdir(parents=True)
            for index in range(files):
                (directory / f"f{index}").write_text(f"{one} {two} {index}\n" * 20)
    for path in [*top.rglob("*"), top]:
        os.utime(path, (OLD, OLD))
    return top


def forget(mount: Mount) -> None:
    mount.f7tfs("refresh", str(mount.path))
    mount.run("ls")
    mount.sandbox.reset_calls()


def names(top: Path) -> list[str]:
    return sorted(str(path.relative_to(top)) for path in top.rglob("*"))


def test_find_costs_a_few_calls_whatever_the_number_of_directories(mount: Mount) -> None:
    top = plant(mount)
    forget(mount)
    found = mount.run("find", "tree", "-mindepth", "1", "-printf", "%P\n").splitlines()
    assert sorted(found) == names(top)
    # The top, its first directory, the first in that; then the second there, all of the first, all.
    assert mount.calls() <= 8
    mount.sandbox.reset_calls()
    mount.run("find", "tree", "-ls")
    assert mount.calls() <= 2


def test_cp_r_out_costs_a_few_calls_whatever_the_number_of_files(mount: Mount, tmp_path: Path) -> None:
    top = plant(mount)
    forget(mount)
    mount.run("cp", "-r", "tree", str(tmp_path / "out"))
    calls = mount.sandbox.calls()
    assert mount.run("diff", "-r", str(top), str(tmp_path / "out")) == ""
    # Listings; three files by themselves and an archive for the first directory, for the ones above, and for all.
    assert sum(calls.values()) <= 30, calls
    mount.sandbox.reset_calls()
    mount.run("grep", "-r", "1 2 3", "tree")
    assert mount.calls() <= 2, "what is here was fetched again"


def test_tar_of_a_flat_directory_is_a_listing_and_an_archive(mount: Mount) -> None:
    (mount.remote / "flat").mkdir()
    for index in range(200):
        (mount.remote / "flat" / f"f{index:03}").write_text(f"{index}\n")
        os.utime(mount.remote / "flat" / f"f{index:03}", (OLD, OLD))
    forget(mount)
    mount.sh("tar cf - flat | md5sum > /dev/null")
    assert mount.calls() <= 8
    assert mount.run("cat", "flat/f150") == "150\n"


def test_an_import_lists_a_package_whole_and_brings_its_bytecode(mount: Mount) -> None:
    top = mount.remote / "site" / "package"
    for package in (top, top / "sub"):
        package.mkdir(parents=True)
        for index in range(20):
            (package / f"m{index:02}.py").write_text(f"number = {index}\n" * 5)
        imports = "".join(f"from . import m{index:02}\n" for index in random.Random(7).sample(range(20), 20))
        (package / "__init__.py").write_text(imports + ("from . import sub\n" if package is top else ""))
    compileall.compile_dir(top, quiet=1, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
    for path in [*top.rglob("*"), top]:
        os.utime(path, (OLD, OLD))
    forget(mount)
    code = (
        "import package; print(sum(getattr(package.sub, name).number for name in dir(package.sub) if name[0] == 'm'))"
    )
    assert mount.sh(f'PYTHONPATH=site PYTHONDONTWRITEBYTECODE=1 "{sys.executable}" -S -c "{code}"') == "190\n"
    calls = mount.sandbox.calls()
    # The package, all of it; for each directory of bytecode three files by themselves and an archive, whose place is
    # made once.
    assert sum(calls.values()) <= 3 + 2 * 6 + 3, calls


def test_one_file_brings_no_other(mount: Mount) -> None:
    top = plant(mount, width=2)
    forget(mount)
    assert mount.run("cat", "tree/d0/e0/f3") == (top / "d0/e0/f3").read_text()
    assert not [route for route in mount.sandbox.calls() if "compress" in route]


def test_one_file_costs_what_it_would_without_all_this(mount: Mount) -> None:
    top = plant(mount, width=2)
    forget(mount)
    for name in ("f3", "f7"):
        mount.run("ls", "tree/d0/e0")
        mount.sandbox.reset_calls()
        assert mount.run("cat", f"tree/d0/e0/{name}") == (top / "d0/e0" / name).read_text()
        assert mount.calls() == 1, mount.sandbox.calls()


def test_reading_at_random_fetches_no_more_than_twice_what_was_read(own: Mount) -> None:
    """In a fixed order that is none of those in which programs read; what came here lies in the content cache."""
    size, names = 20_000, [f"f{index:02}" for index in range(60)]
    (own.remote / "flat").mkdir()
    for name in names:
        (own.remote / "flat" / name).write_bytes(os.urandom(size))
        os.utime(own.remote / "flat" / name, (OLD, OLD))
    own.mount()
    own.run("ls", "-l", "flat")
    random.Random(7).shuffle(names)
    for read, name in enumerate(names[:40], start=1):
        assert (own.path / "flat" / name).read_bytes() == (own.remote / "flat" / name).read_bytes()
        fetched = sum(each.stat().st_blocks for each in own.state.rglob("content/**/*") if each.is_file()) * 512
        # Of an archive more may come than of files read one by one, but for whole blocks of the disk.
        assert size * read <= fetched <= 2 * 20_480 * read


def test_what_changed_after_the_listing_is_not_taken_from_an_archive(mount: Mount) -> None:
    top = plant(mount, width=1, files=40)
    forget(mount)
    mount.run("ls", "-R", "tree")
    changed = top / "d0/e0/f35"
    changed.write_text("changed by somebody else, and of another length\n")
    mount.sh("cat tree/d0/e0/f[0-9] tree/d0/e0/f1[0-9] > /dev/null")
    assert mount.run("cat", "tree/d0/e0/f35") == changed.read_text()
    assert mount.run("cat", "tree/d0/e0/f36") == (top / "d0/e0/f36").read_text()


def test_a_tree_of_awkward_things_is_read_whole(mount: Mount, tmp_path: Path) -> None:
    top = plant(mount, width=2, files=6)
    (top / "d0/e0/link").symlink_to("f1")
    (top / "d0/e0/dangling").symlink_to("nowhere")
    (top / "d0/e0/empty").touch()
    (top / "d0/e0/ü ö.txt").write_text("not ASCII\n")
    (top / "d0/e1/hard").hardlink_to(top / "d0/e1/f1")
    os.mkfifo(top / "d1/fifo")
    (top / "d1/large").write_bytes(os.urandom(300_000))
    forget(mount)
    mount.sh("cd tree; for d in d0/e0 d0/e1 d1/e0 d1/e1; do cat $d/f*; done > /dev/null")
    (top / "d1/fifo").unlink()
    mount.f7tfs("refresh", str(mount.path / "tree/d1"))
    mount.run("cp", "-a", "tree", str(tmp_path / "out"))
    shutil.copytree(top, tmp_path / "expected", symlinks=True)
    assert mount.run("diff", "-r", "--no-dereference", str(tmp_path / "expected"), str(tmp_path / "out")) == ""


def test_a_directory_that_nobody_may_read_does_not_hide_its_siblings(mount: Mount) -> None:
    top = plant(mount, width=4, files=1)
    (top / "d2/e1").chmod(0)
    (top / "d2/e1").rename(top / "d2/closed")
    forget(mount)
    mount.attempt("find", "tree")
    found = [line for line in mount.attempt("find", "tree", "-type", "f").stdout.splitlines() if "closed" not in line]
    (top / "d2/closed").chmod(0o755)
    assert len(found) == 15


@pytest.mark.parametrize("api", APIS)
def test_a_first_step_down_into_what_is_too_much_is_given_up_soon(new_mount: Callable[..., Mount], api: str) -> None:
    mount = new_mount(api)
    top = plant(mount, width=2, files=2)
    mount.mount()
    mount.sandbox.faults({"match": "recursive=", "delay": GUESS_SECONDS + 1, "count": None})
    found = mount.run("find", "tree", "-mindepth", "1", "-printf", "%P\n").splitlines()
    assert sorted(found) == names(top)
    assert f"{mount.sandbox.info.home}/tree is not listed as a whole" in mount.log()


@pytest.mark.parametrize("api", APIS)
def test_a_whole_home_is_walked_and_read(new_mount: Callable[..., Mount], api: str, tmp_path: Path) -> None:
    mount = new_mount(api)
    top = plant(mount, width=3, files=5)
    mount.mount()
    mount.run("cp", "-r", ".", str(tmp_path / "out"))
    assert mount.run("diff", "-r", str(top), str(tmp_path / "out/tree")) == ""
    assert not list(mount.remote.glob(".f7tfs/*.tar.gz")), "an archive was left behind"


@pytest.mark.parametrize("api", APIS)
def test_without_bulk_each_is_listed_and_read_by_itself(new_mount: Callable[..., Mount], api: str) -> None:
    mount = new_mount(api, "-o", "nobulk")
    plant(mount, width=3, files=5)
    mount.mount()
    mount.sandbox.reset_calls()
    mount.sh("cat $(find tree -type f) > /dev/null")
    assert mount.calls() >= 45 + 12
    assert not [route for route in mount.sandbox.calls() if "compress" in route]


@pytest.mark.parametrize("api", APIS)
def test_an_archive_that_fails_costs_nothing_but_its_calls(new_mount: Callable[..., Mount], api: str) -> None:
    mount = new_mount(api)
    top = plant(mount, width=1, files=30)
    mount.mount()
    mount.run("find", "tree")
    mount.sandbox.faults({"match": "compress", "status": 500, "count": None})
    mount.sh("cat tree/d0/e0/f* > all")
    wait_until((mount.remote / "all").exists)
    expected = "".join((top / "d0/e0" / name).read_text() for name in sorted(os.listdir(top / "d0/e0")))
    assert (mount.remote / "all").read_text() == expected
