"""Programs that do random things to the same few names, as `tests/mounted/stress.py` does on a real mount."""

from __future__ import annotations

import contextlib
import os
import random
from collections.abc import Awaitable, Callable

import trio

from tests.unit.simulated.kernel import Kernel

DIRECTORIES = ["d", "e", "d/e"]
NAMES = ["a", "b", "c.tmp", "d", "e", "d/a", "d/b", "d/e", "e/a", "e/c.tmp", "d/e/a"]


class Program:
    """`pid`: programs of different groups have bursts of their own."""

    def __init__(self, kernel: Kernel, pid: int, rng: random.Random) -> None:
        self._kernel = kernel
        self._pid = pid
        self._rng = rng

    async def run(self, steps: int) -> None:
        for _ in range(steps):
            await self.step()
            await trio.sleep(self._rng.choice([0, 0, 0, 0.01, 0.01, 0.05, self._rng.choice([0, 0.3])]))

    async def step(self, *, within: bool = False) -> None:
        doing: list[Callable[[str], Awaitable[None]]] = [
            *(self.write, self.append, self.read, self.rename, self.rename, self.rename, self.list, self.stat),
            *(self.mkdir, self.mkdir, self.mkdir, self.rmdir, self.unlink),
            *(self.link, self.truncate, self.chmod, self.utime),
            *([] if within else [self.hold]),
        ]
        step = self._rng.choice(doing)
        with contextlib.suppress(OSError):
            await step(self._rng.choice(DIRECTORIES if step == self.mkdir and self._rng.random() < 0.8 else NAMES))

    async def write(self, path: str) -> None:
        if path in DIRECTORIES and self._rng.random() < 0.8:
            return
        held = await self._kernel.open(
            self._pid, path, os.O_RDWR if self._rng.random() < 0.5 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        )
        try:
            await held.write(self._rng.randrange(10_000), self._rng.randbytes(self._rng.randrange(20_000)))
            if self._rng.random() < 0.2:
                await held.fsync()
        finally:
            await held.close()

    async def append(self, path: str) -> None:
        if path in DIRECTORIES and self._rng.random() < 0.8:
            return
        held = await self._kernel.open(self._pid, path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            await held.write(0, b"line\n" * self._rng.randrange(1, 100))
        finally:
            await held.close()

    async def read(self, path: str) -> None:
        held = await self._kernel.open(self._pid, path, os.O_RDONLY)
        try:
            await held.read()
        finally:
            await held.close()

    async def hold(self, path: str) -> None:
        held = await self._kernel.open(self._pid, path, os.O_RDWR)
        try:
            await self.step(within=True)
            await held.write(0, b"held")
        finally:
            await held.close()

    async def rename(self, path: str) -> None:
        await self._kernel.rename(self._pid, path, self._rng.choice(NAMES))

    async def list(self, path: str) -> None:
        await self._kernel.list(self._pid, path)

    async def stat(self, path: str) -> None:
        await self._kernel.stat(self._pid, path)

    async def unlink(self, path: str) -> None:
        await self._kernel.remove(self._pid, path, directory=False)

    async def rmdir(self, path: str) -> None:
        await self._kernel.remove(self._pid, path, directory=True)

    async def mkdir(self, path: str) -> None:
        await self._kernel.mkdir(self._pid, path)

    async def link(self, path: str) -> None:
        await self._kernel.symlink(self._pid, path, "a")

    async def truncate(self, path: str) -> None:
        await self._kernel.truncate(self._pid, path, self._rng.randrange(20_000))

    async def chmod(self, path: str) -> None:
        await self._kernel.chmod(self._pid, path, 0o700 | self._rng.randrange(0o100))

    async def utime(self, path: str) -> None:
        await self._kernel.utime(self._pid, path)
