"""`mv --force` and `cp --force -dR --preserve=all`."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator

from f7tfs.sandbox.coreutils.failure import CommandFailed, reason
from f7tfs.sandbox.root import READ, SEARCH, WRITE, Place, Root

CHUNK = 1 << 20


class Mover:
    """Moves and copies over a root. Both go INTO a target that is an existing directory."""

    def __init__(self, root: Root) -> None:
        self._root = root

    # -- mv --------------------------------------------------------------------------------------

    def move(self, source: str, target: str) -> None:
        destination = self._destination("mv", source, target)
        with self._source("mv", source) as old:
            try:
                with self._root.locate(destination.rstrip("/") or "/") as new:
                    self._check("mv", source, destination, old, new)
                    if old.is_dir and self._inside(old, new):
                        raise CommandFailed(
                            1, f"mv: cannot move '{source}' to a subdirectory of itself, '{destination}'"
                        )
                    self._rename(old, new)
            except OSError as error:
                raise CommandFailed(1, f"mv: cannot move '{source}' to '{destination}': {reason(error)}") from error

    def _rename(self, old: Place, new: Place) -> None:
        self._root.require_removal(old)
        self._root.require_change(new)
        try:
            os.rename(old.name, new.name, src_dir_fd=old.parent, dst_dir_fd=new.parent)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            self._copy(old, new, "", "", [])
            _remove_tree(old)

    # -- cp --------------------------------------------------------------------------------------

    def copy(self, source: str, target: str) -> None:
        destination = self._destination("cp", source, target)
        errors: list[str] = []
        with self._source("cp", source) as old:
            try:
                with self._root.locate(destination.rstrip("/") or "/", follow=not old.is_link) as new:
                    self._check("cp", source, destination, old, new)
                    if old.is_dir and self._inside(old, new):
                        raise CommandFailed(
                            1, f"cp: cannot copy a directory, '{source}', into itself, '{destination}'"
                        )
                    self._copy(old, new, source, destination, errors)
            except OSError as error:
                kind = "directory" if old.is_dir else "regular file"
                raise CommandFailed(1, f"cp: cannot create {kind} '{destination}': {reason(error)}") from error
        if errors:
            raise CommandFailed(1, "\n".join(errors))

    def _copy(self, old: Place, new: Place, source: str, destination: str, errors: list[str]) -> None:
        info = old.require()
        if stat.S_ISDIR(info.st_mode):
            self._copy_directory(old, new, source, destination, errors)
        elif stat.S_ISLNK(info.st_mode):
            self._root.require_change(new)
            if new.exists:
                os.unlink(new.name, dir_fd=new.parent)
            os.symlink(os.readlink(old.name, dir_fd=old.parent), new.name, dir_fd=new.parent)
            _keep_times(new, info)
        elif stat.S_ISFIFO(info.st_mode):
            self._root.require_change(new)
            os.mkfifo(new.name, stat.S_IMODE(info.st_mode), dir_fd=new.parent)
        elif not self._root.allowed(info, READ):
            errors.append(f"cp: cannot open '{source}' for reading: Permission denied")
        else:
            self._copy_file(old, new, info)

    def _copy_file(self, old: Place, new: Place, info: os.stat_result) -> None:
        if new.info is None:
            self._root.require_change(new)
        elif not self._root.allowed(new.info, WRITE):
            self._root.require_removal(new)  # what --force does with a file it cannot open
            os.unlink(new.name, dir_fd=new.parent)
        flags = os.O_NOFOLLOW | os.O_CLOEXEC
        reader = os.open(old.name, os.O_RDONLY | flags, dir_fd=old.parent)
        try:
            mode = stat.S_IMODE(info.st_mode)
            writer = os.open(new.name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | flags, mode, dir_fd=new.parent)
            try:
                _pump(reader, writer)
                os.fchmod(writer, mode)
                os.utime(writer, ns=(info.st_atime_ns, info.st_mtime_ns))
            finally:
                os.close(writer)
        finally:
            os.close(reader)

    def _copy_directory(self, old: Place, new: Place, source: str, destination: str, errors: list[str]) -> None:
        info = old.require()
        if not self._root.allowed(info, READ | SEARCH):
            errors.append(f"cp: cannot access '{source}': Permission denied")
            return
        if not new.exists:
            self._root.require_change(new)
            os.mkdir(new.name, 0o700, dir_fd=new.parent)
        with _opened(old) as reader, _opened(new) as writer:
            for name in os.listdir(reader):  # noqa: PTH208 - a descriptor, not a path
                with contextlib.suppress(FileNotFoundError):
                    below = Place(reader, name, os.stat(name, dir_fd=reader, follow_symlinks=False))
                    there = Place(writer, name, _lstat(writer, name))
                    self._copy(below, there, f"{source}/{name}", f"{destination}/{name}", errors)
            os.fchmod(writer, stat.S_IMODE(info.st_mode))
            os.utime(writer, ns=(info.st_atime_ns, info.st_mtime_ns))

    # -- both ------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _source(self, command: str, path: str) -> Iterator[Place]:
        try:
            manager = self._root.locate(path.rstrip("/") or "/")
            place = manager.__enter__()
        except OSError as error:
            raise CommandFailed(1, f"{command}: cannot stat '{path}': {reason(error)}") from error
        with contextlib.ExitStack() as stack:
            stack.push(manager)
            if place.info is None:
                raise CommandFailed(1, f"{command}: cannot stat '{path}': No such file or directory")
            yield place

    def _destination(self, command: str, source: str, target: str) -> str:
        try:
            with self._root.locate(target, follow=True) as place:
                if place.is_dir:
                    return f"{target.rstrip('/')}/{source.rstrip('/').rsplit('/', 1)[-1]}"
        except OSError as error:
            if error.errno not in {errno.ENOENT, errno.ELOOP}:
                raise CommandFailed(1, f"{command}: failed to access '{target}': {reason(error)}") from error
        return target

    @staticmethod
    def _check(command: str, source: str, destination: str, old: Place, new: Place) -> None:
        if new.info is None:
            return
        if os.path.samestat(old.require(), new.info):
            raise CommandFailed(1, f"{command}: '{source}' and '{destination}' are the same file")
        if old.is_dir and not new.is_dir:
            raise CommandFailed(
                1, f"{command}: cannot overwrite non-directory '{destination}' with directory '{source}'"
            )
        if new.is_dir and not old.is_dir:
            raise CommandFailed(
                1, f"{command}: cannot overwrite directory '{destination}' with non-directory '{source}'"
            )

    @staticmethod
    def _inside(old: Place, new: Place) -> bool:
        """Whether the new place lies below the old one, which is a directory."""
        info = old.require()
        fd = os.dup(new.parent)
        try:
            while True:
                here = os.fstat(fd)
                if os.path.samestat(here, info):
                    return True
                above = os.open("..", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=fd)
                os.close(fd)
                fd = above
                if os.path.samestat(os.fstat(fd), here):
                    return False
        finally:
            os.close(fd)


@contextlib.contextmanager
def _opened(place: Place) -> Iterator[int]:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(place.name, flags, dir_fd=place.parent)
    try:
        yield fd
    finally:
        os.close(fd)


def _lstat(parent: int, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=parent, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _pump(reader: int, writer: int) -> None:
    while chunk := os.read(reader, CHUNK):
        view = memoryview(chunk)
        while view:
            view = view[os.write(writer, view) :]


def _keep_times(place: Place, info: os.stat_result) -> None:
    times = (info.st_atime_ns, info.st_mtime_ns)
    os.utime(place.name, ns=times, dir_fd=place.parent, follow_symlinks=False)


def _remove_tree(place: Place) -> None:
    if not place.is_dir:
        os.unlink(place.name, dir_fd=place.parent)
        return
    with _opened(place) as fd:
        for name in os.listdir(fd):  # noqa: PTH208 - a descriptor, not a path
            _remove_tree(Place(fd, name, _lstat(fd, name)))
    os.rmdir(place.name, dir_fd=place.parent)
