"""The directory of one job, and the files in it.

status     one line: state, exit code, signal, seconds elapsed, nodes; separated by tabs
info.json  all that is known
script     the batch script
stdout     what the job has written so far
stderr     likewise
wait       a read returns when the job has ended, with what `status` says then
workdir    a symbolic link to its working directory, where that is known
ctl        what is written there is done: `cancel`, `forget`, `run COMMAND`
tasks      of an array: symbolic links to the directories of its tasks, by their numbers
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import trio

from f7tfs.cluster.errors import NotFound, PermissionDenied, SchedulerRefused
from f7tfs.cluster.model import Kind
from f7tfs.vfs.jobs import texts
from f7tfs.vfs.jobs.arrays import task_number
from f7tfs.vfs.jobs.output import OutputFile
from f7tfs.vfs.jobs.record import Phase, Record
from f7tfs.vfs.jobs.script import is_scratch
from f7tfs.vfs.nodes import Attributes, Inode
from f7tfs.vfs.virtual import TextFile, VirtualDirectory, VirtualFile, VirtualHandle, VirtualNode

if TYPE_CHECKING:
    from f7tfs.vfs.jobs.tree import JobsTree

LONGEST_WAIT = 30 * 86400.0
LONGEST_COMMAND = 65536


@dataclass(eq=False, slots=True, kw_only=True)
class JobDirectory(VirtualDirectory):
    """One job."""

    record: Record
    tree: JobsTree

    def names(self) -> list[str]:
        """The output is there once the scheduler has it; of an array, it is that of the tasks."""
        array = bool(self.tree.book.tasks(self.record))
        output = self.record.phase is Phase.SUBMITTED and not array
        left_out = set() if output else set(OUTPUTS)
        if not array:
            left_out.add(TASKS)
        if not self.record.directory:
            left_out.add(WORKDIR)
        return [name for name in FILES if name not in left_out]

    async def entries(self) -> list[tuple[str, Inode]]:
        return [(name, self._node(name)) for name in self.names()]

    async def lookup(self, name: str, pid: int = 0) -> Inode:
        del pid
        if name not in self.names() or (name in OUTPUTS and self.record.phase is not Phase.SUBMITTED):
            raise NotFound(name)
        return self._node(name)

    def _node(self, name: str) -> Inode:
        return FILES[name](self.tree, self.record, f"{self.tree.place_of(self.record)}/{name}")

    async def create(self, name: str) -> VirtualFile:
        """`cp run.sh .jobs/NAME` follows the link that NAME is, and puts the script here: it is submitted again."""
        self._check_script(name)
        return await self.tree.dropped_in(self.record).create_again(self.record, name)

    async def symlink(self, name: str, target: str) -> VirtualNode:
        """As above, of `ln -sf ../run.sh .jobs/NAME`."""
        self._check_script(name)
        return await self.tree.dropped_in(self.record).submit_in_place(self.record.name, target)

    @staticmethod
    def _check_script(name: str) -> None:
        if name in FILES or is_scratch(name):
            raise PermissionDenied(f"{name} is not a script's name here")

    async def unlink(self, name: str) -> None:
        """`rm -r` removes the entries first; the directory's own removal is what counts."""
        if name not in FILES:
            raise NotFound(name)
        self.tree.check_removable(self.record)

    async def rmdir(self, name: str) -> None:
        """As above."""
        await self.unlink(name)


@dataclass(eq=False, slots=True, kw_only=True)
class TasksDirectory(VirtualDirectory):
    """Links to the tasks of an array by their numbers."""

    record: Record
    tree: JobsTree

    async def entries(self) -> list[tuple[str, Inode]]:
        place = f"{self.tree.place_of(self.record)}/{TASKS}"
        tasks = {str(task_number(task.key)): task.key for task in self.tree.book.tasks(self.record)}
        return [(name, self.tree.nodes.link(f"{place}/{name}", f"../../{key}")) for name, key in tasks.items()]

    async def unlink(self, name: str) -> None:
        """As above."""
        del name
        self.tree.check_removable(self.record)


@dataclass(eq=False, slots=True, kw_only=True)
class WaitFile(VirtualFile):
    """Blocks its reader until the job has ended."""

    patience: float = LONGEST_WAIT
    record: Record
    tree: JobsTree

    async def open(self, flags: int, pid: int) -> VirtualHandle:
        # Not made yet: it is the read that waits, not the open.
        return VirtualHandle(inode=self, flags=flags, pid=pid)

    def readable(self) -> bool:
        return self.record.ended or self.record.phase is Phase.UNCERTAIN

    async def until_readable(self) -> None:
        while not self.readable():
            await self.tree.book.fresh(self.record)
            if not self.readable():
                await trio.sleep(self.tree.book.interval([self.record]))

    async def content(self) -> bytes:
        await self.until_readable()
        return texts.status(self.record).encode()


@dataclass(eq=False, slots=True, kw_only=True)
class ControlFile(VirtualFile):
    """Does what is written into it, line by line. The write carries the failure: shells ignore that of a close."""

    writable: bool = True
    record: Record
    tree: JobsTree
    rest: bytearray = field(default_factory=bytearray)
    """Of a line whose end has not come yet."""

    async def write(self, offset: int, data: bytes) -> None:
        del offset
        if len(self.rest) + len(data) > LONGEST_COMMAND:
            raise SchedulerRefused("a command as long as that is a mistake")
        self.rest.extend(data)
        *lines, last = bytes(self.rest).split(b"\n")
        # Before the first await: nobody else does them too.
        self.rest = bytearray(last)
        for line in lines:
            await self._do(line.decode(errors="replace").strip())

    def truncate(self, size: int) -> None:
        del size
        self.rest.clear()

    async def flush(self, handle: VirtualHandle) -> None:
        if handle.flags & os.O_ACCMODE != os.O_RDONLY and self.rest:
            command, self.rest = self.rest.decode(errors="replace"), bytearray()
            await self._do(command.strip())

    async def _do(self, command: str) -> None:
        word, _, rest = command.partition(" ")
        book = self.tree.book
        match word:
            case "":
                return
            case "cancel":
                self.tree.check_removable(self.record)
                await book.cancel(self.record)
            case "forget":
                if not self.record.ended:
                    raise SchedulerRefused("it has not ended: cancel it first")
                await book.forget(self.record)
            case "run" if rest:
                await book.attach(self.record, rest)
            case _:
                raise SchedulerRefused(f"not one of: cancel, forget, run COMMAND: {command}")


Make = Callable[["JobsTree", Record, str], Inode]


def _text(text: Callable[[JobsTree, Record], Awaitable[str]]) -> Make:
    def make(tree: JobsTree, record: Record, place: str) -> Inode:
        return tree.nodes.get(place, lambda number: TextFile(number=number, text=partial(text, tree, record)))

    return make


def _output(stream: str) -> Make:
    def make(tree: JobsTree, record: Record, place: str) -> Inode:
        def node(number: int) -> Inode:
            attributes = Attributes(Kind.FILE, 0o444, "", "", 0, time.time_ns())
            return OutputFile(
                number=number, name="", parent=None, attributes=attributes, record=record, stream=stream
            )

        return tree.nodes.get(place, node)

    return make


def _wait(tree: JobsTree, record: Record, place: str) -> Inode:
    return tree.nodes.get(place, lambda number: WaitFile(number=number, record=record, tree=tree))


def _ctl(tree: JobsTree, record: Record, place: str) -> Inode:
    return tree.nodes.get(place, lambda number: ControlFile(number=number, record=record, tree=tree))


def _tasks(tree: JobsTree, record: Record, place: str) -> Inode:
    return tree.nodes.get(place, lambda number: TasksDirectory(number=number, record=record, tree=tree))


def _workdir(tree: JobsTree, record: Record, place: str) -> Inode:
    return tree.nodes.link(place, tree.local_path(record.directory) or record.directory)


async def _status(tree: JobsTree, record: Record) -> str:
    return texts.status(await tree.book.fresh(record))


async def _info(tree: JobsTree, record: Record) -> str:
    book = tree.book
    await book.fresh(record)
    files = None
    tasks = book.tasks(record)
    if record.phase is Phase.SUBMITTED and not tasks:
        # v1 does not tell them of what it does not see in the queue any more.
        with contextlib.suppress(NotFound):
            files = await book.files(record)
    info = texts.info(record, files, book.zone(), book.seen)
    if tasks:
        info["tasks"] = [texts.info(task, None, book.zone(), book.seen) for task in tasks]
    return texts.to_json(info)


async def _script(tree: JobsTree, record: Record) -> str:
    return record.script if record.script is not None else (await tree.book.files(record)).script


OUTPUTS = frozenset({"stdout", "stderr"})
TASKS, WORKDIR = "tasks", "workdir"
FILES: dict[str, Make] = {
    "status": _text(_status),
    "info.json": _text(_info),
    "script": _text(_script),
    "stdout": _output("stdout"),
    "stderr": _output("stderr"),
    "wait": _wait,
    WORKDIR: _workdir,
    "ctl": _ctl,
    TASKS: _tasks,
}
