"""What both versions answer at once in the same way, as the port has it."""

from __future__ import annotations

import abc
from collections.abc import Sequence, Sized
from contextlib import AbstractContextManager
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from f7tfs.cluster import parsing
from f7tfs.cluster.doubts import Doubts
from f7tfs.cluster.errors import NotADirectory, TooLarge
from f7tfs.cluster.lookup import looked_up
from f7tfs.cluster.model import Entry, Features, FileSystem, Identity, Kind, Limits, Stat
from f7tfs.firecrest.multipart import Slice


class Client(Protocol):
    """What both clients call by the same name."""

    @property
    def calls(self) -> dict[str, int]:
        """Requests sent so far, by `METHOD route`."""

    async def list_files(self, system_name: str, path: str, *, show_hidden: bool, recursive: bool) -> list[Any]:
        """The items as the server has them."""

    async def checksum(self, system_name: str, path: str) -> str:
        """SHA-256, in hexadecimal digits."""

    async def mkdir(self, system_name: str, path: str) -> object:
        """A directory."""

    async def chmod(self, system_name: str, path: str, mode: str) -> object:
        """`mode` in octal digits."""

    async def compress(self, system_name: str, source: str, target: str, /) -> object:
        """A .tar.gz of a directory, at `target`."""

    async def extract(self, system_name: str, source: str, target: str, /) -> object:
        """What is in an archive, below the directory `target`."""


class Site(Protocol):
    """What is known of a system since the connection."""

    @property
    def name(self) -> str:
        """As the server has it."""

    @property
    def limits(self) -> Limits:
        """Of calls and contents."""

    @property
    def file_systems(self) -> tuple[FileSystem, ...]:
        """Those of the system."""


ClientT = TypeVar("ClientT", bound=Client)
SiteT = TypeVar("SiteT", bound=Site)


class Files(abc.ABC, Generic[ClientT, SiteT]):
    """Listings, checksums, directories and modes. The versions differ in fields, quoting and all the rest."""

    FEATURES: ClassVar[Features]
    MODIFIED: ClassVar[str]
    """The field of a listing that has the time."""
    LINK_TARGET: ClassVar[str]

    def __init__(self, client: ClientT, site: SiteT) -> None:
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
        """Of the site, as it tells them."""
        return self._site.limits

    @property
    def features(self) -> Features:
        """What the version does in one call."""
        return self.FEATURES

    @property
    def calls(self) -> dict[str, int]:
        """Requests sent so far."""
        return self._client.calls

    @abc.abstractmethod
    def _sent(self, path: str) -> str:
        """`path` as a request carries it. Raises InvalidName."""

    @abc.abstractmethod
    def _errors(self) -> AbstractContextManager[None]:
        """Turns the client's errors into the port's."""

    # -- who and where ---------------------------------------------------------------------------

    async def identity(self) -> Identity:
        """One call, the first time."""
        if self._identity is None:
            with self._errors():
                self._identity = parsing.identity_of(await self._who())
        return self._identity

    @abc.abstractmethod
    async def _who(self) -> Any:
        """One call: the user and the groups."""

    async def file_systems(self) -> Sequence[FileSystem]:
        """Known since the connection: no call."""
        return self._site.file_systems

    # -- looking ---------------------------------------------------------------------------------

    async def list_directory(self, path: str) -> list[Entry]:
        """One call. A slash at the end makes the server follow a symlink, and refuse what is no directory."""
        items = await self._list(f"{path.rstrip('/')}/")
        return parsing.entries_of(items, self.MODIFIED, self.LINK_TARGET)

    async def list_tree(self, path: str) -> list[Entry]:
        """One call; it fails as a whole on one unreadable directory."""
        items = await self._list(path, recursive=True)
        if parsing.lists_itself(items, path):
            raise NotADirectory(path)
        return parsing.tree_of(items, self.MODIFIED, self.LINK_TARGET, path)

    async def _list(self, path: str, *, recursive: bool = False) -> list[Any]:
        with self._errors():
            return await self._client.list_files(self.system, self._sent(path), show_hidden=True, recursive=recursive)

    @abc.abstractmethod
    async def stat(self, path: str) -> Stat:
        """One call."""

    async def checksum(self, path: str) -> str:
        """One call."""
        with self._errors():
            return await self._client.checksum(self.system, self._sent(path))

    # -- direct content --------------------------------------------------------------------------

    @abc.abstractmethod
    async def read_direct(self, path: str) -> bytes:
        """One call."""

    @abc.abstractmethod
    async def write_direct(self, path: str, content: bytes | Slice) -> None:
        """One call."""

    def _check_size(self, path: str, content: Sized) -> None:
        if len(content) > self.limits.direct_write:
            raise TooLarge(f"{path}: {len(content)} bytes are more than the {self.limits.direct_write} of an upload")

    # -- changing --------------------------------------------------------------------------------

    async def make_directory(self, path: str) -> None:
        """One call; a lost answer is looked up by a second."""
        async with self._doubts.changing("mkdir", path), looked_up(self.stat, path, Kind.DIRECTORY):
            with self._errors():
                await self._client.mkdir(self.system, self._sent(path))

    async def remove(self, path: str) -> None:
        """One call; a lost answer is looked up by a second. Never a slash at the end: v2 empties a link's target."""
        async with self._doubts.changing("rm", path), looked_up(self.stat, path, None):
            with self._errors():
                await self._remove(self._sent(path.rstrip("/")))

    @abc.abstractmethod
    async def _remove(self, sent: str) -> None:
        """One call."""

    async def chmod(self, path: str, mode: int) -> None:
        """One call. Follows symlinks, whatever the port says: the API has nothing else."""
        with self._errors():
            await self._client.chmod(self.system, self._sent(path), f"{mode & 0o7777:04o}")
