"""Mounts in the life of a machine: listed, ended together, logged, from fstab, as a service."""

from __future__ import annotations

import os
import pwd
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from f7tfs.cli.mount_helper import arguments, parse
from f7tfs.mount.mountpoint import is_stale
from f7tfs.sandbox.process import SandboxProcess
from tests.dayone.conftest import PATIENCE, User, log_in, wait_until

HELPER = Path(sys.executable).parent / "mount.f7tfs"


def test_mounts_are_listed_and_ended_together_the_stale_ones_too(user: User, sandbox: SandboxProcess) -> None:
    log_in(user, sandbox)
    one, two = user.directory("one"), user.directory("two")
    user.done("mount", "here", str(one))
    user.done("mount", "cluster:/scratch", str(two))
    listed = {each["mountpoint"]: each for each in user.json("mounts") if each["mountpoint"] in (str(one), str(two))}
    assert {each["state"] for each in listed.values()} == {"mounted"}
    rows = [line.split("\t") for line in user.done("mounts").splitlines()]
    assert [str(one), "cluster:/home/user", "mounted", "-", "failed 0"] in [row[:5] for row in rows]

    os.kill(listed[str(two)]["pid"], signal.SIGKILL)
    wait_until(lambda: is_stale(two), "the mount is stale")
    states = {each["mountpoint"]: each["state"] for each in user.json("mounts")}
    assert (states[str(one)], states[str(two)]) == ("mounted", "stale")

    (one / "kept").write_text("x")
    # Whoever runs the tests may have mounts of their own in this kernel, whose ends must not be this test's.
    for place in (one, two):
        user.done("umount", str(place))
    assert not os.path.ismount(one)
    assert not os.path.ismount(two)
    assert (sandbox.home / "kept").read_text() == "x"


def test_all_mounts_of_a_user_end_together(user: User, sandbox: SandboxProcess) -> None:
    """In a mount namespace of its own, so that nobody else's stale mount is there."""
    log_in(user, sandbox)
    one, two = user.directory("one"), user.directory("two")
    script = f"""
    set -e
    f7tfs() {{ {shlex.quote(sys.executable)} -m f7tfs "$@"; }}
    f7tfs mount here {one}
    f7tfs mount cluster:/scratch {two}
    echo written > {one}/by-all
    f7tfs umount --all
    if mountpoint -q {one} || mountpoint -q {two}; then exit 9; fi
    """
    done = user.done_alone(script)
    assert f"{one} is unmounted" in done.stderr
    assert (sandbox.home / "by-all").read_text() == "written\n"


def test_the_log_of_a_mount_is_shown_and_followed(user: User, sandbox: SandboxProcess) -> None:
    log_in(user, sandbox)
    place = user.directory("mnt")
    user.done("mount", "here", str(place), "--debug")
    shown = user.done("log", str(place), "-n", "200")
    assert "is mounted on" in shown
    assert sandbox.info.client_secret not in shown
    assert len(user.done("log", str(place), "-n", "1").splitlines()) == 1
    output = user.home / "followed"
    with output.open("w") as stdout:
        follower = subprocess.Popen(
            [sys.executable, "-m", "f7tfs", "log", str(place), "-f", "-n", "0"],
            env={**user.env(), "PYTHONUNBUFFERED": "1"},
            stdout=stdout,
        )
    try:
        # Again and again, since it is not known when the follower has begun.
        wait_until(lambda: (place / "new").write_text("x") and output.read_text(), "what is logged is shown")
        # The daemon begins a new file: the follower goes on with it.
        [log] = (user.home / ".local" / "state" / "f7tfs" / "log").glob("*.log")
        log.rename(log.with_suffix(".log.1"))
        log.write_text("a line of the new file\n")
        wait_until(lambda: "a line of the new file" in output.read_text(), "the new file is followed")
        follower.send_signal(signal.SIGINT)
        assert follower.wait(PATIENCE) == 130
    finally:
        follower.kill()
        follower.wait()
    user.done("umount", str(place))
    # Nothing is mounted: the last log there is.
    assert user.done("log") == "a line of the new file\n"


def test_what_is_not_mounted_has_no_log(user: User) -> None:
    assert "nothing is mounted" in user.refused("log")[0]
    what, cure = user.refused("umount")
    assert ("no mount point is named" in what, "--all" in cure) == (True, True)


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("daint:/x /mnt", "mount daint:/x /mnt"),
        ("daint:/x /mnt -o rw,noauto,_netdev,uid=5", "mount daint:/x /mnt -o rw,noauto,_netdev,uid=5"),
        ("-n daint /mnt -o defaults,profile=p,run_as=nobody", "mount daint /mnt -o defaults --profile p"),
        ("-r daint: /mnt -t f7tfs -sv", "mount daint: /mnt -o ro"),
        ("daint: /mnt -o noexec,nosuid,user", "mount daint: /mnt -o noexec,nosuid,user"),
        ("daint: /mnt -o allow_other -o write_mode=async", "mount daint: /mnt -o allow_other,write_mode=async"),
    ],
)
def test_the_words_of_mount_8_are_understood(words: str, wanted: str) -> None:
    assert " ".join(arguments(parse(words.split()))) == wanted


def test_what_mount_8_never_says_is_refused() -> None:
    with pytest.raises(ValueError, match="source and a mount point"):
        parse(["daint:"])
    with pytest.raises(ValueError, match="no such option"):
        parse(["daint:", "/mnt", "--fast"])


def test_who_a_mount_runs_as_is_given_an_empty_mount_point_and_nothing_else(tmp_path: Path) -> None:
    """As root, whose helper could be led to other places by a link."""
    nobody = pwd.getpwnam("nobody").pw_uid
    for name in ("empty", "full/of", "aim"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "link").symlink_to("aim")
    for name in ("empty", "full", "link", "absent"):
        words = [str(HELPER), "daint:", str(tmp_path / name), "-o", f"run_as=nobody,config={tmp_path}/none"]
        assert subprocess.run(words, capture_output=True, timeout=PATIENCE, check=False).returncode != 0
    assert (tmp_path / "empty").stat().st_uid == nobody
    assert [(tmp_path / name).stat().st_uid for name in ("full", "full/of", "aim")] == [os.getuid()] * 3


def test_mount_and_fstab_know_the_type_f7tfs(user: User, sandbox: SandboxProcess) -> None:
    """In a mount namespace of its own, where the helper stands in /usr/sbin as an administrator puts it."""
    log_in(user, sandbox)
    place = user.directory("mnt")
    fstab = user.home / "fstab"
    fstab.write_text(f"cluster:/home/user {place} f7tfs noauto,_netdev,profile=here,config={user.config} 0 0\n")
    script = f"""
    set -e
    mount -t tmpfs none /usr/sbin
    ln -s {HELPER} /usr/sbin/mount.f7tfs
    mount -t f7tfs -o ro,profile=here,config={user.config} cluster: {place}
    test "$(cat {place}/from-cluster)" = there
    if touch {place}/refused; then exit 9; fi
    umount {place}
    # The daemon of the first mount may be still at its end.
    until mount --fstab {fstab} {place}; do sleep 1; done
    echo here > {place}/from-fstab
    umount {place}
    mount -t f7tfs -o profile=none,config={user.config} cluster: {place} || echo "refused with $?"
    """
    (sandbox.home / "from-cluster").write_text("there\n")
    done = user.done_alone(script)
    assert "refused with 32" in done.stdout
    assert "no profile 'none'" in done.stderr
    wait_until((sandbox.home / "from-fstab").exists, "what was written before umount(8) is on the cluster")


def test_a_mount_whose_daemon_was_stopped_keeps_nobody_waiting(user: User, sandbox: SandboxProcess) -> None:
    log_in(user, sandbox)
    place = user.directory("mnt")
    user.done("mount", "here", str(place))
    pid = user.json("status", str(place))["pid"]
    # Where the daemon's socket has gone too, the kernel's table is all that tells of the mount.
    [control] = [each for each in (user.home / ".local/state/f7tfs/run").iterdir() if each.is_socket()]
    hidden = control.rename(control.with_name("hidden"))
    os.kill(pid, signal.SIGSTOP)
    try:
        moved = user.home / "elsewhere"
        hidden.rename(moved)
        states = {each["mountpoint"]: each["problem"] for each in user.json("status") if "problem" in each}
        assert "does not answer" in states[str(place)]
    finally:
        os.kill(pid, signal.SIGCONT)
        moved.rename(control)
    user.done("umount", str(place))
