"""A mount outlives its credentials: it says that they are refused, and goes on when the profile has other ones."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from typing import Any

import pytest

from tests.mounted.conftest import APIS, Mount, wait_until
from tests.mounted.test_posix_content import failure

SECRET = "another-secret"


def write_profile(mount: Mount, secret: str, file: str) -> None:
    directory = mount.state / "config/f7tfs"
    directory.mkdir(parents=True, exist_ok=True)
    (directory / file).touch(0o600)
    (directory / file).write_text(secret)
    info = mount.sandbox.info
    (directory / "config.toml").write_text(
        f'[profiles.here]\ntoken_url = "{info.token_url}"\nclient_id = "{info.client_id}"\n'
        f'client_secret_file = "{file}"\n'
    )


def status(mount: Mount) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(mount.f7tfs("status", "--json", str(mount.path)).stdout)
    return answer


@pytest.mark.parametrize("api", APIS)
def test_a_mount_goes_on_by_what_the_profile_has_now(new_mount: Callable[..., Mount], api: str) -> None:
    environment = dict.fromkeys(("AUTH_TOKEN_URL", "FIRECREST_CLIENT_ID", "FIRECREST_CLIENT_SECRET"), "")
    mount = new_mount(api, "--profile", "here", environment=environment)
    write_profile(mount, mount.sandbox.info.client_secret, "old")
    (mount.remote / "theirs").mkdir()
    mount.mount()
    daemons = mount.daemons()
    mount.sandbox.kill()
    (mount.path / "ours").write_text("written meanwhile")
    assert "NOT REACHABLE now, since " in mount.f7tfs("status", str(mount.path)).stdout
    mount.sandbox.start(client_secret=SECRET)
    wait_until(lambda: failure(lambda: os.listdir(mount.path / "theirs")) == errno.EACCES)
    told = status(mount)
    assert "invalid_client" in told["credentials_refused"]
    assert (told["reachable"], told["changes_left"], told["failed"]) == (True, 1, [])
    said = " ".join(mount.f7tfs("status", str(mount.path)).stdout.split())
    assert "reachable, but CREDENTIALS REFUSED" in said
    assert "run f7tfs login" in said
    assert "refused" in mount.f7tfs("mounts").stdout

    write_profile(mount, SECRET, "new")
    wait_until(lambda: failure(lambda: os.listdir(mount.path / "theirs")) is None)
    wait_until((mount.remote / "ours").exists)
    wait_until(lambda: status(mount)["credentials_refused"] is None)
    assert mount.daemons() == daemons
    assert SECRET not in mount.log()
    assert mount.umount().returncode == 0
