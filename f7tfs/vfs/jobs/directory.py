"""The `.jobs` of one directory, which is the working directory of what is submitted here."""

from __future__ import annotations

import errno
import posixpath
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from f7tfs.cluster.errors import ClusterError, InvalidName, NotFound, PermissionDenied
from f7tfs.vfs.jobs.arrays import is_job_id
from f7tfs.vfs.jobs.record import new_record
from f7tfs.vfs.jobs.script import ScriptFile, is_scratch
from f7tfs.vfs.nodes import Directory, Inode
from f7tfs.vfs.virtual import TextFile, VirtualDirectory, VirtualFile, VirtualLink, VirtualNode

if TYPE_CHECKING:
    from f7tfs.vfs.jobs.tree import JobsTree

ERROR_SUFFIX = ".err"
LAST, QUEUE, QUEUE_JSON, BY_NAME = "last", "queue", "queue.json", "by-name"
RESERVED = frozenset({LAST, QUEUE, QUEUE_JSON, BY_NAME})
MOST_SCRIPTS = 1000
"""So many dropped scripts can be read again under their names; older ones go."""


@dataclass(eq=False, slots=True, kw_only=True)
class JobsDirectory(VirtualDirectory):
    """Names of scripts and jobs."""

    parent: Directory
    tree: JobsTree
    scripts: dict[str, ScriptFile] = field(default_factory=dict)
    links: dict[str, VirtualLink] = field(default_factory=dict)
    """Symbolic links under names that are not submitted, as `ln -sf` makes them."""
    made: int = 0

    @property
    def path(self) -> str:
        """Of the working directory, on the cluster."""
        return self.parent.path

    # -- looking ---------------------------------------------------------------------------------

    async def entries(self) -> list[tuple[str, Inode]]:
        await self.tree.book.look()
        found: list[tuple[str, Inode]] = [*self.scripts.items(), *self.links.items()]
        found += [(name + ERROR_SUFFIX, self._error_file(name)) for name in self._problems()]
        found += [(record.key, self.tree.job_directory(record)) for record in self.tree.book.records()]
        found += [(name, self._reserved(name)) for name in sorted(RESERVED - {LAST})]
        if self.tree.book.last() is not None:
            found.append((LAST, self._reserved(LAST)))
        return found

    async def lookup(self, name: str) -> Inode:
        if name in self.scripts:
            return self.scripts[name]
        if name in self.links:
            return self.links[name]
        stem = name.removesuffix(ERROR_SUFFIX)
        if stem != name and (self.path, stem) in self.tree.problems:
            return self._error_file(stem)
        if name in RESERVED:
            return self._reserved(name)
        return self.tree.job_directory(await self.tree.book.find(name))

    def _problems(self) -> list[str]:
        return [name for directory, name in self.tree.problems if directory == self.path]

    def _reserved(self, name: str) -> Inode:
        nodes, path = self.tree.nodes, f"{self._place}/{name}"
        match name:
            case "last":
                record = self.tree.book.last()
                if record is None:
                    raise NotFound(name)
                return nodes.link(path, record.key)
            case "by-name":
                return nodes.get(path, lambda number: ByName(number=number, jobs=self))
            case "queue":
                return nodes.get(path, lambda number: TextFile(number=number, text=self.tree.queue))
            case _:
                return nodes.get(path, lambda number: TextFile(number=number, text=self.tree.queue_json))

    @property
    def _place(self) -> str:
        return f"{self.path}/{self.tree.name}"

    def _error_file(self, name: str) -> Inode:
        return self.tree.nodes.get(
            f"{self._place}/{name}{ERROR_SUFFIX}",
            lambda number: TextFile(number=number, text=partial(self._error, name)),
        )

    async def _error(self, name: str) -> str:
        return self.tree.problems.get((self.path, name), "")

    # -- writing ---------------------------------------------------------------------------------

    def _check(self, name: str) -> None:
        if is_job_id(name) or name in RESERVED or name.endswith(ERROR_SUFFIX) or name in self.tree.book:
            raise PermissionDenied(f"{name} is not a script's name here")

    async def create(self, name: str) -> VirtualFile:
        self._check(name)
        self._discard(name)
        node = self._new(name, lambda number: self._script(number, name))
        if not isinstance(node, ScriptFile):  # pragma: no cover -- made in the line above
            raise TypeError(node)
        self.scripts[name] = node
        while len(self.scripts) > MOST_SCRIPTS:
            self._discard(next(iter(self.scripts)))
        return node

    def _script(self, number: int, name: str) -> ScriptFile:
        return ScriptFile(number=number, name=name, submit=self._submit, local_path=self._local_path)

    def _new(self, name: str, make: Callable[[int], Inode]) -> Inode:
        """A new thing each time: what had this name before may still be open."""
        self.made += 1
        return self.tree.nodes.get(f"{self._place}/{name}#{self.made}", make)

    def _discard(self, name: str) -> None:
        node = self.scripts.pop(name, None) or self.links.pop(name, None)
        if node is not None:
            self.tree.nodes.discard(node)

    def _local_path(self, name: str) -> str:
        directory = self.tree.local_path(self.path)
        return f"{directory}/{self.tree.name}/{name}" if directory else ""

    async def symlink(self, name: str, target: str) -> VirtualNode:
        """Submit the cluster's own script, in place."""
        self._check(name)
        if name in self.scripts or name in self.links:
            raise OSError(errno.EEXIST, name)
        node = self._new(name, lambda number: VirtualLink(number=number, target=target))
        if not isinstance(node, VirtualLink):  # pragma: no cover -- made in the line above
            raise TypeError(node)
        if is_scratch(name):
            self.links[name] = node
        else:
            await self._submit_in_place(name, target)
        return node

    async def rename(self, name: str, new_name: str) -> None:
        """Tools write under a name of their own and rename: that is when it is submitted."""
        self._check(new_name)
        if name in self.links:
            link = self.links.pop(name)
            self.tree.nodes.discard(link)
            if is_scratch(new_name):
                self.links[new_name] = link
            else:
                await self._submit_in_place(new_name, link.target)
        elif name in self.scripts:
            self._discard(new_name)
            script = self.scripts.pop(name)
            script.name = new_name
            self.scripts[new_name] = script
            if script.ready and not script.writers:
                await script.submitted()
        else:
            raise PermissionDenied(f"{name} cannot be renamed")

    async def unlink(self, name: str) -> None:
        """Forgets a script that was dropped, or what is said of one; jobs stay as they are."""
        stem = name.removesuffix(ERROR_SUFFIX)
        if name in self.scripts or name in self.links:
            self._discard(name)
        elif stem == name or self.tree.problems.pop((self.path, stem), None) is None:
            raise PermissionDenied(f"{name} cannot be removed")

    async def rmdir(self, name: str) -> None:
        """Cancels a job that has not ended, and shows it no more."""
        await self.tree.remove(self.tree.book.known(name))

    # -- submitting ------------------------------------------------------------------------------

    async def _submit(self, script: ScriptFile) -> None:
        """Raises the refusal, and keeps its words in NAME.err."""
        try:
            text = script.text()
        except ClusterError as error:
            self.tree.problems[self.path, script.name] = f"{error}\n"
            raise
        workdir = self.tree.workdir or self.path
        await self.tree.submit(new_record(script.name, workdir, text, dropped=self.path))

    async def _submit_in_place(self, name: str, target: str) -> None:
        path = self.tree.cluster_path(posixpath.join(self.tree.local_path(self.path), self.tree.name, target))
        try:
            if path is None:
                path = target
            if not posixpath.isabs(path):
                raise InvalidName(f"{target} is not a file of the cluster")
        except ClusterError as error:
            self.tree.problems[self.path, name] = f"{error}\n"
            raise
        workdir = self.tree.workdir or self.path
        await self.tree.submit(new_record(name, workdir, None, posixpath.normpath(path), dropped=self.path))


@dataclass(eq=False, slots=True, kw_only=True)
class ByName(VirtualDirectory):
    """Links from the names of scripts to the newest jobs that were made of them, in one working directory."""

    jobs: JobsDirectory

    async def entries(self) -> list[tuple[str, Inode]]:
        named = self.jobs.tree.book.named(self.jobs.path)
        return [(name, self._link(name, record.key)) for name, record in named.items()]

    async def lookup(self, name: str) -> Inode:
        record = self.jobs.tree.book.named(self.jobs.path).get(name)
        if record is None:
            raise NotFound(name)
        return self._link(name, record.key)

    def _link(self, name: str, key: str) -> Inode:
        return self.jobs.tree.nodes.link(f"{self.jobs.path}/{self.jobs.tree.name}/by-name/{name}", f"../{key}")
