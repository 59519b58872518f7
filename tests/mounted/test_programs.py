"""The programs that people use: editors, rsync, git, tar."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import time
from pathlib import Path

import pytest

from tests.mounted.conftest import PATIENCE, Mount, wait_until

pytestmark = pytest.mark.usefixtures("quiet_log")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small local tree with all sorts of things in it."""
    root = tmp_path / "tree"
    (root / "src/deep").mkdir(parents=True)
    for index in range(12):
        (root / f"src/file{index}.txt").write_text(f"content {index}\n" * (index + 1))
        os.utime(root / f"src/file{index}.txt", (1_600_000_000 + index, 1_600_000_000 + index))
    (root / "src/deep/run.sh").write_text("#!/bin/sh\necho hello\n")
    (root / "src/deep/run.sh").chmod(0o755)
    (root / "src/empty").touch()
    (root / "link").symlink_to("src/file1.txt")
    (root / "with space").write_text("x")
    return root


def contents(root: Path) -> dict[str, object]:
    """What a tree holds: targets of links, bytes of files, None for directories."""
    found: dict[str, object] = {}
    for path in root.rglob("*"):
        name = str(path.relative_to(root))
        if path.is_symlink():
            found[name] = os.readlink(path)
        else:
            found[name] = path.read_bytes() if path.is_file() else None
    return found


def test_cp_r_in_and_out(mount: Mount, tree: Path, tmp_path: Path) -> None:
    mount.run("cp", "-a", str(tree), "copy")
    assert contents(mount.remote / "copy") == contents(tree)
    mount.run("cp", "-a", "copy", str(tmp_path / "back"))
    assert contents(tmp_path / "back") == contents(tree)


def test_rsync_copies_in_once(mount: Mount, tree: Path) -> None:
    first = mount.run("rsync", "-a", "--itemize-changes", f"{tree}/", "copy/")
    assert "src/file3.txt" in first
    assert contents(mount.remote / "copy") == contents(tree)
    assert (mount.path / "copy/src/file3.txt").stat().st_mtime == 1_600_000_003
    assert (mount.remote / "copy/src/deep/run.sh").stat().st_mode & 0o777 == 0o755
    again = mount.run("rsync", "-a", "--itemize-changes", f"{tree}/", "copy/")
    assert again == "", "the second run found something to do"


def test_rsync_copies_out(mount: Mount, tree: Path, tmp_path: Path) -> None:
    mount.run("cp", "-a", str(tree), "copy")
    mount.run("rsync", "-a", "copy/", f"{tmp_path}/out/")
    assert contents(tmp_path / "out") == contents(tree)


def test_rsync_replaces_what_changed_and_deletes_what_is_gone(mount: Mount, tree: Path) -> None:
    mount.run("rsync", "-a", f"{tree}/", "copy/")
    (tree / "src/file3.txt").write_text("changed\n")
    (tree / "src/file4.txt").unlink()
    mount.run("rsync", "-a", "--delete", f"{tree}/", "copy/")
    assert contents(mount.remote / "copy") == contents(tree)


def test_tar_unpacks_into_the_mount(mount: Mount, tree: Path, tmp_path: Path) -> None:
    archive = tmp_path / "tree.tar"
    subprocess.run(["tar", "-C", str(tree), "-cf", str(archive), "."], check=True)
    mount.run("mkdir", "unpacked")
    mount.run("tar", "-C", "unpacked", "-xf", str(archive))
    assert contents(mount.remote / "unpacked") == contents(tree)
    assert (mount.path / "unpacked/src/file3.txt").stat().st_mtime == 1_600_000_003


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A git repository with two commits."""
    root = tmp_path / "repository"
    script = f"""
        git init -q -b main {root}; cd {root}
        git config user.email someone@example.org; git config user.name Someone
        for i in 1 2 3 4 5 6; do echo "line $i" > "file$i"; done; mkdir sub; echo deep > sub/deep
        git add .; git commit -qm one; echo more >> file1; git commit -qam two
    """
    subprocess.run(["bash", "-euc", script], check=True)
    return root


def test_git_clones_into_the_mount_and_works_there(mount: Mount, repository: Path) -> None:
    mount.run("git", "clone", "-q", "--no-hardlinks", str(repository), "clone", timeout=120)
    clone = mount.inside(mount.path / "clone")
    assert clone.run("git", "status", "--porcelain") == ""
    assert clone.run("git", "fsck", "--no-progress") == ""
    clone.sh(
        """
        git config user.email someone@example.org; git config user.name Someone
        echo changed > file2; git add file2; git commit -qm three; git mv file3 file33; git commit -qm four
    """,
        timeout=120,
    )
    assert clone.run("git", "log", "--format=%s").split() == ["four", "three", "two", "one"]
    assert clone.run("git", "status", "--porcelain") == ""
    on_cluster = subprocess.run(
        ["git", "-c", "safe.directory=*", "-C", str(clone.remote), "fsck", "--no-progress"], check=False
    )
    assert on_cluster.returncode == 0
    assert (clone.remote / "file33").read_text() == "line 3\n"


def test_sed_edits_in_place(mount: Mount) -> None:
    mount.sh("printf 'a\\nb\\n' > f; chmod 640 f; sed -i s/a/A/ f")
    assert (mount.remote / "f").read_text() == "A\nb\n"
    assert (mount.remote / "f").stat().st_mode & 0o777 == 0o640
    assert [p.name for p in mount.remote.iterdir()] == ["f"]


def vim(mount: Mount, *commands: str) -> None:
    """Run vim's commands on notes.txt."""
    mount.run("vim", "-es", "-u", "NONE", *(word for command in commands for word in ("-c", command)), "notes.txt")


def test_vim_edits_and_saves(mount: Mount) -> None:
    mount.sh("printf 'one\\ntwo\\n' > notes.txt")
    vim(mount, "set backup writebackup backupskip=", "%s/two/2/", "wq")
    assert (mount.remote / "notes.txt").read_text() == "one\n2\n"
    assert (mount.path / "notes.txt~").read_text() == "one\ntwo\n"
    wait_until((mount.remote / "notes.txt~").exists, 10)
    vim(mount, "set writebackup backupskip=", "%s/one/1/", "w", "%s/2/zwei/", "wq")
    assert (mount.remote / "notes.txt").read_text() == "1\nzwei\n"
    assert not [p.name for p in mount.remote.iterdir() if p.name.startswith(".")], "a swap file was left"


def test_nano_edits_and_saves(mount: Mount) -> None:
    mount.sh("echo old > notes.txt")
    type_into(mount, ["nano", "--ignorercfiles", "notes.txt"], [b"new ", b"\x0f", b"\r", b"\x18"])
    assert (mount.remote / "notes.txt").read_text() == "new old\n"


def type_into(mount: Mount, command: list[str], keys: list[bytes]) -> None:
    """Run a full-screen program and type into it, each key when it has become quiet."""
    parent, child = pty.openpty()
    process = subprocess.Popen(
        command, cwd=mount.path, env={**mount.env(), "TERM": "xterm"}, stdin=child, stdout=child, stderr=child
    )
    os.close(child)
    try:
        for key in keys:
            drain(parent)
            os.write(parent, key)
        deadline = time.monotonic() + PATIENCE
        while process.poll() is None and time.monotonic() < deadline:
            drain(parent)
        assert process.returncode == 0
    finally:
        process.kill()
        process.wait()
        os.close(parent)


def drain(descriptor: int, quiet: float = 0.5) -> None:
    """Read until nothing has come for a while."""
    while select.select([descriptor], [], [], quiet)[0]:
        try:
            os.read(descriptor, 65536)
        except OSError:
            return


def test_tail_f_follows_a_file_that_grows_on_the_cluster(mount: Mount) -> None:
    (mount.remote / "log").write_text("first\n")
    mount.f7tfs("refresh", str(mount.path))
    with subprocess.Popen(
        ["tail", "-n", "+1", "-s", "0.2", "-f", "log"], cwd=mount.path, stdout=subprocess.PIPE, text=True
    ) as tail:
        assert tail.stdout is not None
        try:
            assert tail.stdout.readline() == "first\n"
            with (mount.remote / "log").open("a") as log:
                log.write("second\n")
            assert select.select([tail.stdout], [], [], 20)[0], "the new line did not come"
            assert tail.stdout.readline() == "second\n"
        finally:
            tail.kill()


def test_python_imports_a_package_from_the_mount(mount: Mount) -> None:
    package = mount.remote / "package"
    package.mkdir()
    for index in range(5):
        (package / f"m{index}.py").write_text(f"value = {index}\n")
    (package / "__init__.py").write_text("from package import m0, m1, m2, m3, m4\ntotal = m4.value + m3.value\n")
    mount.f7tfs("refresh", str(mount.path))
    assert mount.run("python3", "-c", "import package; print(package.total)") == "7\n"
