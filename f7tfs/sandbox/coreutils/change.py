"""Commands that change the tree: mkdir, rm, ln -s, chmod, chown."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
from collections.abc import Iterator

from f7tfs.sandbox.coreutils.failure import CommandFailed, reason
from f7tfs.sandbox.identity import Identity
from f7tfs.sandbox.root import READ, SEARCH, Place, Root, failed, proc_path


class Changer:
    """Changes over a root, with the messages of the commands that the servers run for them."""

    def __init__(self, root: Root, identity: Identity) -> None:
        self._root = root
        self._identity = identity

    # -- mkdir -----------------------------------------------------------------------------------

    def mkdir(self, path: str, *, parents: bool = False) -> None:
        try:
            if parents:
                self._make_parents(path)
            else:
                self._make(path)
        except OSError as error:
            raise CommandFailed(1, f"mkdir: cannot create directory '{path}': {reason(error)}") from error

    def _make(self, path: str) -> None:
        with self._root.locate(path.rstrip("/") or "/") as place:
            if place.exists:
                raise failed(errno.EEXIST)
            self._root.require_change(place)
            os.mkdir(place.name, 0o777, dir_fd=place.parent)

    def _make_parents(self, path: str) -> None:
        done = ""
        for part in [p for p in path.split("/") if p]:
            done = f"{done}/{part}"
            with self._root.locate(done, follow=True) as place:
                if place.is_dir:
                    continue
                if place.exists:
                    raise failed(errno.EEXIST)
            self._make(done)

    # -- rm --------------------------------------------------------------------------------------

    def remove(self, path: str) -> None:
        """`rm -r --interactive=never`: a whole tree without a question; goes on after what it cannot remove."""
        errors: list[str] = []
        try:
            with self._root.locate(path.rstrip("/") or "/") as place:
                if path.rstrip("/").rsplit("/", 1)[-1] in {".", ".."}:
                    raise CommandFailed(1, f"rm: refusing to remove '.' or '..' directory: skipping '{path}'")
                if place.info is None:
                    raise failed(errno.ENOENT)
                if path.endswith("/") and not place.is_dir:
                    self._remove_behind(path, place, errors)
                else:
                    self._remove(place, path, errors)
        except OSError as error:
            raise CommandFailed(1, f"rm: cannot remove '{path}': {reason(error)}") from error
        if errors:
            raise CommandFailed(1, "\n".join(errors))

    def _remove_behind(self, path: str, place: Place, errors: list[str]) -> None:
        """`rm -r link/`: empties the directory that the link leads to, and then fails on the link."""
        if place.is_link:
            with self._root.locate(path) as target:
                if target.is_dir:
                    self._empty(target, path.rstrip("/"), errors)
        errors.append(f"rm: cannot remove '{path}': Not a directory")

    def _remove(self, place: Place, path: str, errors: list[str]) -> bool:
        if place.is_dir and not self._empty(place, path, errors):
            return False
        try:
            self._root.require_removal(place)
            if place.is_dir:
                os.rmdir(place.name, dir_fd=place.parent)
            else:
                os.unlink(place.name, dir_fd=place.parent)
        except OSError as error:
            errors.append(f"rm: cannot remove '{path}': {reason(error)}")
            return False
        return True

    def _empty(self, place: Place, path: str, errors: list[str]) -> bool:
        info = place.require()
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(place.name, flags, dir_fd=place.parent)
        try:
            names = os.listdir(fd)  # noqa: PTH208 - a descriptor, not a path
            if names and not self._root.allowed(info, READ):
                errors.append(f"rm: cannot remove '{path}': Permission denied")
                return False
            whole = True
            for name in names:
                below = f"{path}/{name}"
                if not self._root.allowed(info, SEARCH):
                    errors.append(f"rm: cannot remove '{below}': Permission denied")
                    whole = False
                    continue
                with contextlib.suppress(FileNotFoundError):
                    child = Place(fd, name, os.stat(name, dir_fd=fd, follow_symlinks=False))
                    whole = self._remove(child, below, errors) and whole
            return whole
        finally:
            os.close(fd)

    # -- ln -s -----------------------------------------------------------------------------------

    def symlink(self, target: str, link: str) -> None:
        """`ln -s target link`: a link that is an existing directory gets the new link inside it."""
        path = link
        try:
            with self._root.locate(link, follow=True) as place:
                if place.is_dir:
                    path = f"{link.rstrip('/')}/{target.rstrip('/').rsplit('/', 1)[-1]}"
        except OSError as error:
            raise CommandFailed(1, f"ln: failed to access '{link}': {reason(error)}") from error
        try:
            with self._root.locate(path) as place:
                if place.exists:
                    raise failed(errno.EEXIST)
                self._root.require_change(place)
                os.symlink(target, place.name, dir_fd=place.parent)
        except OSError as error:
            raise CommandFailed(1, f"ln: failed to create symbolic link '{path}': {reason(error)}") from error

    # -- chmod and chown -------------------------------------------------------------------------

    def chmod(self, path: str, text: str) -> str:
        """Changes the mode; returns what `chmod -v` says. Follows symlinks."""
        with self._changed("chmod", "permissions", path) as place:
            info = place.require()
            old = stat.S_IMODE(info.st_mode)
            new = parse_mode(text, old, directory=place.is_dir)
            if new is None:
                raise CommandFailed(1, f"chmod: invalid mode: '{text}'\nTry 'chmod --help' for more information.")
            if not self._root.owns(info):
                raise failed(errno.EPERM)
            with _held(place) as name:
                os.chmod(name, new)  # noqa: PTH101 - a descriptor, not a path
        return f"mode of '{path}' {_change_text(old, new)}"

    def chown(self, path: str, owner: str, group: str) -> str:
        """`chown -v owner:group`; either may be empty. Only to oneself and to groups of one's own."""
        spec = f"{owner}:{group}" if group else owner
        if owner and not self._identity.known_user(owner):
            raise CommandFailed(1, f"chown: invalid user: '{spec}'")
        if group and not self._identity.known_group(group):
            raise CommandFailed(1, f"chown: invalid group: '{spec}'")
        gid = self._identity.real_gid(group) if group else -1
        with self._changed("chown", "ownership", path) as place:
            info = place.require()
            foreign = (owner and not self._identity.is_self(owner)) or gid is None or not self._root.owns(info)
            if foreign:
                raise failed(errno.EPERM)
            with _held(place) as name:
                os.chown(name, -1, gid if gid is not None else -1)
        return f"ownership of '{path}' retained as {spec}"

    @contextlib.contextmanager
    def _changed(self, command: str, what: str, path: str) -> Iterator[Place]:
        """Where a path leads; what fails in the block is told as the command tells it."""
        try:
            with self._root.locate(path, follow=True) as place:
                yield place
        except OSError as error:
            word = f"changing {what} of" if error.errno == errno.EPERM else "cannot access"
            raise CommandFailed(1, f"{command}: {word} '{path}': {reason(error)}") from error


@contextlib.contextmanager
def _held(place: Place) -> Iterator[str]:
    """A name for what is there now, and for nothing that takes its place meanwhile."""
    fd = os.open(place.name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=place.parent)
    try:
        yield proc_path(fd)
    finally:
        os.close(fd)


def _change_text(old: int, new: int) -> str:
    def shown(mode: int) -> str:
        return f"{mode:04o} ({stat.filemode(mode)[1:]})"

    return f"retained as {shown(old)}" if old == new else f"changed from {shown(old)} to {shown(new)}"


CLAUSE = re.compile(r"([ugoa]*)((?:[-+=][rwxXst]*)+)$")
WHO = {"u": 0o4700, "g": 0o2070, "o": 0o1007}
UMASK = 0o022


def parse_mode(text: str, old: int, *, directory: bool) -> int | None:
    """The mode that a chmod argument gives, or None if it is none. Octal or symbolic, as GNU chmod takes them."""
    if re.fullmatch(r"[0-7]{1,4}", text):
        value = int(text, 8)
        return value | (old & 0o6000 if directory and len(text) < 5 else 0)
    mode = old
    for clause in text.split(","):
        match = CLAUSE.match(clause)
        if match is None:
            return None
        who, actions = match.groups()
        for operator, letters in re.findall(r"([-+=])([rwxXst]*)", actions):
            mode = _apply(mode, who, operator, letters, directory=directory)
    return mode


def _apply(mode: int, who: str, operator: str, letters: str, *, directory: bool) -> int:
    reach = 0o7777 if not who or "a" in who else sum(WHO[w] for w in set(who))
    bits = 0
    for letter in letters:
        bits |= {"r": 0o444, "w": 0o222, "x": 0o111, "s": 0o6000, "t": 0o1000, "X": 0}[letter]
        if letter == "X" and (directory or mode & 0o111):
            bits |= 0o111
    bits &= reach
    if not who:
        bits &= ~UMASK
    if operator == "+":
        return mode | bits
    if operator == "-":
        return mode & ~bits
    return (mode & ~(reach & 0o777)) | bits
