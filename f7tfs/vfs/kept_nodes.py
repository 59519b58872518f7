"""What the journal keeps of nodes for the next run: numbers that do not follow from their places, and times."""

from __future__ import annotations

from collections.abc import Iterable

from f7tfs.vfs.inodes import InodeTable, derived
from f7tfs.vfs.journal import Journal
from f7tfs.vfs.nodes import Directory, Node


class KeptNodes:
    """Keeps it true while nodes come, go and change."""

    def __init__(self, journal: Journal, inodes: InodeTable) -> None:
        self._journal = journal
        self._inodes = inodes

    def number_to_keep(self, node: Node) -> int | None:
        """A node's number, where it does not follow from its place; nothing else gets it then."""
        follows = node.parent is None or node.number == derived(node.parent.number, node.name)
        (self._inodes.kept.discard if follows else self._inodes.kept.add)(node.number)
        return None if follows else node.number

    async def keep_numbers(self, nodes: Iterable[Node]) -> None:
        """Of what came to be known under names whose own numbers were taken."""
        new = [node for node in nodes if node.number not in self._inodes.kept]
        numbers = [(node.path, number) for node in new if (number := self.number_to_keep(node)) is not None]
        if numbers:
            await self._journal.keep_numbers(numbers)

    def give_back(self, node: Node) -> None:
        """The number of what is gone is anybody's, once the kernel has forgotten it."""
        self._inodes.kept.discard(node.number)

    async def forget_places(self, nodes: Iterable[Node]) -> None:
        """Times and numbers of what is gone. `nodes` were just detached, and have their last names still."""
        nodes = list(nodes)
        told = [n.path for n in nodes if n.written_here or n.number in self._inodes.kept or isinstance(n, Directory)]
        self._inodes.kept.difference_update(node.number for node in nodes)
        if told:
            alone = not any(isinstance(node, Directory) for node in nodes)
            await self._journal.forget_places(told, alone=alone)

    async def entries_changed(self, *directories: Directory) -> None:
        """Forget the times that were kept of directories whose entries have changed through us."""
        outdated = [directory for directory in directories if directory.outdated]
        for directory in outdated:
            directory.outdated = False
        if outdated:
            await self._journal.forget_times([directory.path for directory in outdated])
