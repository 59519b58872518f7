"""The commands that join pieces on the cluster, in the directory where these are. Pure.

They make the whole beside its place, check it, and move it there. Whoever runs them twice, or at the same time as
another, harms nothing: each run writes a file of its own.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from f7tfs.cluster.model import Stat

CHANGED, DAMAGED = "it was changed meanwhile", "wrong checksum"
SPOILED = (CHANGED, DAMAGED)
"""What a script complains of where another run with the same pieces is of no use."""


@dataclass(frozen=True, slots=True)
class Joined:
    """What is to be there. `digest`: its SHA-256 in hex; None: it is not compared. `mode`: None: by the umask."""

    target: str
    size: int
    digest: str | None = None
    mode: int | None = None


def known_by(stat: Stat) -> str:
    """What a file on the cluster is known by, as `stat -c '%s %Y %i'` prints it."""
    return f"{stat.size} {stat.mtime} {stat.ino}"


def joining(pieces: Sequence[str], joined: Joined, *first: str) -> list[str]:
    """Make a file of what comes `first`, quoted, and of the `pieces`, plain names; the last command moves it there.

    A target that is a directory is refused, and a symlink replaced. A missing piece is told in other words than a
    missing target, as another run may find it.
    """
    check = [f'[ "$(stat -c %s "$new")" = {joined.size} ] || {{ echo "wrong size" >&2; exit 1; }}']
    if joined.digest is not None:
        check.append(f'[ "$(sha256sum < "$new")" = "{joined.digest}  -" ] || {{ echo "{DAMAGED}" >&2; exit 1; }}')
    if joined.mode is not None:
        # Before it is at its place: nobody else is to read it meanwhile.
        check.append(f'chmod {joined.mode & 0o7777:04o} -- "$new"')
    return [
        f'ls -d -- {" ".join(pieces)} > /dev/null 2>&1 || {{ echo "a piece is missing" >&2; exit 1; }}',
        # What an earlier run has left, which was killed; one that still goes on finds nothing to move.
        "rm -f -- joined.*",
        'new="joined.${SLURM_JOB_ID:-0}.$$"',
        f'cat -- {" ".join([*first, *pieces])} > "$new"',
        *check,
        f'mv -fT -- "$new" {shlex.quote(joined.target)}',
    ]


def appending(pieces: Sequence[str], joined: Joined, before: str) -> list[str]:
    """Add the `pieces` to the file that is known by `before` (see `known_by`), in a copy that takes its place.

    If the file is another one by then, nothing is changed. A second run finds the work done.
    """
    target = shlex.quote(joined.target)
    unchanged = (
        f'[ "$(stat -c "%F %s %Y %i" -- {target} 2>/dev/null)" = "regular file {before}" ] '
        f'|| {{ echo "{CHANGED}" >&2; exit 1; }}'
    )
    again = (
        f'if [ "$(stat -c %s -- {target} 2>/dev/null)" = {joined.size} ] && '
        f'[ "$(sha256sum < {target})" = "{joined.digest}  -" ]; then touch done; exit 0; fi'
    )
    made = joining(pieces, joined, target)
    move = made.pop()
    return [again, unchanged, *made, f'chmod --reference={target} -- "$new"', unchanged, move]
