"""A batch script on its way to the scheduler."""

from __future__ import annotations

import os
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import trio

from f7tfs.cluster.errors import ClusterError, SchedulerRefused
from f7tfs.vfs.holders import anyone_holds_open
from f7tfs.vfs.temporaries import is_temporary
from f7tfs.vfs.virtual import VirtualFile, VirtualHandle

# A batch script larger than this is a mistake.
LARGEST_SCRIPT = 2**20
# What `ln -sf` calls the link that it renames.
_LINK_TEMPORARY = re.compile(r"Cu[A-Za-z0-9]{6}")


def is_scratch(name: str) -> bool:
    """Whether a file of that name is an editor's or tool's own: never submitted under it."""
    return name.startswith(".") or is_temporary(name) or _LINK_TEMPORARY.fullmatch(name) is not None


@dataclass(eq=False, slots=True, kw_only=True)
class ScriptFile(VirtualFile):
    """What was dropped, and stays under its name: writing it again submits it again."""

    writable: bool = True
    name: str
    submit: Callable[[ScriptFile], Awaitable[None]]
    local_path: Callable[[str], str]
    """Where processes of this machine see it; empty where that is not known."""
    data: bytearray = field(default_factory=bytearray)
    dirty: bool = False
    """Written since it was submitted."""
    sent: bool = False
    """Submitted, and not written since."""
    writers: int = 0

    async def content(self) -> bytes:
        return bytes(self.data)

    async def open(self, flags: int, pid: int) -> VirtualHandle:
        if flags & os.O_TRUNC:
            self.truncate(0)
        handle = VirtualHandle(inode=self, flags=flags, pid=pid)
        self.writers += writes(handle)
        return handle

    async def read(self, _handle: VirtualHandle, offset: int, length: int) -> bytes:
        return bytes(self.data[offset : offset + length])

    def size(self) -> int:
        return len(self.data)

    async def write(self, offset: int, data: bytes) -> None:
        if offset + len(data) > LARGEST_SCRIPT:
            raise SchedulerRefused(f"a batch script of more than {LARGEST_SCRIPT} bytes")
        if len(self.data) < offset:
            self.data.extend(bytes(offset - len(self.data)))
        self.data[offset : offset + len(data)] = data
        self._touched()

    def truncate(self, size: int) -> None:
        if size > LARGEST_SCRIPT:
            raise SchedulerRefused(f"a batch script of more than {LARGEST_SCRIPT} bytes")
        del self.data[size:]
        self.data.extend(bytes(size - len(self.data)))
        self._touched()

    def _touched(self) -> None:
        self.dirty, self.sent = True, False

    async def flush(self, handle: VirtualHandle) -> None:
        """Submit it where no process has it open any more: `{ cat a; cat b; } > NAME` closes three times."""
        if writes(handle) and self.ready and not await self.held():
            await self.submitted()

    async def held(self) -> bool:
        """Whether a process has it open for writing, as far as that can be seen."""
        path = self.local_path(self.name)
        return bool(path) and await trio.to_thread.run_sync(anyone_holds_open, path)

    async def release(self, handle: VirtualHandle) -> None:
        """Who held it could not be seen, or has been killed: now it is certain that nobody does."""
        self.writers -= writes(handle)
        if self.ready and not self.writers:
            try:
                await self.submitted()
            except ClusterError:
                # Nobody can be told any more; NAME.err tells.
                return

    @property
    def ready(self) -> bool:
        """Whether there is something to submit, under a name that is submitted."""
        return self.dirty and bool(self.data) and not is_scratch(self.name)

    async def submitted(self) -> None:
        """Submit what it holds now. Raises the refusal."""
        # Before the first await: the next flush must not submit it again.
        self.dirty = False
        await self.submit(self)

    def text(self) -> str:
        """Raises SchedulerRefused for what is no batch script."""
        try:
            text = self.data.decode()
        except UnicodeDecodeError as error:
            raise SchedulerRefused(f"a batch script is text, and this is not: {error}") from None
        if not text.startswith("#!"):
            raise SchedulerRefused("this does not look like a batch script: the first line must start with #!")
        return text


def writes(handle: VirtualHandle) -> bool:
    """Whether it was opened for writing."""
    return handle.flags & os.O_ACCMODE != os.O_RDONLY
