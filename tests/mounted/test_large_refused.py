"""v1: what is larger than the site takes in one upload is refused while it is written, kept here, and never sent."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.mounted.conftest import Mount

MIB = 2**20
LARGEST = 16 * MIB


def refusal(action: Callable[[], object]) -> int | None:
    """The errno that an action ends with."""
    try:
        action()
    except OSError as error:
        return error.errno
    return None


@pytest.mark.timeout(600)
def test_a_file_that_is_larger_than_the_site_takes_is_refused_kept_and_not_sent(
    new_mount: Callable[..., Mount], tmp_path: Path
) -> None:
    mount = new_mount("v1", settings={"max_form_size": LARGEST})
    with (mount.remote / "larger").open("wb") as there:
        there.truncate(2 * LARGEST)
    mount.mount()
    with (tmp_path / "run.h5").open("wb") as local:
        local.truncate(4 * LARGEST)
    mount.sandbox.reset_calls()
    told = mount.attempt("cp", "--sparse=never", str(tmp_path / "run.h5"), "run.h5")
    assert told.returncode == 1
    assert os.strerror(errno.EFBIG) in told.stderr
    # It was not copied to its end before that was told.
    assert LARGEST < (mount.path / "run.h5").stat().st_size < 2 * LARGEST
    status = mount.f7tfs("status", str(mount.path)).stdout
    assert "1 change" in status
    assert f"more than the {LARGEST} that this site takes in one upload" in status
    # A copy that says at first how long it will be is refused at once.
    assert mount.attempt("truncate", "-s", str(LARGEST + 1), "hole.h5").returncode == 1
    # What the cluster has and is larger is not fetched to be written.
    assert refusal(lambda: os.truncate(mount.path / "larger", 3 * LARGEST)) == errno.EFBIG
    with (mount.path / "larger").open("r+b", buffering=0) as file:
        assert refusal(lambda: file.write(b"more")) == errno.EFBIG
    assert not any("xfer-external" in call for call in mount.sandbox.calls())
    # Made shorter, it is sent.
    os.truncate(mount.path / "run.h5", MIB)
    assert mount.f7tfs("sync", str(mount.path)).returncode == 0
    assert (mount.remote / "run.h5").stat().st_size == MIB
    assert mount.umount().returncode == 0
