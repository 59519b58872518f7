"""`tar -c` and `tar -x` as an ordinary user runs GNU tar, and `unzip -o`."""

from __future__ import annotations

import contextlib
import lzma
import os
import tarfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Literal

from f7tfs.sandbox.coreutils.content import Quota
from f7tfs.sandbox.coreutils.failure import CommandFailed, CommandTimedOut, reason
from f7tfs.sandbox.coreutils.packing import Packer
from f7tfs.sandbox.coreutils.unpacking import Unpacker
from f7tfs.sandbox.identity import Identity
from f7tfs.sandbox.root import Root

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
            raise _child_failed(target, error) from error
        errors: list[str] = []
        name = source.rstrip("/").rsplit("/", 1)[-1]
        with os.fdopen(fd, "wb") as output, _open_tar(output, compression) as archive:
            packer = Packer(self._root, self._identity, archive, check, errors, dereference, pattern)
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
            unpacker = Unpacker(self._root, target.rstrip("/"), self._quota, errors)
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
            unpacker = Unpacker(self._root, target.rstrip("/"), self._quota, errors)
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
            raise _child_failed(source, error) from error
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


def _child_failed(path: str, error: OSError) -> CommandFailed:
    """tar leaves the archive to a child, which cannot open it."""
    child = f"tar (child): {path}: Cannot open: {reason(error)}\ntar (child): Error is not recoverable: exiting now"
    return CommandFailed(2, f"{child}\ntar: Child returned status 2\n{FATAL}")


def _broken(compression: str, error: Exception) -> str:
    if compression == "gzip" and "gzip" in str(error):
        return f"\ngzip: stdin: not in gzip format\ntar: Child returned status 1\n{FATAL}"
    return f"tar: This does not look like a tar archive\n{GIVE_UP}"


def _as_member(info: zipfile.ZipInfo) -> tarfile.TarInfo:
    member = tarfile.TarInfo(info.filename)
    member.type = tarfile.DIRTYPE if info.is_dir() else tarfile.REGTYPE
    mode = (info.external_attr >> 16) & 0o7777
    member.mode = mode or (0o777 if info.is_dir() else 0o666)
    member.mtime = int(time.mktime((*info.date_time, 0, 0, -1)))
    return member
