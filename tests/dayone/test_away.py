"""A laptop's mount: after a suspend, in another network, while the site was away."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest

from f7tfs.sandbox.process import SandboxProcess
from tests.dayone.conftest import User, log_in, wait_until
from tests.dayone.network import Line


def test_a_mount_goes_on_when_the_network_comes_back(user: User, sandbox: SandboxProcess) -> None:
    """Connections are refused for a while, and then the site answers again."""
    log_in(user, sandbox)
    place = user.directory("mnt")
    user.done("mount", "here", str(place), "-o", "attribute_timeout=0,deadline=5")
    (place / "before").write_text("x")
    sandbox.faults({"match": "", "drop": "before", "count": None})
    (place / "meanwhile").write_text("y")
    assert user.json("status", str(place))["changes_left"] == 1
    sandbox.clear_faults()
    wait_until((sandbox.home / "meanwhile").exists, "what was written meanwhile arrives")
    (sandbox.home / "from-the-cluster").write_text("z")
    wait_until((place / "from-the-cluster").exists, "the mount sees the cluster again")
    user.done("umount", str(place))


def test_what_an_unmount_left_unsent_is_told_until_it_is_sent(user: User, sandbox: SandboxProcess) -> None:
    log_in(user, sandbox)
    place = user.directory("mnt")
    user.done("mount", "here", str(place), "-o", "deadline=5")
    sandbox.faults({"match": "", "drop": "before", "count": None})
    (place / "unsent").write_text("y")
    what, cure = user.refused("umount", str(place), "--wait", "1")
    assert ("does not have 1 change yet" in what, "f7tfs journal" in cure) == (True, True)
    assert "cluster:/home/user: not mounted" in user.done("status").splitlines()
    assert ["-", "cluster:/home/user", "kept", "1 change, 1 B"] in [
        line.split("\t")[:4] for line in user.done("mounts").splitlines()
    ]
    [kept] = [each for each in user.json("status") if each["mountpoint"] is None]
    assert (kept["remote"], kept["changes_left"]) == ("cluster:/home/user", 1)
    sandbox.clear_faults()
    user.done("mount", "here", str(place))
    user.done("sync", str(place))
    assert "kept" not in [each["state"] for each in user.json("mounts")]
    user.done("umount", str(place))


def test_a_mount_goes_on_after_a_suspend(user: User, start_sandbox: Callable[..., SandboxProcess]) -> None:
    """Longer than the token was good for; the server has closed its connections, and the cluster has gone on."""
    sandbox = start_sandbox()
    log_in(user, sandbox)
    place = user.directory("mnt")
    user.done("mount", "here", str(place), "-o", "write_mode=async")
    sandbox.faults({"match": "/(upload|ops)", "status": 503, "count": None})
    (place / "before").write_text("x")
    pid = user.json("status", str(place))["pid"]
    os.kill(pid, signal.SIGSTOP)
    sandbox.stop()
    sandbox.start()
    sandbox.expire_tokens()
    (sandbox.home / "from-the-cluster").write_text("z")
    os.kill(pid, signal.SIGCONT)
    wait_until((sandbox.home / "before").exists, "what waited arrives")
    wait_until((place / "from-the-cluster").exists, "the mount sees what was made meanwhile")
    (place / "after").write_text("y")
    user.done("sync", str(place))
    assert (sandbox.home / "after").read_text() == "y"
    user.done("umount", str(place))


@pytest.mark.long
def test_a_mount_goes_on_in_another_network(user: User, sandbox: SandboxProcess) -> None:
    """Nobody tells the mount that its connections are dead: what it has sent on them is never answered."""
    info = sandbox.info
    with Line(info.port) as line:
        urls = [url.replace(f":{info.port}/", f":{line.port}/") for url in (info.url_v2, info.token_url)]
        login = ("--site", urls[0], "--token-url", urls[1], "--client-id", info.client_id)
        user.done("login", "here", *login, typed=f"{info.client_secret}\n")
        place = user.directory("mnt")
        user.done("mount", "here", str(place), "-o", "attribute_timeout=0")
        (place / "at-home").write_text("x")
        (sandbox.home / "made-by-others").write_text("z")
        line.leave()
        (place / "elsewhere").write_text("y")
        line.leave()
        # While nobody answers, what is known is shown.
        assert {"at-home", "elsewhere"} <= set(os.listdir(place))
        wait_until(lambda: "made-by-others" in os.listdir(place), "the mount sees the cluster again")
        user.done("sync", str(place))
        assert (sandbox.home / "elsewhere").read_text() == "y"
        user.done("umount", str(place))
