"""Work that the cluster does by itself, for as long as it takes: what both versions share of it."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

import trio

from f7tfs.cluster.diagnosis import errno_phrase
from f7tfs.cluster.errors import AlreadyExists, ClusterError, InvalidName, NotADirectory, RemoteFailure, TimedOut
from f7tfs.cluster.lookup import kind_of
from f7tfs.cluster.model import Entry, Kind, Stat
from f7tfs.cluster.scratch import is_below
from f7tfs.cluster.translate import one_line

_SUBMITTING = 150.0


@dataclass(eq=False, slots=True)
class Errand:
    """One such work, for whoever waits for it. Cancelled, it cancels its job."""

    leave: bool = False
    """Cancelled, it leaves its job to go on."""
    job_id: str = ""
    begun: trio.Event = field(default_factory=trio.Event)
    """The scheduler has it: nothing more is needed from here."""

    def begin(self, job_id: str) -> None:
        self.job_id = job_id
        self.begun.set()


class Files(Protocol):
    """What is needed of the direct calls."""

    async def stat(self, path: str) -> Stat: ...
    async def list_tree(self, path: str) -> list[Entry]: ...


@contextmanager
def submitting() -> Iterator[None]:
    """Whoever takes an errand back meanwhile has to wait: of a job whose number is not known nobody could be rid."""
    with trio.CancelScope(shield=True, deadline=trio.current_time() + _SUBMITTING):
        yield
        return
    raise TimedOut("the job was not submitted in time")


async def check_copy(files: Files, source: str, target: str) -> Stat:
    """Refuse what `cp` would do in another way than it was meant: into a directory, through a symlink, into itself.

    Two calls, three where `target` is new. Returns what `source` is.
    """
    before = await files.stat(source)
    if is_below(target, source):
        raise InvalidName(f"{source} cannot be copied or moved to itself, or into itself: {target}")
    found = await kind_of(files.stat, target)
    if found is None:
        parent = await files.stat(posixpath.dirname(target))
        if parent.kind not in {Kind.DIRECTORY, Kind.SYMLINK}:
            raise NotADirectory(posixpath.dirname(target))
    elif found is not Kind.FILE or before.kind is Kind.DIRECTORY:
        raise AlreadyExists(f"{target} is there already")
    return before


async def check_copied(files: Files, before: Stat, source: str, target: str, told: str | None) -> None:
    """Compare the copy with the original. `told`: what the command has complained of; None: nobody knows.

    One call; three for a directory of which not all is well. Raises what was told where something is missing.
    """
    what = f"copying {source} to {target}"
    after = await files.stat(target) if await kind_of(files.stat, target) is not None else None
    if after is None or after.kind is not before.kind:
        raise failure(what, told)
    if before.kind is Kind.FILE and after.size != before.size:
        raise failure(what, told or f"{after.size} bytes of {before.size} are there")
    if before.kind is Kind.DIRECTORY and told != "":
        try:
            missing = _missing(await files.list_tree(source), await files.list_tree(target))
        except ClusterError as error:
            raise failure(what, told) from error
        if missing:
            raise failure(what, told or f"{missing[0]} and {len(missing) - 1} more are missing")


def _missing(source: Sequence[Entry], target: Sequence[Entry]) -> list[str]:
    there = {(entry.name, entry.kind, entry.size if entry.kind is Kind.FILE else 0) for entry in target}
    return [
        entry.name
        for entry in source
        if (entry.name, entry.kind, entry.size if entry.kind is Kind.FILE else 0) not in there
    ]


def failure(what: str, told: str | None) -> ClusterError:
    """The error that the complaints of a command mean."""
    kind = errno_phrase(told or "") or RemoteFailure
    return kind(f"{what}: {one_line(told or '') or 'its job ended without doing its work'}")
