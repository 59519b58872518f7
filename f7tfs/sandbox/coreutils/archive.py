"""`tar -c` and `tar -x` as an ordinary user runs GNU tar, and `unzip -o`."""

from __future__ import annotations

import contextlib
import errno
import lzma
import os
import re
import stat
import tarfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Literal

from f7tfs.sandbox.coreutils.content import Quota
from f7tfs.sandbox.coreutils.failure import CommandFailed, CommandTimedOut, reason
from f7tfs.sandbox.identity import Identity
from f7tfs.sandbox.root import READ, SEARCH, Place, Root, failed

CHUNK = 1 << 20
UMASK = 0o022
GIVE_UP = "tar: Exiting with failure status due to previous errors"
FATAL = "tar: Error is not recoverable: exiting now"
READ_MODES: dict[str, Literal["r|", "r|gz", "r|bz2", "r|xz"]] = {
    "none": "r|",
    "gzip": "r|gz",
    "bzip2": "r|bz2",
    "xz": "r|xz",
}


class Archiver:
    """Makes and unpacks archives over a root. What took too long is left as it was then."""

    def __init__(self, root: Root, identity: Identity, quota: Quota, seconds: float) -> None:
        self._root = root
        self._identity = identity
        self._quota = quota
        self._seconds = seconds

    # -- tar -c ----------------------------------------------------------------------------------

    def compress(
        self,
        source: str,
        target: str,
        *,
        compression: str = "gzip",
        dereference: bool = False,
        pattern: str | None = None,
        unlimited: bool = False,
    ) -> None:
        """Pack `source` under its own name. A missing source leaves an empty archive behind."""
        check = self._clock(unlimited=unlimited)
        try:
            fd = self._root.open_write(target)
        except OSError as error:
            text = f"tar (child): {target}: Cannot open: {reason(error)}"
            child = "tar (child): Error is not recoverable: exiting now\ntar: Child returned status 2"
            raise CommandFailed(2, f"{text}\n{child}\n{FATAL}") from error
        errors: list[str] = []
        name = source.rstrip("/").rsplit("/", 1)[-1]
        with os.fdopen(fd, "wb") as output, _open_tar(output, compression) as archive:
            packer = _Packer(self._root, self._identity, archive, check, errors, dereference, pattern)
            try:
                with self._root.locate(source.rstrip("/"), follow=dereference) as place:
                    packer.add(place, name, source.rstrip("/"))
            except OSError as error:
                errors.append(f"tar: {name}: Cannot stat: {reason(error)}")
        if errors:
            raise CommandFailed(2, "\n".join([*errors, GIVE_UP]))

    # -- tar -x ----------------------------------------------------------------------------------

    def extract(self, source: str, target: str, *, compression: str = "gzip", unlimited: bool = False) -> None:
        """Unpack into `target`, replacing what is in the way as GNU tar does."""
        check = self._clock(unlimited=unlimited)
        with self._opened(source, target) as archive_file:
            errors: list[str] = []
            unpacker = _Unpacker(self._root, target.rstrip("/"), self._quota, errors)
            try:
                with tarfile.open(fileobj=archive_file, mode=READ_MODES[compression]) as archive:
                    for member in archive:
                        check()
                        unpacker.take(member, archive)
            except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, OSError) as error:
                unpacker.finish()
                raise CommandFailed(2, _broken(compression, error)) from error
            unpacker.finish()
        if errors:
            raise CommandFailed(2, "\n".join([*errors, GIVE_UP]))

    def unzip(self, source: str, target: str) -> None:
        """`unzip -o`: plain files and directories."""
        check = self._clock(unlimited=False)
        with self._opened(source, target) as archive_file:
            errors: list[str] = []
            unpacker = _Unpacker(self._root, target.rstrip("/"), self._quota, errors)
            try:
                with zipfile.ZipFile(archive_file) as archive:
                    for info in archive.infolist():
                        check()
                        unpacker.take(_as_member(info), archive)
            except zipfile.BadZipFile as error:
                text = "End-of-central-directory signature not found."
                raise CommandFailed(9, f"unzip: cannot find or open {source}. {text}") from error
            unpacker.finish()
        if errors:
            raise CommandFailed(2, "\n".join(errors))

    @contextlib.contextmanager
    def _opened(self, source: str, target: str) -> Iterator[IO[bytes]]:
        try:
            os.close(self._root.open_directory(target))
        except OSError as error:
            raise CommandFailed(2, f"tar: {target}: Cannot open: {reason(error)}\n{FATAL}") from error
        try:
            fd = self._root.open_read(source)
        except OSError as error:
            text = f"tar (child): {source}: Cannot open: {reason(error)}"
            child = "tar (child): Error is not recoverable: exiting now\ntar: Child returned status 2"
            raise CommandFailed(2, f"{text}\n{child}\n{FATAL}") from error
        with os.fdopen(fd, "rb") as archive_file:
            yield archive_file

    def _clock(self, *, unlimited: bool) -> Callable[[], None]:
        give_up = time.monotonic() + self._seconds

        def check() -> None:
            if not unlimited and time.monotonic() > give_up:
                raise CommandTimedOut

        return check


def _open_tar(output: IO[bytes], compression: str) -> tarfile.TarFile:
    form = tarfile.GNU_FORMAT
    match compression:
        case "gzip":
            return tarfile.open(fileobj=output, mode="w|gz", format=form)
        case "bzip2":
            return tarfile.open(fileobj=output, mode="w|bz2", format=form)
        case "xz":
            return tarfile.open(fileobj=output, mode="w|xz", format=form)
        case _:
            return tarfile.open(fileobj=output, mode="w|", format=form)


def _broken(compression: str, error: Exception) -> str:
    if compression == "gzip" and "gzip" in str(error):
        return f"\ngzip: stdin: not in gzip format\ntar: Child returned status 1\n{FATAL}"
    return f"tar: This does not look like a tar archive\n{GIVE_UP}"


class _Packer:
    """Adds a tree to an archive."""

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


class _Unpacker:
    """Puts the members of an archive into a directory.

    As GNU tar without -p: modes are masked by the umask, owners ignored, files in the way removed first, and the
    modes and times of directories set last.
    """

    def __init__(self, root: Root, target: str, quota: Quota, errors: list[str]) -> None:
        self._root = root
        self._target = target
        self._quota = quota
        self._errors = errors
        self._directories: list[tuple[str, int, int]] = []

    def take(self, member: tarfile.TarInfo, archive: tarfile.TarFile | zipfile.ZipFile) -> None:
        name = member.name.lstrip("/")
        if ".." in name.split("/"):
            self._errors.append(f"tar: {member.name}: Member name contains '..'")
            return
        path = f"{self._target}/{name}".rstrip("/")
        try:
            self._make_parents(name)
            if member.isdir():
                self._directory(path, member)
            else:
                with self._root.locate(path) as place:
                    self._clear(place)
                    self._root.require_change(place)
                    self._create(place, member, archive)
        except OSError as error:
            self._errors.append(f"tar: {name}: Cannot {_verb(member)}: {reason(error)}")

    def finish(self) -> None:
        for path, mode, mtime in reversed(self._directories):
            with contextlib.suppress(OSError), self._root.locate(path) as place:
                fd = os.open(place.name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=place.parent)
                try:
                    os.fchmod(fd, mode)
                    os.utime(fd, ns=(mtime, mtime))
                finally:
                    os.close(fd)

    def _make_parents(self, name: str) -> None:
        path = self._target
        for part in name.rstrip("/").split("/")[:-1]:
            path = f"{path}/{part}"
            with self._root.locate(path, follow=True) as place:
                if not place.exists:
                    self._root.require_change(place)
                    os.mkdir(place.name, 0o777, dir_fd=place.parent)

    def _directory(self, path: str, member: tarfile.TarInfo) -> None:
        with self._root.locate(path) as place:
            if not place.is_dir:
                self._clear(place)
                self._root.require_change(place)
                os.mkdir(place.name, 0o700 | (member.mode & ~UMASK), dir_fd=place.parent)
        self._directories.append((path, member.mode & ~UMASK, _nanoseconds(member)))

    def _clear(self, place: Place) -> None:
        """Remove what is in the way: anything but a directory that is not empty."""
        if place.info is None:
            return
        self._root.require_removal(place)
        if place.is_dir:
            try:
                os.rmdir(place.name, dir_fd=place.parent)
            except OSError as error:
                raise failed(errno.EISDIR) from error
        else:
            os.unlink(place.name, dir_fd=place.parent)

    def _create(self, place: Place, member: tarfile.TarInfo, archive: tarfile.TarFile | zipfile.ZipFile) -> None:
        if member.issym():
            os.symlink(member.linkname, place.name, dir_fd=place.parent)
        elif member.islnk():
            with self._root.locate(f"{self._target}/{member.linkname}") as old:
                os.link(old.name, place.name, src_dir_fd=old.parent, dst_dir_fd=place.parent, follow_symlinks=False)
            return
        elif member.isfifo():
            os.mkfifo(place.name, member.mode & ~UMASK, dir_fd=place.parent)
        elif member.isdev():
            raise failed(errno.EPERM)
        else:
            self._file(place, member, archive)
        mtime = _nanoseconds(member)
        os.utime(place.name, ns=(mtime, mtime), dir_fd=place.parent, follow_symlinks=False)

    def _file(self, place: Place, member: tarfile.TarInfo, archive: tarfile.TarFile | zipfile.ZipFile) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(place.name, flags, 0o600, dir_fd=place.parent)
        try:
            content = (
                archive.open(member.name) if isinstance(archive, zipfile.ZipFile) else archive.extractfile(member)
            )
            if content is not None:
                with content:
                    self._fill(fd, content)
            os.fchmod(fd, member.mode & ~UMASK)
        finally:
            os.close(fd)

    def _fill(self, fd: int, content: IO[bytes]) -> None:
        while chunk := content.read(CHUNK):
            granted = self._quota.take(len(chunk))
            view = memoryview(chunk)[:granted]
            while view:
                view = view[os.write(fd, view) :]
            if granted < len(chunk):
                raise failed(self._quota.code)


def _verb(member: tarfile.TarInfo) -> str:
    if member.issym():
        return f"create symlink to '{member.linkname}'"
    if member.isdir():
        return "mkdir"
    return "mknod" if member.isdev() else "open"


def _nanoseconds(member: tarfile.TarInfo) -> int:
    """The mtime of a member: exact where the archive (PAX) gives it as text."""
    text = member.pax_headers.get("mtime", "")
    match = re.fullmatch(r"(-?\d+)(?:\.(\d{1,9})\d*)?", text)
    if match is None:
        return int(member.mtime * 1_000_000_000)
    fraction = int((match[2] or "0").ljust(9, "0"))
    seconds = int(match[1]) * 1_000_000_000
    return seconds - fraction if match[1].startswith("-") else seconds + fraction


def _as_member(info: zipfile.ZipInfo) -> tarfile.TarInfo:
    member = tarfile.TarInfo(info.filename)
    member.type = tarfile.DIRTYPE if info.is_dir() else tarfile.REGTYPE
    mode = (info.external_attr >> 16) & 0o7777
    member.mode = mode or (0o777 if info.is_dir() else 0o666)
    member.mtime = int(time.mktime((*info.date_time, 0, 0, -1)))
    return member
