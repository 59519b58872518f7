"""What is mounted: a directory, the user's own one, or the made-up root above all file systems."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from tests.mounted.conftest import APIS, Mount, wait_until


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


@pytest.fixture(params=[("v2", "v1"), ("v1", "v2")], ids="-".join)
def overlapping(request: pytest.FixtureRequest, new_mount: Callable[..., Mount]) -> Iterator[tuple[Mount, Mount]]:
    """The home, and in the same account of this machine the directory above it."""
    below_api, above_api = request.param
    below = new_mount(below_api, "--attribute-timeout", "0.5", "--write-mode", "async")
    above = replace(below, path=below.state / "above", api=above_api, source="cluster:/home")
    above.path.mkdir()
    below.mount()
    above.mount()
    yield below, above
    above.abandon()


def test_mounts_that_overlap_see_and_keep_what_the_other_wrote(overlapping: tuple[Mount, Mount]) -> None:
    below, above = overlapping
    (below.path / "f").write_text("one")
    assert below.f7tfs("sync", str(below.path)).returncode == 0
    wait_until(lambda: (above.path / "user/f").exists() and (above.path / "user/f").read_text() == "one")
    # One of them has begun before the other's change is there.
    with (above.path / "user/f").open("w") as file:
        (below.path / "f").write_text("from below")
        assert below.f7tfs("sync", str(below.path)).returncode == 0
        # Within the attribute time-out, what was seen is believed.
        time.sleep(2)
        file.write("and from above")
    assert above.f7tfs("sync", str(above.path)).returncode == 0
    kept = [path.read_text() for path in below.remote.glob("f*")]
    assert sorted(kept) == ["and from above", "from below"]
    assert len(list(below.remote.glob("f.conflict-*"))) == 1
