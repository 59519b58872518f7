"""A mount by autofs: when somebody looks, from the map of the documentation, and not for longer than it is used."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

from f7tfs.sandbox.process import SandboxProcess
from tests.dayone.conftest import PATIENCE, Account, User, log_in
from tests.dayone.pages import DOCS
from tests.namespaces import FUSE_FOR_ALL, alone

HELPER = Path(sys.executable).parent / "mount.f7tfs"


def map_of_the_page() -> str:
    """`KEY -OPTIONS LOCATION`."""
    text = (DOCS / "how-to" / "with-the-machine.md").read_text(encoding="utf-8")
    [line] = re.findall(r"^    (daint +-fstype=f7tfs.*)$", text, re.MULTILINE)
    assert "run_as=me" in line
    assert r":daint\:/scratch/me" in line
    return str(line) + "\n"


def test_autofs_mounts_when_somebody_looks_and_unmounts_what_nobody_uses(
    user: User, account: Account, sandbox: SandboxProcess
) -> None:
    """In namespaces of its own, where the helper stands in /usr/sbin as an administrator puts it.

    By an indirect map for an ordinary user, and by a direct one for root, whose mount goes on top of autofs's own, as
    systemd's x-systemd.automount does it too.
    """
    log_in(user, sandbox, "daint")
    log_in(User(account.home), sandbox, "daint")
    account.owns(account.home)
    top = sandbox.home / "by-autofs"
    for name in ("mine", "roots"):
        (top / name).mkdir(parents=True)
        (top / name / "from-cluster").write_text(f"{name}\n")
    maps, line, there = user.directory("maps"), map_of_the_page(), f"{sandbox.info.home}/{top.name}"
    mine = line.replace("run_as=me", f"run_as={account.name}").replace("/scratch/me", f"{there}/mine")
    roots = line.replace("run_as=me", f"config={user.config}").replace("/scratch/me", f"{there}/roots")
    (maps / "auto.hpc").write_text(mine)
    (maps / "auto.direct").write_text(f"{user.home}/direct/{roots}")
    (maps / "auto.master").write_text(f"/mnt {maps}/auto.hpc --timeout=1\n/- {maps}/auto.direct --timeout=1\n")
    # The user may read this interpreter and these libraries, which may lie in root's home.
    kept = "--inh-caps=-all,+dac_read_search --ambient-caps=-all,+dac_read_search --securebits=+no_setuid_fixup"
    helper = f'#!/bin/sh\nexec setpriv {kept} {shlex.quote(str(HELPER))} "$@"\n'
    script = f"""
    set -e
    {FUSE_FOR_ALL}
    touch /etc/fuse.conf; echo user_allow_other > fuse.conf; mount --bind fuse.conf /etc/fuse.conf
    mkdir sbin direct
    mount --bind /usr/sbin sbin
    mount -t tmpfs none /usr/sbin
    echo {shlex.quote(helper)} > /usr/sbin/mount.f7tfs
    chmod 755 /usr/sbin/mount.f7tfs
    mount -t tmpfs none /run
    # In a process group of its own: whoever is in automount's is let through to what is not mounted.
    setsid sbin/automount --foreground --verbose --dont-check-daemon {maps}/auto.master 2> automount.log &
    until mountpoint --quiet /mnt && mountpoint --quiet direct/daint; do sleep 0.1; kill -0 $!; done
    me() {{ setpriv --reuid {account.name} --regid {account.name} --clear-groups "$@"; }}
    is_mounted() {{ grep --quiet " $1 fuse.f7tfs " /proc/self/mounts; }}
    is_mounted /mnt/daint && exit 8
    me cat /mnt/daint/from-cluster
    is_mounted /mnt/daint
    cat direct/daint/from-cluster
    is_mounted $PWD/direct/daint
    setpriv --reuid nobody --clear-groups touch /mnt/daint/not-mine 2> /dev/null && exit 9
    me sh -c 'echo here > /mnt/daint/by-autofs'
    until_unmounted() {{ while is_mounted /mnt/daint || is_mounted $PWD/direct/daint; do sleep 0.1; done; }}
    until_unmounted
    me cat /mnt/daint/by-autofs
    # Nobody but autofs clears away what is left of the mount of a daemon that was killed. (1 is this shell.)
    for process in /proc/[0-9]*; do
        if grep --quiet ready-fd $process/cmdline 2> /dev/null && [ $process != /proc/1 ]; then
            kill -KILL ${{process#/proc/}}
        fi
    done
    until_unmounted
    me cat /mnt/daint/by-autofs
    cat direct/daint/from-cluster
    me ls /mnt/nosuch 2> /dev/null && exit 9
    kill $!
    wait $!
    mountpoint --quiet /mnt && exit 10
    echo ended
    """
    done = subprocess.run(
        alone(script, processes=True),
        env=user.env(),
        cwd=user.home,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    log = (user.home / "automount.log").read_text() if (user.home / "automount.log").exists() else ""
    told = f"{done.returncode} {done.stderr}\n{log}"
    assert (done.returncode, done.stdout) == (0, "mine\nroots\nhere\nhere\nroots\nended\n"), told
    assert (top / "mine" / "by-autofs").read_text() == "here\n"
