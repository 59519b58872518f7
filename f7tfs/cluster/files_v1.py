"""What FirecREST v1 answers at once, as the port has it."""

from __future__ import annotations

import posixpath
from contextlib import AbstractContextManager
from typing import Any

from f7tfs.cluster import parsing, translate
from f7tfs.cluster.errors import AlreadyExists, InvalidName, NotFound, Uncertain
from f7tfs.cluster.files import Files
from f7tfs.cluster.lookup import kind_of, looked_up
from f7tfs.cluster.model import Features, Kind, Stat
from f7tfs.cluster.names import check_v1
from f7tfs.cluster.site_v1 import SiteV1
from f7tfs.cluster.translate import translated
from f7tfs.firecrest.client_v1 import FirecrestV1
from f7tfs.firecrest.multipart import Slice


class FilesV1(Files[FirecrestV1, SiteV1]):
    """Listings, stat, direct content, and changes of entries."""

    FEATURES = Features(cheap_rename=True, empty_write=True, relative_symlink=True, compressed=True)
    MODIFIED = "last_modified"
    LINK_TARGET = "link_target"

    def check_name(self, path: str) -> None:
        """By the rules of `names`."""
        check_v1(path)

    def _sent(self, path: str) -> str:
        check_v1(path)
        if not path.startswith("/"):
            raise InvalidName(f"{path!r} is not an absolute path")
        return path

    def _errors(self) -> AbstractContextManager[None]:
        return translated(translate.v1)

    async def _who(self) -> Any:
        return await self._client.whoami(self.system)

    async def stat(self, path: str) -> Stat:
        """One call."""
        with self._errors():
            return parsing.stat_of(await self._client.stat(self.system, self._sent(path)))

    # -- direct content --------------------------------------------------------------------------

    async def read_direct(self, path: str) -> bytes:
        """One call."""
        with self._errors():
            return await self._client.simple_download(self.system, self._sent(path))

    async def write_direct(self, path: str, content: bytes | Slice) -> None:
        """One call."""
        self._check_size(path, content)
        directory, name = posixpath.split(self._sent(path))
        async with self._doubts.changing(hash(content), path):
            with self._errors():
                await self._client.simple_upload(self.system, directory, name, content)

    # -- changing --------------------------------------------------------------------------------

    async def _remove(self, sent: str) -> None:
        await self._client.simple_delete(self.system, sent)

    async def rename(self, old: str, new: str, *, free: bool = False) -> None:
        """Two calls, one if `free`: `mv` would move into a directory instead of replacing it: that is looked at."""
        self._sent(old)
        target = None if free else await kind_of(self.stat, self._sent(new))
        if old == new:
            if target is None:
                raise NotFound(old)
            return
        if target is Kind.DIRECTORY:
            raise AlreadyExists(new)
        async with self._doubts.changing(("mv", old, new), old, new):
            try:
                with self._errors():
                    await self._client.mv(self.system, old, new)
            except Uncertain:
                if await kind_of(self.stat, old) is not None or await kind_of(self.stat, new) is None:
                    raise

    async def make_symlink(self, path: str, target: str) -> None:
        """One call, which the server makes inside of `path` if that is a directory: the caller has looked."""
        check_v1(target)
        async with self._doubts.changing(target, path), looked_up(self.stat, path, Kind.SYMLINK):
            with self._errors():
                await self._client.symlink(self.system, target, self._sent(path))

    async def chown(self, path: str, user: str | None, group: str | None) -> None:
        """One call."""
        if user is None and group is None:
            return
        with self._errors():
            await self._client.chown(self.system, self._sent(path), user, group)
