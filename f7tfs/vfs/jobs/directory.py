"""The `.jobs` of one directory, which is the working directory of what is submitted here.

A script is a file while it is written and where it was refused. Once it is submitted, its name is a link to the job's
directory. `cp` and its like look at what they are about to replace, and replace no directory; so a process that is
about to put something here (see `puts_into`) goes on to see the script.
"""

from __future__ import annotations

import errno
import posixpath
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import trio

from f7tfs.cluster.errors import ClusterError, InvalidName, NotFound, PermissionDenied, Uncertain
from f7tfs.vfs.holders import puts_into
from f7tfs.vfs.jobs.arrays import is_job_id
from f7tfs.vfs.jobs.record import Record, new_record
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
        jobs = self._jobs()
        found: list[tuple[str, Inode]] = [*self._files(), *self.links.items()]
        found += [(name, self._link(name, record)) for name, record in jobs.items()]
        found += [(name + ERROR_SUFFIX, self._error_file(name)) for name in self._problems()]
        found += [(record.key, self.tree.job_directory(record)) for record in self.tree.book.records()]
        found += [(name, self._reserved(name)) for name in sorted(RESERVED - {LAST})]
        if self.tree.book.last() is not None:
            found.append((LAST, self._reserved(LAST)))
        return found

    async def lookup(self, name: str, pid: int = 0) -> Inode:
        if name in self.links:
            return self.links[name]
        if not is_job_id(name):
            found = await self._script_or_link(name, pid)
            if found is not None:
                return found
        stem = name.removesuffix(ERROR_SUFFIX)
        if stem != name and (self.path, stem) in self.tree.problems:
            return self._error_file(stem)
        if name in RESERVED:
            return self._reserved(name)
        return self.tree.job_directory(await self.tree.book.find(name))

    async def _script_or_link(self, name: str, pid: int) -> Inode | None:
        jobs = self._jobs()
        if name in jobs and not await self._puts_here(name, pid):
            return self._link(name, jobs[name])
        script = self.scripts.get(name)
        if script is not None and script.sent and name not in jobs and not self.tree.keep_scripts:
            # Its job's directory was removed, or its link.
            return None
        return script

    def _jobs(self) -> dict[str, Record]:
        """The jobs that names here are links to."""
        if self.tree.keep_scripts:
            return {}
        written = {name for name, script in self.scripts.items() if not script.sent}
        return {name: record for name, record in self.tree.book.dropped(self.path).items() if name not in written}

    def _files(self) -> list[tuple[str, Inode]]:
        keep = self.tree.keep_scripts
        return [(name, script) for name, script in self.scripts.items() if keep or not script.sent]

    def _link(self, name: str, record: Record) -> Inode:
        return self.tree.nodes.link(f"{self._place}/{name}@", record.key)

    async def _puts_here(self, name: str, pid: int) -> bool:
        def is_of_name(scratch: str) -> bool:
            return name in scratch and is_scratch(scratch)

        here = self._local_place()
        return bool(here) and await trio.to_thread.run_sync(puts_into, pid, here, is_of_name)

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
        return self._create(name, self._local_path)

    async def create_again(self, record: Record, leaf: str) -> VirtualFile:
        """What is put into the directory of a job is its script, written anew."""
        return self._create(record.name, lambda _name: self._local_path(f"{record.key}/{leaf}"))

    def _create(self, name: str, local_path: Callable[[str], str]) -> VirtualFile:
        self._check(name)
        self._discard(name)
        node = self._new(
            name, lambda number: ScriptFile(number=number, name=name, submit=self._submit, local_path=local_path)
        )
        if not isinstance(node, ScriptFile):  # pragma: no cover -- made in the line above
            raise TypeError(node)
        self.scripts[name] = node
        while len(self.scripts) > MOST_SCRIPTS:
            self._discard(next(iter(self.scripts)))
        return node

    def _new(self, name: str, make: Callable[[int], Inode]) -> Inode:
        """A new thing each time: what had this name before may still be open."""
        self.made += 1
        return self.tree.nodes.get(f"{self._place}/{name}#{self.made}", make)

    def _discard(self, name: str) -> None:
        node = self.scripts.pop(name, None) or self.links.pop(name, None)
        if node is not None:
            self.tree.nodes.discard(node)

    def _local_place(self) -> str:
        directory = self.tree.local_path(self.path)
        return f"{directory}/{self.tree.name}" if directory else ""

    def _local_path(self, name: str) -> str:
        place = self._local_place()
        return f"{place}/{name}" if place else ""

    async def symlink(self, name: str, target: str) -> VirtualNode:
        """Submit the cluster's own script, in place."""
        self._check(name)
        if name in self.scripts or name in self.links:
            raise OSError(errno.EEXIST, name)
        if not is_scratch(name):
            return await self.submit_in_place(name, target)
        self.links[name] = node = self._new_link(name, target)
        return node

    async def submit_in_place(self, name: str, target: str) -> VirtualLink:
        """Returns the link that was made, which does not stay."""
        node = self._new_link(name, target)
        self._discard(name)
        await self._submit_in_place(name, target)
        return node

    def _new_link(self, name: str, target: str) -> VirtualLink:
        node = self._new(name, lambda number: VirtualLink(number=number, target=target))
        if not isinstance(node, VirtualLink):  # pragma: no cover -- made in the line above
            raise TypeError(node)
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
                self._discard(new_name)
                await self._submit_in_place(new_name, link.target)
        elif name in self.scripts:
            await self._rename_script(self.scripts[name], new_name)
        else:
            raise PermissionDenied(f"{name} cannot be renamed")

    async def _rename_script(self, script: ScriptFile, new_name: str) -> None:
        # Whether somebody still writes is to be seen under the name that it has now. A process that has closed it may
        # rename it before the kernel tells of the close.
        held = await script.held() if self._local_place() else bool(script.writers)
        if self.scripts.get(script.name) is not script:
            raise NotFound(script.name)
        self._discard(new_name)
        del self.scripts[script.name]
        script.name = new_name
        self.scripts[new_name] = script
        if script.ready and not held:
            await script.submitted()

    async def unlink(self, name: str) -> None:
        """Forgets a script that was dropped, its link, or what is said of one; jobs stay as they are."""
        stem = name.removesuffix(ERROR_SUFFIX)
        job = self._jobs().get(name)
        if job is not None or name in self.scripts or name in self.links:
            self._discard(name)
            if job is not None:
                await self.tree.book.unname(job)
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
        try:
            await self.tree.submit(new_record(script.name, workdir, text, dropped=self.path))
        except Uncertain:
            # There is a directory that tells of it.
            script.sent = not script.dirty
            raise
        script.sent = not script.dirty

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

    async def lookup(self, name: str, pid: int = 0) -> Inode:
        del pid
        record = self.jobs.tree.book.named(self.jobs.path).get(name)
        if record is None:
            raise NotFound(name)
        return self._link(name, record.key)

    def _link(self, name: str, key: str) -> Inode:
        return self.jobs.tree.nodes.link(f"{self.jobs.path}/{self.jobs.tree.name}/by-name/{name}", f"../{key}")
