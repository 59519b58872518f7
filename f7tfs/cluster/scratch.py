"""Private directories on the cluster for what is there only for a while: one for each file system."""

from __future__ import annotations

import logging
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

import trio

from f7tfs.cluster.errors import ClusterError, NotADirectory, NotFound, PermissionDenied, ReadOnly, RemoteFailure
from f7tfs.cluster.ledger import Ledger, NoLedger
from f7tfs.cluster.model import Entry, FileSystem, Identity, Kind, Stat

logger = logging.getLogger(__name__)

NAME = ".f7tfs"
MODE = 0o700
Remove = Callable[[str], Awaitable[None]]
CLEANING = 20.0
"""Seconds that the removal of a temporary may take, also when the work itself was cancelled."""


class Files(Protocol):
    """What a scratch directory needs of a cluster."""

    async def identity(self) -> Identity: ...
    async def file_systems(self) -> Sequence[FileSystem]: ...
    async def stat(self, path: str) -> Stat: ...
    async def make_directory(self, path: str) -> None: ...
    async def chmod(self, path: str, mode: int) -> None: ...
    async def remove(self, path: str) -> None: ...


@dataclass(slots=True)
class Temporary:
    """A path in a scratch directory that nobody else uses; `gone` is set when nothing is there to be removed."""

    path: str
    gone: bool = False


class Scratch:
    """Finds or makes `.f7tfs`, mode 0700, in the user's directory of a file system, else in the mounted directory."""

    def __init__(self, files: Files, root_hint: str | None = None) -> None:
        self._files = files
        self.ledger: Ledger = NoLedger()
        self._root_hint = root_hint
        self._found: dict[str, str] = {}
        self._seen: dict[str, Entry] = {}
        self._lock = trio.Lock()

    def take(self, directory: str, entries: Iterable[Entry]) -> None:
        """A listing: what it shows of a scratch directory need not be asked for, and what is gone is forgotten."""
        path = f"{directory.rstrip('/')}/{NAME}"
        seen = next((entry for entry in entries if entry.name == NAME), None)
        if seen is not None:
            self._seen[path] = seen
        else:
            self._seen.pop(path, None)
            self._found = {home: found for home, found in self._found.items() if found != path}

    @asynccontextmanager
    async def temporary(self, near: str, suffix: str = "") -> AsyncIterator[Temporary]:
        """A path on the file system of `near`; what is there at the end is removed."""
        made = Temporary(f"{await self.directory(near)}/{secrets.token_hex(8)}{suffix}")
        async with passing(self.ledger, self._files.remove, made):
            yield made

    async def name(self, near: str) -> str:
        """A path on the file system of `near` that nobody else uses; what is made there is the caller's to remove."""
        return f"{await self.directory(near)}/{secrets.token_hex(8)}"

    async def directory(self, near: str) -> str:
        """The scratch directory for the file system of `near`. Raises RemoteFailure where there can be none."""
        systems = await self._files.file_systems()
        home = file_system_of(near, systems)
        async with self._lock:
            if home not in self._found:
                self._found[home] = await self._find(home, systems)
            return self._found[home]

    async def _find(self, home: str, systems: Sequence[FileSystem]) -> str:
        identity = await self._files.identity()
        for base in candidates(home, identity.user, self._root_hint, systems):
            path = f"{base.rstrip('/')}/{NAME}"
            try:
                if self._was_seen_ready(path, identity) or await self._usable(path, identity.uid):
                    return path
            except (NotFound, NotADirectory, PermissionDenied, ReadOnly):
                continue
        raise RemoteFailure(
            f"no place for temporary files on {home}: neither the user's directory nor the mounted one"
        )

    def _was_seen_ready(self, path: str, identity: Identity) -> bool:
        seen = self._seen.get(path)
        if seen is None or seen.kind is not Kind.DIRECTORY or seen.acl:
            return False
        return seen.user == identity.user and seen.mode & 0o777 == MODE

    async def _usable(self, path: str, uid: int) -> bool:
        try:
            found = await self._files.stat(path)
        except NotFound:
            await self._files.make_directory(path)
            await self._files.chmod(path, MODE)
            return True
        if found.kind is not Kind.DIRECTORY or found.uid != uid:
            return False
        if found.mode & 0o077:
            await self._files.chmod(path, MODE)
        return True


def file_system_of(path: str, systems: Sequence[FileSystem]) -> str:
    """The path of the file system that holds `path`: the longest that fits."""
    fitting = [system.path for system in systems if is_below(path, system.path)]
    return max(fitting, key=len, default="/")


def candidates(home: str, user: str, root_hint: str | None, systems: Sequence[FileSystem]) -> list[str]:
    """Where a scratch directory for the file system `home` may lie, the best place first."""
    places = [f"{home.rstrip('/')}/{user}"]
    if root_hint and file_system_of(root_hint, systems) == home:
        places.append(root_hint)
    places.extend(f"{system.path.rstrip('/')}/{user}" for system in systems if system.default_work_dir)
    return list(dict.fromkeys(places))


def is_below(path: str, top: str) -> bool:
    """Whether `path` is `top` or below it."""
    return path == top or path.startswith(f"{top.rstrip('/')}/")


@asynccontextmanager
async def passing(ledger: Ledger, remove: Remove, made: Temporary, rest: float = 0.0) -> AsyncIterator[None]:
    """What is made at a path in the block is removed at its end; by a later process, should this one be killed."""
    await ledger.note(made.path, rest=rest)
    try:
        yield
    finally:
        if made.gone or await removed(remove, made.path):
            await ledger.strike(made.path)


async def removed(remove: Remove, path: str) -> bool:
    """Remove a temporary of ours. A failure is only logged: whoever comes after sees to it, or nobody can."""
    with trio.CancelScope(shield=True, deadline=trio.current_time() + CLEANING):
        try:
            await remove(path)
        except NotFound:
            return True
        except ClusterError as error:
            logger.warning("a temporary file is left on the cluster for now: %s: %s", path, error)
        else:
            return True
    return False
