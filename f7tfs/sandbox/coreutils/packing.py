"""What goes into an archive: a tree, as an ordinary user's `tar -c` sees it."""

from __future__ import annotations

import os
import re
import stat
import tarfile
from collections.abc import Callable

from f7tfs.sandbox.coreutils.failure import reason
from f7tfs.sandbox.identity import Identity
from f7tfs.sandbox.root import READ, SEARCH, Place, Root


class Packer:
    """Adds a tree to an archive. What cannot be read is left out, and put down in `errors` in tar's words."""

    def __init__(
        self,
        root: Root,
        identity: Identity,
        archive: tarfile.TarFile,
        check: Callable[[], None],
        errors: list[str],
        dereference: bool,
        pattern: str | None,
    ) -> None:
        self._root = root
        self._identity = identity
        self._archive = archive
        self._check = check
        self._errors = errors
        self._dereference = dereference
        self._pattern = re.compile(pattern) if pattern else None

    def add(self, place: Place, name: str, path: str) -> None:
        """What is at `place`, under `name`, with all below it. `path`: its own, which a pattern is compared with."""
        self._check()
        info = place.require()
        member = self._member(place, info, name)
        if member is None:
            return
        wanted = self._pattern is None or self._pattern.fullmatch(path) is not None
        if member.isreg() and wanted:
            self._add_file(place, info, member)
        elif wanted:
            self._archive.addfile(member)
        if member.isdir():
            self._add_below(place, info, name, path)

    def _member(self, place: Place, info: os.stat_result, name: str) -> tarfile.TarInfo | None:
        member = tarfile.TarInfo(name)
        kinds = {
            stat.S_IFREG: tarfile.REGTYPE,
            stat.S_IFDIR: tarfile.DIRTYPE,
            stat.S_IFLNK: tarfile.SYMTYPE,
            stat.S_IFIFO: tarfile.FIFOTYPE,
        }
        kind = kinds.get(stat.S_IFMT(info.st_mode))
        if kind is None:
            return None
        member.type = kind
        member.mode = stat.S_IMODE(info.st_mode)
        member.mtime = int(info.st_mtime)
        member.uid, member.gid = self._identity.uid(info.st_uid), self._identity.gid(info.st_gid)
        member.uname, member.gname = self._identity.user(info.st_uid), self._identity.group(info.st_gid)
        if kind == tarfile.SYMTYPE:
            member.linkname = os.readlink(place.name, dir_fd=place.parent)
        if kind == tarfile.REGTYPE:
            member.size = info.st_size
        return member

    def _add_file(self, place: Place, info: os.stat_result, member: tarfile.TarInfo) -> None:
        if not self._root.allowed(info, READ):
            self._errors.append(f"tar: {member.name}: Cannot open: Permission denied")
            return
        fd = os.open(place.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=place.parent)
        with os.fdopen(fd, "rb") as content:
            member.size = os.fstat(content.fileno()).st_size
            self._archive.addfile(member, content)

    def _add_below(self, place: Place, info: os.stat_result, name: str, path: str) -> None:
        if not self._root.allowed(info, READ | SEARCH):
            self._errors.append(f"tar: {name}: Cannot open: Permission denied")
            return
        fd = os.open(place.name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=place.parent)
        try:
            for entry in os.listdir(fd):  # noqa: PTH208 - a descriptor, not a path
                below = f"{path}/{entry}"
                try:
                    with self._root.locate(below, follow=self._dereference) as child:
                        self.add(child, f"{name}/{entry}", below)
                except OSError as error:
                    self._errors.append(f"tar: {name}/{entry}: Cannot stat: {reason(error)}")
        finally:
            os.close(fd)
