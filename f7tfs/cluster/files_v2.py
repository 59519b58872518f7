"""What FirecREST v2 answers at once, as the port has it."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

from f7tfs.cluster import parsing, translate
from f7tfs.cluster.doubts import Doubts
from f7tfs.cluster.errors import AlreadyExists, InvalidName, NotADirectory, TooLarge, Unsupported
from f7tfs.cluster.lookup import looked_up
from f7tfs.cluster.model import Entry, Features, FileSystem, Identity, Kind, Limits, Stat
from f7tfs.cluster.names import check_v2, check_v2_upload, quote_v2
from f7tfs.cluster.scratch import is_below
from f7tfs.cluster.site_v2 import SiteV2
from f7tfs.cluster.translate import translated
from f7tfs.firecrest.client_v2 import FirecrestV2

_FEATURES = Features(cheap_rename=False, empty_write=False, relative_symlink=False, pieces=True)


class FilesV2:
    """What v2 answers at once: listings, stat, direct content, and changes of entries."""

    def __init__(self, client: FirecrestV2, site: SiteV2, *, escape_quotes: bool = True) -> None:
        self._client = client
        self._site = site
        self._escape_quotes = escape_quotes
        self._identity: Identity | None = None
        self._doubts = Doubts(site.limits.command_seconds)

    @property
    def system(self) -> str:
        """The name as the server spells it."""
        return self._site.name

    @property
    def limits(self) -> Limits:
        """From the site's configuration."""
        return self._site.limits

    @property
    def features(self) -> Features:
        """v2 has no rename, no empty upload and no relative symlink in one call."""
        return _FEATURES

    @property
    def calls(self) -> dict[str, int]:
        """Requests sent so far."""
        return self._client.calls

    def check_name(self, path: str) -> None:
        """By the rules of `names`."""
        check_v2_upload(path)

    # -- who and where ---------------------------------------------------------------------------

    async def identity(self) -> Identity:
        """One call, the first time."""
        if self._identity is None:
            with _errors():
                self._identity = parsing.identity_of(await self._client.userinfo(self.system))
        return self._identity

    async def file_systems(self) -> Sequence[FileSystem]:
        """Known since the connection: no call."""
        return self._site.file_systems

    # -- looking ---------------------------------------------------------------------------------

    async def list_directory(self, path: str) -> list[Entry]:
        """One call. A slash at the end makes the server follow a symlink, and refuse what is no directory."""
        items = await self._list(f"{path.rstrip('/')}/")
        return parsing.entries_of(items, "lastModified", "linkTarget")

    async def list_tree(self, path: str) -> list[Entry]:
        """One call; it fails as a whole on one unreadable directory."""
        items = await self._list(path, recursive=True)
        if parsing.lists_itself(items, path):
            raise NotADirectory(path)
        return parsing.tree_of(items, "lastModified", "linkTarget", path)

    async def _list(self, path: str, *, recursive: bool = False) -> list[Any]:
        with _errors():
            return await self._client.list_files(self.system, self._sent(path), show_hidden=True, recursive=recursive)

    async def stat(self, path: str) -> Stat:
        """One call."""
        return await self._stat(path, dereference=False)

    async def _stat(self, path: str, *, dereference: bool) -> Stat:
        with _errors():
            answer = await self._client.stat(self.system, self._sent(path), dereference=dereference)
            return parsing.stat_of(answer)

    async def checksum(self, path: str) -> str:
        """One call."""
        with _errors():
            return await self._client.checksum(self.system, self._sent(path))

    # -- direct content --------------------------------------------------------------------------

    async def read_direct(self, path: str) -> bytes:
        """One call."""
        with _errors():
            return await self._client.download(self.system, self._sent(path))

    async def write_direct(self, path: str, content: bytes) -> None:
        """One call. The server waits for ever for the end of an empty input: refused before it is sent."""
        check_v2_upload(path)
        if not content:
            raise Unsupported(f"{path}: FirecREST v2 cannot upload an empty file")
        if len(content) > self.limits.direct_write:
            raise TooLarge(f"{path}: {len(content)} bytes are more than the {self.limits.direct_write} of an upload")
        directory, name = posixpath.split(path)
        async with self._doubts.changing(hash(content), path):
            with _errors():
                await self._client.upload(self.system, self._sent(directory), self._quoted(name), content)

    # -- changing --------------------------------------------------------------------------------

    async def make_directory(self, path: str) -> None:
        """One call; a lost answer is looked up by a second."""
        async with self._doubts.changing("mkdir", path), looked_up(self.stat, path, Kind.DIRECTORY):
            with _errors():
                await self._client.mkdir(self.system, self._sent(path))

    async def remove(self, path: str) -> None:
        """One call; a lost answer is looked up by a second. Never a slash at the end: it empties a link's target."""
        async with self._doubts.changing("rm", path), looked_up(self.stat, path, None):
            with _errors():
                await self._client.rm(self.system, self._sent(path.rstrip("/")))

    async def make_symlink(self, path: str, target: str) -> None:
        """One call. The target must be absolute, normal and below a file system of the system."""
        check_v2(target)
        if not self._may_link_to(target):
            raise Unsupported(f"{path}: FirecREST v2 cannot make a symlink to {target!r}")
        made: dict[str, Any] = {}
        async with self._doubts.changing(target, path), looked_up(self.stat, path, Kind.SYMLINK):
            with _errors():
                made = await self._client.symlink(self.system, self._sent(target), self._sent(path))
        if made and made.get("type") != Kind.SYMLINK.value:
            # `path` is a directory, and the link has been made inside of it.
            await self.remove(posixpath.join(path, posixpath.basename(target)))
            raise AlreadyExists(path)

    def _may_link_to(self, target: str) -> bool:
        if posixpath.normpath(target) != target:
            return False
        return any(is_below(target, system.path) for system in self._site.file_systems)

    async def chmod(self, path: str, mode: int) -> None:
        """One call. Follows symlinks, whatever the port says: v2 has nothing else."""
        with _errors():
            await self._client.chmod(self.system, self._sent(path), f"{mode & 0o7777:04o}")

    async def chown(self, path: str, user: str | None, group: str | None) -> None:
        """One call."""
        if user is None and group is None:
            return
        with _errors():
            await self._client.chown(self.system, self._sent(path), user or "", group or "")

    # -- helpers ---------------------------------------------------------------------------------

    def _sent(self, path: str) -> str:
        """`path` as a request carries it. Raises InvalidName."""
        check_v2(path)
        if not path.startswith("/"):
            raise InvalidName(f"{path!r} is not an absolute path")
        return self._quoted(path)

    def _quoted(self, path: str) -> str:
        return quote_v2(path) if self._escape_quotes else path


def _errors() -> AbstractContextManager[None]:
    return translated(translate.v2)
