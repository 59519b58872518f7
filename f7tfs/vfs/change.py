"""A change that the cluster does not have yet, and in which order changes are made. Pure.

Every change names the places that it concerns as the cluster has them once all earlier changes are made. So two
changes may be made in any order, and at the same time, unless a place of one is a place of the other, or lies above
it: a directory is made before what is in it, and a tree is removed from its leaves.
"""

from __future__ import annotations

import enum
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from f7tfs.cluster.errors import ClusterError
from f7tfs.vfs.content import Content
from f7tfs.vfs.nodes import Directory, File, Node, Standing
from f7tfs.vfs.standing import either


class ChangeKind(enum.StrEnum):
    """What is to be done on the cluster."""

    CONTENT = "content"
    MKDIR = "mkdir"
    SYMLINK = "symlink"
    UNLINK = "unlink"
    RMDIR = "rmdir"
    RENAME = "rename"
    CHMOD = "chmod"


class State(enum.StrEnum):
    """How far a change has come."""

    OPEN = "open"
    """A content that is still being written."""
    READY = "ready"
    FAILED = "failed"
    """The cluster refused it for good."""


@dataclass(eq=False, slots=True, kw_only=True)
class Change:
    """What waits to be done, or could not be. Modes, times and the target of a symlink are the node's."""

    row: int
    """In the journal; the order of the rows is the order of the changes."""
    kind: ChangeKind
    node: Node
    path: str
    """Its place on the cluster, once all earlier changes are made."""
    new_path: str = ""
    """Of a rename."""
    content: Content | None = None
    standing: Standing = field(default_factory=Standing)
    """What is expected at `path`; of a content its node knows it."""
    new_standing: Standing = field(default_factory=Standing)
    """What is expected at `new_path`."""
    dentries: tuple[tuple[Directory, str], ...] = ()
    """The names in flux while it waits: the one at `path`, and of a rename the one at `new_path`."""
    state: State = State.READY
    error: ClusterError | None = None
    created: float = field(default_factory=time.time)
    not_before: float = 0.0
    """Monotonic time before which it is not sent in the background."""
    attempts: int = 0
    tried: float = float("-inf")
    """Monotonic time of the end of the last attempt."""
    made: float = float("inf")
    """Monotonic time at which it was put into the journal."""
    urgent: bool = False
    """Somebody waits for it."""
    recovered: bool = False
    """Left by an earlier run: nobody knows whether it was tried."""
    sending: bool = False
    """A task has taken it upon itself."""
    in_flight: bool = False
    """Requests for it are under way."""
    alone: bool = False
    """Of a removed directory: it does not go with all below it in one call, since something unknown is there."""

    @property
    def paths(self) -> tuple[str, ...]:
        """The places that it concerns."""
        return (self.path, self.new_path) if self.new_path else (self.path,)

    @property
    def uncertain(self) -> bool:
        """Whether it may have been made already, at least in part."""
        return self.uncertain_before or self.in_flight

    @property
    def uncertain_before(self) -> bool:
        """The same, the attempt under way left out."""
        return self.attempts > 0 or self.recovered

    @property
    def blocks(self) -> bool:
        """Whether those that come after it have to wait for it. Nothing depends on a mode."""
        return not (self.state is State.FAILED and self.kind is ChangeKind.CHMOD)

    @property
    def size(self) -> int:
        """Bytes of content that wait."""
        return 0 if self.content is None else self.content.size

    @property
    def expected(self) -> Standing:
        """What may stand at `path` without being another's doing."""
        return self.node.standing if isinstance(self.node, File) and self.content is not None else self.standing

    def may_find(self, path: str, standing: Standing) -> None:
        """Something of ours may stand at one of its places by the time that it is made."""
        if path == self.new_path:
            self.new_standing = either(self.new_standing, standing)
        elif isinstance(self.node, File) and self.content is not None:
            self.node.standing = either(self.node.standing, standing)
        else:
            self.standing = either(self.standing, standing)

    @property
    def being_written(self) -> bool:
        """Whether somebody still has it open: it cannot be made now."""
        return self.state is State.OPEN and isinstance(self.node, File) and self.node.handles > 0

    def names_in(self, directory: str) -> bool:
        """Whether it is about a directory, or makes or removes a name in it. A content does where its file is new."""
        if self.being_written or (self.content is not None and self.node.on_cluster):
            return False
        return any(directory in (path, path.rpartition("/")[0] or "/") for path in self.paths)


def is_at_or_below(path: str, directory: str) -> bool:
    """Whether a path is that of `directory` or of something in it."""
    return path == directory or path.startswith(directory.rstrip("/") + "/")


def ancestors(path: str) -> Iterator[str]:
    """Every directory above a path, the nearest first."""
    while len(path) > 1:
        path = path.rpartition("/")[0] or "/"
        yield path


def meet(some: Iterable[str], others: Iterable[str]) -> bool:
    """Whether a place of one lies at, above or below a place of the other."""
    others = tuple(others)
    return any(is_at_or_below(a, b) or is_at_or_below(b, a) for a in some for b in others)


class Order:
    """Goes through changes in their order, and says of each whether an earlier one is in its way."""

    def __init__(self) -> None:
        self._places: set[str] = set()
        self._above: set[str] = set()

    def free(self, paths: Iterable[str]) -> bool:
        """Whether no change that was noted is in the way of one that concerns these places."""
        return not any(
            path in self._places or path in self._above or any(above in self._places for above in ancestors(path))
            for path in paths
        )

    def note(self, paths: Iterable[str]) -> None:
        """A change that concerns these places comes before all that follow."""
        for path in paths:
            self._places.add(path)
            self._above.update(ancestors(path))
