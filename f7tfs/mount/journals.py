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
from f7tfs.mount.lock import exclusive
from f7tfs.mount.runtime import control_sockets
from f7tfs.vfs.journal_schema import JournalError
from f7tfs.vfs.offline import JOURNAL, OfflineJournal

_SECONDS = 60.0


class OneJournal(Protocol):
    """Raises MountError."""

    @property
    def remote(self) -> str: ...

    @property
    def mountpoint(self) -> str | None:
        """None: it is not mounted."""

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
        found.append(MountedJournal(status["remote"], status["mountpoint"], state, address))
    return found


def kept_journals(base: Path, taken: set[Path]) -> list[KeptJournal]:
    """Of what is not mounted now, where something waits. `taken`: state directories that daemons have."""
    found = []
    for origin_file in sorted(base.glob("mounts/*/origin.json")):
        state = origin_file.parent
        if state in taken or not (state / JOURNAL).exists():
            continue
        origin = json.loads(origin_file.read_text(encoding="utf-8"))
        journal = KeptJournal(f"{origin['system']}:{origin['root']}", state)
        if journal.entries():
            found.append(journal)
    return found
