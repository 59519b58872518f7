"""The options of a mount that are for large files: each does what it says."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable

import pytest

from tests.mounted.conftest import APIS, Mount

MIB = 2**20
SMALL = {"max_ops_file_size": 64 * 2**10}
"""Then what is above 2 MiB goes through object storage on v2 too."""


def checksums(mount: Mount) -> int:
    return sum(count for route, count in mount.sandbox.calls().items() if route.endswith("/checksum"))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("options", [(), ("-o", "verify")], ids=["sizes", "checksums"])
def test_verify_compares_the_checksum_on_the_cluster(
    new_mount: Callable[..., Mount], api: str, options: tuple[str, ...]
) -> None:
    mount = new_mount(api, *options, settings=SMALL)
    mount.mount()
    mount.sandbox.reset_calls()
    (mount.path / "result").write_bytes(os.urandom(3 * MIB))
    assert mount.f7tfs("sync", str(mount.path)).returncode == 0
    assert (mount.remote / "result").stat().st_size == 3 * MIB
    assert checksums(mount) == (1 if options else 0)
    assert mount.umount().returncode == 0


@pytest.mark.timeout(600)
@pytest.mark.parametrize("api", APIS)
def test_a_read_waits_for_a_staging_until_the_staging_deadline(new_mount: Callable[..., Mount], api: str) -> None:
    mount = new_mount(api, "-o", "staging_deadline=3")
    with (mount.remote / "data.h5").open("wb") as file:
        file.truncate(8 * MIB)
    mount.mount()
    mount.sandbox.faults(
        {"match": "GET .*(jobs|tasks)/", "delay": 600.0, "count": None},
        s3_rules=[{"match": "GET", "status": 404, "count": None}],
    )
    with (mount.path / "data.h5").open("rb") as file, pytest.raises(TimeoutError) as failure:
        file.read(1)
    assert failure.value.errno == errno.ETIMEDOUT
    mount.sandbox.clear_faults()
    with (mount.path / "data.h5").open("rb") as file:
        assert file.read(1) == b"\0"
    assert mount.umount().returncode == 0


@pytest.mark.timeout(600)
@pytest.mark.parametrize("api", APIS)
def test_nowindows_stages_what_is_text_too(new_mount: Callable[..., Mount], api: str) -> None:
    mount = new_mount(api, "-o", "nowindows")
    (mount.remote / "run.log").write_bytes(b"converged\n" * 500_000)
    mount.mount()
    mount.sandbox.reset_calls()
    assert mount.run("tail", "-n", "1", "run.log") == "converged\n"
    calls = mount.sandbox.calls()
    assert sum(count for route, count in calls.items() if route.endswith("/download")) == 1
    assert not [route for route in calls if route.endswith(("/view", "/head", "/tail"))]
    assert mount.umount().returncode == 0


@pytest.mark.timeout(600)
def test_a_system_without_object_storage_refuses_large_files_for_good_and_says_why(
    new_mount: Callable[..., Mount],
) -> None:
    mount = new_mount("v2", settings={**SMALL, "transfer_method": "streamer"})
    (mount.remote / "far.h5").write_bytes(os.urandom(3 * MIB))
    mount.mount()
    with (mount.path / "far.h5").open("rb") as file, pytest.raises(OSError, match="not supported") as failure:
        file.read(1)
    assert failure.value.errno == errno.EOPNOTSUPP
    (mount.path / "pieces").write_bytes(os.urandom(MIB))
    (mount.path / "near.h5").write_bytes(os.urandom(3 * MIB))
    assert mount.f7tfs("sync", str(mount.path)).returncode != 0
    status = mount.f7tfs("status", str(mount.path)).stdout
    assert "near.h5" in status
    assert "by streamer only" in status
    assert (mount.remote / "pieces").stat().st_size == MIB
    assert not (mount.remote / "near.h5").exists()
    assert (mount.path / "near.h5").stat().st_size == 3 * MIB
    assert "far.h5: cluster moves large files by streamer only" in mount.log()


@pytest.mark.parametrize("option", ["streams=0", "streams=65", "streams=many", "verify=yes", "staging_deadline=-1"])
def test_values_that_make_no_sense_are_refused(new_mount: Callable[..., Mount], option: str) -> None:
    mount = new_mount("v2", "-o", option)
    done = mount.f7tfs("mount", f"{mount.sandbox.info.system}:", str(mount.path), *mount.options)
    assert done.returncode != 0
    assert option.partition("=")[0] in done.stderr
