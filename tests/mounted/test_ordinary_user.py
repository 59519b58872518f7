"""A mount by an ordinary user, through fusermount3."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.mounted.conftest import APIS, Mount
from tests.namespaces import as_user, with_fuse_for_all

# fusermount3 wants a user with a name.
NOBODY = pwd.getpwnam("nobody")
UID, GID = NOBODY.pw_uid, NOBODY.pw_gid


@pytest.fixture
def reachable_base() -> Iterator[Path]:
    """A directory that an ordinary user can reach: pytest's own are the running user's alone."""
    with tempfile.TemporaryDirectory(prefix="f7tfs-") as base:
        yield Path(base)


@pytest.fixture
def ordinary_user() -> Iterator[tuple[str, ...]]:
    """The prefix that runs a program as one, where one may use FUSE."""
    with with_fuse_for_all() as inside:
        yield (*inside, *as_user(UID, GID))


@pytest.mark.parametrize("api", APIS)
def test_an_ordinary_user_mounts_works_and_unmounts(
    reachable_base: Path, new_mount: Callable[..., Mount], ordinary_user: tuple[str, ...], api: str
) -> None:
    assert shutil.which("fusermount3"), "fusermount3 is not installed"
    mount = new_mount(api, prefix=ordinary_user, base=reachable_base)
    (mount.state / "run").mkdir(mode=0o700)
    for directory in (mount.state, mount.path, mount.state / "run"):
        if os.getuid() == 0:
            os.chown(directory, UID, GID)
        directory.chmod(0o700)
    mount.mount()
    # Nobody else gets in, not even root: so all of this runs as the user.
    mount.sh("echo hello > f; mkdir d; mv f d/g; cat d/g; ls -ln d > listing")
    assert (mount.remote / "d/g").read_text() == "hello\n"
    expected = f"{UID} {GID}" if os.getuid() == 0 else f"{os.getuid()} {os.getgid()}"
    assert expected in (mount.remote / "listing").read_text()
    mount.run("cp", sys.executable, "interpreter", timeout=120)
    done = mount.umount()
    assert done.returncode == 0, done.stderr
    mounts = subprocess.run([*ordinary_user, "findmnt", str(mount.path)], check=False, capture_output=True)
    assert mounts.returncode != 0, "it is still mounted"
