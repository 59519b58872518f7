"""The journals on this machine: of what is mounted, by its daemon, and of what is not, by looking at the disk."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from f7tfs.cluster.errors import ClusterError
from f7tfs.mount.ask import NoDaemon, ask
from f7tfs.mount.errors import MountError
from f7tfs.mount.lock import exclusive, is_held
from f7tfs.mount.runtime import control_sockets
from f7tfs.vfs.journal_schema import JournalError
from f7tfs.vfs.offline import JOURNAL, OfflineJournal, look

_SECONDS = 60.0


class OneJournal(Protocol):
    """Raises MountError."""

    @property
    def remote(self) -> str: ...

    @property
    def mountpoint(self) -> str | None:
        """None: it is not mounted."""

    @property
    def jobs(self) -> int:
        """How many are to be submitted yet."""

    def entries(self) -> list[dict[str, Any]]: ...

    def retry(self) -> int | None:
        """How many failed changes are tried again; None: they will be, at the next mount."""

    def export(self, row: int, target: Path) -> None: ...

    def drop(self, row: int) -> None: ...


@dataclass(frozen=True, slots=True)
class MountedJournal:
    """Its daemon has it."""

    remote: str
    mountpoint: str | None
    state: Path
    address: Path
    jobs: int
    """How many are to be submitted yet."""

    def _ask(self, action: str, **arguments: object) -> dict[str, Any]:
        return ask(self.address, "journal", timeout=_SECONDS, progress=None, action=action, **arguments)

    def entries(self) -> list[dict[str, Any]]:
        """In order."""
        return list(self._ask("list")["entries"])

    def retry(self) -> int | None:
        """Now."""
        return int(self._ask("retry")["retried"])

    def export(self, row: int, target: Path) -> None:
        """The daemon writes it."""
        self._ask("export", id=row, file=str(target.absolute()))

    def drop(self, row: int) -> None:
        """Give a change up."""
        self._ask("drop", id=row)


@dataclass(frozen=True, slots=True)
class KeptJournal:
    """Nobody has it: each access takes its lock."""

    remote: str
    state: Path
    mountpoint: str | None = None

    @property
    def jobs(self) -> int:
        """By the disk."""
        try:
            return look(self.state).jobs
        except JournalError as error:
            raise MountError(str(error)) from error

    @contextmanager
    def _open(self) -> Iterator[OfflineJournal]:
        with exclusive(self.state / "lock", self.state, f"{self.remote} is being mounted"):
            try:
                journal = OfflineJournal(self.state)
                try:
                    yield journal
                finally:
                    journal.close()
            except (JournalError, ClusterError, OSError) as error:
                raise MountError(f"{self.remote}: {error}") from error

    def entries(self) -> list[dict[str, Any]]:
        """In order."""
        with self._open() as journal:
            return journal.entries()

    def retry(self) -> int | None:
        """A mount does that by itself."""
        return None

    def export(self, row: int, target: Path) -> None:
        """Copy a content to a new file."""
        with self._open() as journal:
            journal.export(row, target)

    def drop(self, row: int) -> None:
        """Give a change up."""
        with self._open() as journal:
            journal.drop(row)


def mounted_journals() -> list[MountedJournal]:
    """Of every daemon of this user, those too that only send what was written."""
    found = []
    for address in control_sockets():
        try:
            status = ask(address, "status", timeout=_SECONDS)
        except MountError as error:
            if not isinstance(error, NoDaemon):
                raise
            continue
        state = Path(status["state_directory"])
        jobs = status.get("jobs_waiting", 0)
        found.append(MountedJournal(status["remote"], status["mountpoint"], state, address, jobs))
    return found


def kept_journals(base: Path, taken: set[Path]) -> list[KeptJournal]:
    """Of what is not mounted now, where something waits. `taken`: state directories that daemons have."""
    return [journal for journal in _not_taken(base, taken) if journal.entries() or journal.jobs]


def _not_taken(base: Path, taken: set[Path]) -> Iterator[KeptJournal]:
    for origin_file in sorted(base.glob("mounts/*/origin.json")):
        state = origin_file.parent
        if state in taken or not (state / JOURNAL).exists():
            continue
        try:
            origin = json.loads(origin_file.read_text(encoding="utf-8"))
            remote = f"{origin['system']}:{origin['root']}"
        except (ValueError, KeyError):
            # A power cut may have left half of it; the journal is whole all the same.
            remote = state.name
        yield KeptJournal(remote, state)


def kept_changes(base: Path, taken: set[Path]) -> list[dict[str, Any]]:
    """The same in the words of a mount's status: with a `problem`, and without a mount point.

    What a daemon has that does not answer is left out: it is not what is not mounted.
    """
    told = []
    for journal in _not_taken(base, taken):
        answer: dict[str, Any] = {"mountpoint": None, "remote": journal.remote, "mounted": False}
        try:
            left = look(journal.state)
        except JournalError as error:
            told.append({**answer, "problem": str(error), "state_directory": str(journal.state)})
            continue
        if not (left.changes or left.jobs) or is_held(journal.state / "lock"):
            continue
        told.append(
            {
                **answer,
                "problem": "not mounted, and the cluster does not have every change",
                "changes_left": left.changes,
                "bytes_left": left.size,
                "jobs_waiting": left.jobs,
                "failed": [{"path": path, "error": error} for path, error in left.failed],
                "state_directory": str(journal.state),
            }
        )
    return told
