"""What FirecREST v1 answers at once, as the port has it."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

from f7tfs.cluster import parsing, translate
from f7tfs.cluster.doubts import Doubts
from f7tfs.cluster.errors import AlreadyExists, InvalidName, NotADirectory, NotFound, TooLarge, Uncertain
from f7tfs.cluster.lookup import kind_of, looked_up
from f7tfs.cluster.model import Entry, Features, FileSystem, Identity, Kind, Limits, Stat
from f7tfs.cluster.names import check_v1
from f7tfs.cluster.site_v1 import SiteV1
from f7tfs.cluster.translate import translated
from f7tfs.firecrest.client_v1 import FirecrestV1

_FEATURES = Features(cheap_rename=True, empty_write=True, relative_symlink=True)


class FilesV1:
    """Listings, stat, direct content, and changes of entries."""

    def __init__(self, client: FirecrestV1, site: SiteV1) -> None:
        self._client = client
        self._site = site
        self._identity: Identity | None = None
        self._doubts = Doubts(site.limits.command_seconds)

    @property
    def system(self) -> str:
        """The name as the server has it."""
        return self._site.name

    @property
    def limits(self) -> Limits:
        """From the site's parameters."""
        return self._site.limits

    @property
    def features(self) -> Features:
        """v1 does all these in one call."""
        return _FEATURES

    @property
    def calls(self) -> dict[str, int]:
        """Requests sent so far."""
        return self._client.calls

    def check_name(self, path: str) -> None:
        """By the rules of `names`."""
        check_v1(path)

    # -- who and where ---------------------------------------------------------------------------

    async def identity(self) -> Identity:
        """One call, the first time."""
        if self._identity is None:
            with _errors():
                self._identity = parsing.identity_of(await self._client.whoami(self.system))
        return self._identity

    async def file_systems(self) -> Sequence[FileSystem]:
        """Known since the connection: no call."""
        return self._site.file_systems

    # -- looking ---------------------------------------------------------------------------------

    async def list_directory(self, path: str) -> list[Entry]:
        """One call. A slash at the end makes the server follow a symlink, and refuse what is no directory."""
        items = await self._list(f"{path.rstrip('/')}/")
        return parsing.entries_of(items, "last_modified", "link_target")

    async def list_tree(self, path: str) -> list[Entry]:
        """One call; it fails as a whole on one unreadable directory."""
        items = await self._list(path, recursive=True)
        if parsing.lists_itself(items, path):
            raise NotADirectory(path)
        return parsing.tree_of(items, "last_modified", "link_target", path)

    async def _list(self, path: str, *, recursive: bool = False) -> list[Any]:
        with _errors():
            return await self._client.list_files(self.system, _sent(path), show_hidden=True, recursive=recursive)

    async def stat(self, path: str) -> Stat:
        """One call."""
        with _errors():
            return parsing.stat_of(await self._client.stat(self.system, _sent(path)))

    async def checksum(self, path: str) -> str:
        """One call."""
        with _errors():
            return await self._client.checksum(self.system, _sent(path))

    # -- direct content --------------------------------------------------------------------------

    async def read_direct(self, path: str) -> bytes:
        """One call."""
        with _errors():
            return await self._client.simple_download(self.system, _sent(path))

    async def write_direct(self, path: str, content: bytes) -> None:
        """One call."""
        if len(content) > self.limits.direct_write:
            raise TooLarge(f"{path}: {len(content)} bytes are more than the {self.limits.direct_write} of an upload")
        directory, name = posixpath.split(_sent(path))
        async with self._doubts.changing(hash(content), path):
            with _errors():
                await self._client.simple_upload(self.system, directory, name, content)

    # -- changing --------------------------------------------------------------------------------

    async def make_directory(self, path: str) -> None:
        """One call; a lost answer is looked up by a second."""
        async with self._doubts.changing("mkdir", path), looked_up(self.stat, path, Kind.DIRECTORY):
            with _errors():
                await self._client.mkdir(self.system, _sent(path))

    async def remove(self, path: str) -> None:
        """One call; a lost answer is looked up by a second."""
        async with self._doubts.changing("rm", path), looked_up(self.stat, path, None):
            with _errors():
                await self._client.simple_delete(self.system, _sent(path.rstrip("/")))

    async def rename(self, old: str, new: str, *, free: bool = False) -> None:
        """Two calls, one if `free`: `mv` would move into a directory instead of replacing it: that is looked at."""
        _sent(old)
        target = None if free else await kind_of(self.stat, _sent(new))
        if old == new:
            if target is None:
                raise NotFound(old)
            return
        if target is Kind.DIRECTORY:
            raise AlreadyExists(new)
        async with self._doubts.changing(("mv", old, new), old, new):
            try:
                with _errors():
                    await self._client.mv(self.system, old, new)
            except Uncertain:
                if await kind_of(self.stat, old) is not None or await kind_of(self.stat, new) is None:
                    raise

    async def make_symlink(self, path: str, target: str) -> None:
        """One call, which the server makes inside of `path` if that is a directory: the caller has looked."""
        check_v1(target)
        async with self._doubts.changing(target, path), looked_up(self.stat, path, Kind.SYMLINK):
            with _errors():
                await self._client.symlink(self.system, target, _sent(path))

    async def chmod(self, path: str, mode: int) -> None:
        """One call. Follows symlinks, whatever the port says: v1 has nothing else."""
        with _errors():
            await self._client.chmod(self.system, _sent(path), f"{mode & 0o7777:04o}")

    async def chown(self, path: str, user: str | None, group: str | None) -> None:
        """One call."""
        if user is None and group is None:
            return
        with _errors():
            await self._client.chown(self.system, _sent(path), user, group)


def _sent(path: str) -> str:
    """`path`, if a request can carry it exactly. Raises InvalidName."""
    check_v1(path)
    if not path.startswith("/"):
        raise InvalidName(f"{path!r} is not an absolute path")
    return path


def _errors() -> AbstractContextManager[None]:
    return translated(translate.v1)
