"""What FirecREST v2 answers at once, as the port has it."""

from __future__ import annotations

import posixpath
from contextlib import AbstractContextManager
from typing import Any

from f7tfs.cluster import parsing, translate
from f7tfs.cluster.errors import AlreadyExists, InvalidName, Unsupported
from f7tfs.cluster.files import Files
from f7tfs.cluster.lookup import looked_up
from f7tfs.cluster.model import Features, Kind, Stat
from f7tfs.cluster.names import check_v2, check_v2_new, check_v2_upload, quote_v2
from f7tfs.cluster.scratch import is_below
from f7tfs.cluster.site_v2 import SiteV2
from f7tfs.cluster.translate import translated
from f7tfs.firecrest.client_v2 import FirecrestV2
from f7tfs.firecrest.multipart import Slice


class FilesV2(Files[FirecrestV2, SiteV2]):
    """What v2 answers at once: listings, stat, direct content, and changes of entries."""

    FEATURES = Features(cheap_rename=False, empty_write=False, relative_symlink=False, pieces=True, compressed=True)
    MODIFIED = "lastModified"
    LINK_TARGET = "linkTarget"

    def __init__(self, client: FirecrestV2, site: SiteV2, *, escape_quotes: bool = True) -> None:
        super().__init__(client, site)
        self._escape_quotes = escape_quotes

    def check_name(self, path: str) -> None:
        """By the rules of `names`."""
        check_v2_new(path)

    def _sent(self, path: str) -> str:
        check_v2(path)
        if not path.startswith("/"):
            raise InvalidName(f"{path!r} is not an absolute path")
        return self._quoted(path)

    def _quoted(self, path: str) -> str:
        return quote_v2(path) if self._escape_quotes else path

    def _errors(self) -> AbstractContextManager[None]:
        return translated(translate.v2)

    async def _who(self) -> Any:
        return await self._client.userinfo(self.system)

    async def stat(self, path: str) -> Stat:
        """One call."""
        return await self._stat(path, dereference=False)

    async def _stat(self, path: str, *, dereference: bool) -> Stat:
        with self._errors():
            answer = await self._client.stat(self.system, self._sent(path), dereference=dereference)
            return parsing.stat_of(answer)

    # -- direct content --------------------------------------------------------------------------

    async def read_direct(self, path: str) -> bytes:
        """One call."""
        with self._errors():
            return await self._client.download(self.system, self._sent(path))

    async def write_direct(self, path: str, content: bytes | Slice) -> None:
        """One call. The server waits for ever for the end of an empty input: refused before it is sent."""
        check_v2_upload(path)
        if not content:
            raise Unsupported(f"{path}: FirecREST v2 cannot upload an empty file")
        self._check_size(path, content)
        directory, name = posixpath.split(path)
        async with self._doubts.changing(hash(content), path):
            with self._errors():
                await self._client.upload(self.system, self._sent(directory), self._quoted(name), content)

    # -- changing --------------------------------------------------------------------------------

    async def _remove(self, sent: str) -> None:
        await self._client.rm(self.system, sent)

    async def make_symlink(self, path: str, target: str) -> None:
        """One call. The target must be absolute, normal and below a file system of the system."""
        check_v2(target)
        if not self._may_link_to(target):
            raise Unsupported(f"{path}: FirecREST v2 cannot make a symlink to {target!r}")
        made: dict[str, Any] = {}
        async with self._doubts.changing(target, path), looked_up(self.stat, path, Kind.SYMLINK):
            with self._errors():
                made = await self._client.symlink(self.system, self._sent(target), self._sent(path))
        if made and made.get("type") != Kind.SYMLINK.value:
            # `path` is a directory, and the link has been made inside of it.
            await self.remove(posixpath.join(path, posixpath.basename(target)))
            raise AlreadyExists(path)

    def _may_link_to(self, target: str) -> bool:
        if posixpath.normpath(target) != target:
            return False
        return any(is_below(target, system.path) for system in self._site.file_systems)

    async def chown(self, path: str, user: str | None, group: str | None) -> None:
        """One call."""
        if user is None and group is None:
            return
        with self._errors():
            await self._client.chown(self.system, self._sent(path), user or "", group or "")
