"""A mount namespace in which a job sees the file systems at the cluster's paths, where the kernel lets us make one.

The job's root is a fresh tmpfs with everything of this machine's root mounted in it, and the served directories over
that: `/home` is then the sandbox's, not this machine's. Without the right to do so, jobs run in the real directories,
and only relative paths and `$HOME` mean the same in them as through the API. Mounts of f7tfs are left out: held
in here, they could not end while the job runs.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

SCRIPTS = "/.f7tfs-jobs"
"""Where a job finds its script: the directory that holds it may be hidden by what is mounted."""
SCRIPT = """
set -e
new=$1; root=$2; tops=$3; directory=$4; shift 4
while read -r _ where type _; do
  if [ "$type" = fuse.f7tfs ]; then umount -l "$(printf %b "$where")" 2>/dev/null || :; fi
done < /proc/self/mounts
mount -t tmpfs tmpfs "$new"
for entry in /*; do
  if [ -L "$entry" ]; then cp -P "$entry" "$new$entry"
  elif [ -d "$entry" ]; then mkdir "$new$entry"; mount --rbind "$entry" "$new$entry"
  fi
done
for top in $tops; do
  mkdir -p "$new/$top"; mount --rbind "$root/$top" "$new/$top"
done
mkdir "$new/.f7tfs-jobs"; mount --bind "${new%/*}/scripts" "$new/.f7tfs-jobs"
exec chroot "$new" /bin/sh -c 'cd "$1" && shift && exec "$@"' sh "$directory" "$@"
"""


def command(
    root: Path, tops: Sequence[str], mount_point: Path, directory: str, job: Sequence[str], more: Sequence[str] = ()
) -> list[str]:
    """The command that runs `job` with the top-level directories `tops` of `root` in place of this machine's.

    `mount_point` is a directory with one called `scripts` beside it, which is seen as SCRIPTS. `more` are further
    options of unshare.
    """
    unshare = ["unshare", "--mount", "--propagation", "private", *more]
    if os.getuid() != 0:
        unshare += ["--user", "--map-root-user"]
    shell = ["/bin/sh", "-c", SCRIPT, "sh", str(mount_point), str(root), " ".join(tops), directory]
    return [*unshare, *shell, *job]


def works(root: Path, tops: Sequence[str], mount_point: Path) -> bool:
    """Whether this machine allows it; tried out once."""
    if any(" " in top for top in tops):
        return False
    try:
        done = subprocess.run(
            command(root, tops, mount_point, "/", ["true"]), capture_output=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0
