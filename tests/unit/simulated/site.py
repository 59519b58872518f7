"""What is on a simulated cluster: a tree in memory, by paths, with symlinks followed as there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import trio

from f7tfs.cluster.errors import NotADirectory, NotFound, TooManySymlinks
from f7tfs.cluster.model import Kind

EPOCH = 1_700_000_000
LOOPS = 20


def now() -> float:
    """Epoch seconds, of virtual time."""
    return EPOCH + trio.current_time()


@dataclass(eq=False, slots=True, kw_only=True)
class Thing:
    """Anything that has a name there."""

    kind: Kind
    mode: int
    ino: int
    mtime: int
    data: bytes = b""
    target: str = ""
    children: dict[str, Thing] = field(default_factory=dict)

    @property
    def size(self) -> int:
        return {Kind.FILE: len(self.data), Kind.SYMLINK: len(self.target)}.get(self.kind, 4096)


class Site:
    """What is there, and survives whoever uses it."""

    def __init__(self) -> None:
        self._last = 0
        self.top = self.new(Kind.DIRECTORY, 0o755)

    def new(self, kind: Kind, mode: int, data: bytes = b"", target: str = "") -> Thing:
        self._last += 1
        return Thing(kind=kind, mode=mode, ino=self._last, mtime=self.second(), data=data, target=target)

    def second(self) -> int:
        try:
            return int(now())
        except RuntimeError:
            return EPOCH

    # -- paths -----------------------------------------------------------------------------------

    def find(self, path: str, *, follow: bool = False, depth: int = 0) -> Thing:
        if depth > LOOPS:
            raise TooManySymlinks(path)
        thing, at = self.top, ""
        names = [name for name in path.split("/") if name]
        for index, name in enumerate(names):
            if thing.kind is not Kind.DIRECTORY:
                raise NotADirectory(path)
            if name not in thing.children:
                raise NotFound(path)
            thing = thing.children[name]
            last = index == len(names) - 1
            if thing.kind is Kind.SYMLINK and (follow or not last):
                target = thing.target if thing.target.startswith("/") else f"{at}/{thing.target}"
                thing = self.find(target, follow=True, depth=depth + 1)
            at = f"{at}/{name}"
        return thing

    def parent(self, path: str) -> tuple[Thing, str]:
        above, _, name = path.rpartition("/")
        directory = self.find(above or "/", follow=True)
        if directory.kind is not Kind.DIRECTORY:
            raise NotADirectory(path)
        return directory, name

    def place(self, path: str) -> tuple[Thing, str, Thing | None]:
        directory, name = self.parent(path)
        return directory, name, directory.children.get(name)

    def put(self, path: str, thing: Thing) -> None:
        directory, name = self.parent(path)
        directory.children[name] = thing
        directory.mtime = self.second()

    def take(self, path: str) -> Thing:
        directory, name, thing = self.place(path)
        if thing is None:
            raise NotFound(path)
        del directory.children[name]
        directory.mtime = self.second()
        return thing


def below(thing: Thing, prefix: str = "") -> Iterator[tuple[str, Thing]]:
    for name, child in thing.children.items():
        yield prefix + name, child
        if child.kind is Kind.DIRECTORY:
            yield from below(child, f"{prefix}{name}/")
