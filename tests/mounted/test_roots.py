"""What is mounted: a directory, the user's own one, or the made-up root above all file systems."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from tests.mounted.conftest import APIS, Mount


@pytest.mark.parametrize("api", APIS)
def test_a_directory_of_a_system(new_mount: Callable[..., Mount], api: str) -> None:
    mount = new_mount(api, source="cluster:/scratch/user")
    mount.mount()
    (mount.path / "f").write_text("x")
    assert (mount.sandbox.real("/scratch/user/f")).read_text() == "x"


@pytest.mark.parametrize("api", APIS)
def test_the_made_up_root_holds_the_file_systems(new_mount: Callable[..., Mount], api: str) -> None:
    mount = new_mount(api, source="cluster:/")
    mount.mount()
    assert sorted(os.listdir(mount.path)) == ["home", "scratch"]
    (mount.path / "scratch/user/f").write_text("x")
    assert (mount.sandbox.real("/scratch/user/f")).read_text() == "x"
    assert os.listdir(mount.path / "home") == ["user"]
    with pytest.raises(PermissionError):
        (mount.path / "new").mkdir()


@pytest.mark.parametrize("api", APIS)
def test_a_read_only_mount_refuses_every_change(new_mount: Callable[..., Mount], api: str) -> None:
    mount = new_mount(api, "--read-only")
    (mount.remote / "f").write_text("x")
    mount.mount()
    assert (mount.path / "f").read_text() == "x"
    for change in ((mount.path / "f").unlink, (mount.path / "d").mkdir, (mount.path / "g").touch):
        with pytest.raises(OSError, match="Read-only"):
            change()


@pytest.mark.parametrize("api", APIS)
def test_a_path_that_is_not_there_is_told_in_one_line(new_mount: Callable[..., Mount], api: str) -> None:
    mount = new_mount(api, source="cluster:/home/user/nope")
    failed = mount.f7tfs("mount", mount.source, str(mount.path))
    assert failed.returncode != 0
    assert "/home/user/nope" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert len(failed.stderr.strip().splitlines()) <= 2
    assert not os.path.ismount(mount.path)
