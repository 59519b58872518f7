"""What failed for good, met by whatever a user does next; and what waits, given up. See the tables in journal.md."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial

import pytest

from tests.mounted.conftest import APIS, Mount, wait_until
from tests.mounted.test_journal import entries, picture

LARGE = "more than there is room for"
EDITS = {
    "written again": ("echo short > f", {"f": "short\n", "d/g": LARGE}),
    "renamed": ("mv f renamed", {"renamed": LARGE, "d/g": LARGE}),
    "renamed into a directory": ("mv f d/", {"d/f": LARGE, "d/g": LARGE}),
    "renamed over another": ("mv f there", {"there": LARGE, "d/g": LARGE}),
    "replaced by a rename": ("mv there f", {"f": "there\n", "d/g": LARGE}),
    "removed": ("rm f", {"d/g": LARGE}),
    "truncated": ("truncate -s 3 f", {"f": LARGE[:3], "d/g": LARGE}),
    "its mode changed": ("chmod 600 f", {"f": LARGE, "d/g": LARGE}),
    "its directory renamed": ("mv d e", {"f": LARGE, "e/g": LARGE}),
    "its directory removed": ("rm -r d", {"f": LARGE}),
}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("api", APIS)
def test_what_failed_is_edited_renamed_replaced_and_removed_and_then_goes(
    new_mount: Callable[..., Mount], api: str
) -> None:
    mount = new_mount(api, settings={"job_start_seconds": 0.0})
    mount.mount()
    tops = [f"{number}" for number in range(len(EDITS))]
    mount.sh(f"for top in {' '.join(tops)}; do mkdir -p $top/d; echo there > $top/there; done; ls -lR > /dev/null")
    assert mount.f7tfs("sync", str(mount.path)).returncode == 0
    mount.sandbox.faults(quota=10)
    mount.sh(f"for f in {' '.join(f'{top}/f {top}/d/g' for top in tops)}; do printf '{LARGE}' > $f || true; done")
    wait_until(lambda: [each["state"] for each in entries(mount)] == ["failed"] * 2 * len(tops))
    mount.sandbox.clear_faults()
    for top, (edit, _) in zip(tops, EDITS.values(), strict=True):
        mount.sh(f"cd {top}; {edit}")
    assert mount.f7tfs("journal", "retry").returncode == 0
    wait_until(lambda: entries(mount) == [])
    for top, (what, (edit, expected)) in zip(tops, EDITS.items(), strict=True):
        wanted = dict(expected) if "there" in edit else {"there": "there\n", **expected}
        for place in (mount.remote / top, mount.path / top):
            files = {str(p.relative_to(place)): p.read_text() for p in place.rglob("*") if p.is_file()}
            assert files == wanted, what
    assert mount.umount().returncode == 0


def test_what_waits_is_given_up_and_the_mount_shows_the_cluster(new_mount: Callable[..., Mount]) -> None:
    mount = new_mount("v2", "--write-mode", "async", "--deadline", "8", settings={"job_start_seconds": 0.0})
    mount.mount()
    mount.sh("echo x > old; mkdir full; echo y > full/y; echo r > removed; mkdir empty; echo m > moded")
    mount.sh("echo other > onto; ln -s old link; chmod 644 moded")
    assert mount.f7tfs("sync", str(mount.path)).returncode == 0
    before = picture(mount.remote)
    assert picture(mount.path) == before
    mount.sandbox.kill()
    mount.sh("mkdir made; mv old new; mv full moved; rm removed link; rmdir empty; chmod 600 moded; ln -s a made/l")
    mount.sh("mv onto moved/onto; echo z > made/z; mv made made2")
    for row in reversed([str(each["id"]) for each in entries(mount)]):
        # From the last to the first: each may wait for those before it.
        wait_until(partial(dropped, mount, row))
    assert entries(mount) == []
    mount.sandbox.start()
    wait_until(lambda: mount.f7tfs("refresh", str(mount.path)).returncode == 0 and picture(mount.path) == before)
    assert mount.umount().returncode == 0
    assert picture(mount.remote) == before
    assert os.listdir(mount.path) == []


def dropped(mount: Mount, row: str) -> bool:
    """Whether a change is given up now; not while it is on its way."""
    return mount.f7tfs("journal", "drop", row).returncode == 0
