"""A program that does random things to few names, as others do at the same time: `stress.py DIRECTORY SEED STEPS`.

It prints what failed in a way that no local directory fails.
"""

from __future__ import annotations

import contextlib
import errno
import os
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path

NAMES = ["a", "b", "c.tmp", "d", "e", "d/a", "d/b", "d/e", "e/a", "e/c.tmp", "d/e/a"]
EXPECTED = {
    errno.ENOENT,
    errno.EEXIST,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.ENOTEMPTY,
    errno.EINVAL,
    errno.ELOOP,
    errno.EPERM,
}
LONGEST = 30.0
"""Seconds for one operation, whatever the machine is doing beside."""


class Stress:
    def __init__(self, top: Path, seed: int) -> None:
        self.top = top
        self.random = random.Random(seed)
        self.complaints: list[str] = []

    def path(self) -> Path:
        return self.top / self.random.choice(NAMES)

    def write(self, path: Path) -> None:
        with path.open("r+b" if self.random.random() < 0.5 else "wb") as held:
            held.seek(self.random.randrange(10_000))
            held.write(os.urandom(self.random.randrange(20_000)))
            if self.random.random() < 0.2:
                os.fsync(held.fileno())

    def append(self, path: Path) -> None:
        with path.open("ab") as held:
            held.write(b"line\n" * self.random.randrange(100))

    def read(self, path: Path) -> None:
        with path.open("rb") as held:
            held.read()

    def rename(self, path: Path) -> None:
        os.rename(path, self.path())

    def link(self, path: Path) -> None:
        os.link(path, self.path())

    def list(self, path: Path) -> None:
        names = os.listdir(path)
        if len(names) != len(set(names)):
            self.complaints.append(f"{path}: a name twice in {names}")

    def hold(self, path: Path) -> None:
        """Something else happens while the file is open."""
        with path.open("r+b") as held:
            self.step()
            held.write(b"held")

    def step(self) -> None:
        steps: list[Callable[[Path], object]] = [
            *(self.write, self.write, self.append, self.read, self.rename, self.rename, self.list, self.hold),
            *(os.unlink, os.mkdir, os.rmdir, os.lstat, self.link),
            lambda path: os.symlink("a", path),
            lambda path: os.truncate(path, self.random.randrange(20_000)),
            lambda path: os.chmod(path, 0o700 | self.random.randrange(0o100)),
            lambda path: os.utime(path, (1_600_000_000, 1_600_000_000)),
        ]
        step, path = self.random.choice(steps), self.path()
        began = time.monotonic()
        try:
            step(path)
        except OSError as error:
            if error.errno not in EXPECTED:
                name = getattr(step, "__name__", "step")
                self.complaints.append(f"{name} {path}: {errno.errorcode.get(error.errno or 0)}")
        if step != self.hold and time.monotonic() - began > LONGEST:
            self.complaints.append(
                f"{getattr(step, '__name__', 'step')} {path} took {time.monotonic() - began:.0f} s"
            )


def main() -> int:
    """Exit status: whether there is something to complain about."""
    stress = Stress(Path(sys.argv[1]), int(sys.argv[2]))
    for _ in range(int(sys.argv[3])):
        with contextlib.suppress(RecursionError):
            stress.step()
    sys.stdout.write("\n".join(stress.complaints))
    return bool(stress.complaints)


if __name__ == "__main__":
    sys.exit(main())
