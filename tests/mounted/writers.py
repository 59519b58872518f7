"""Programs that write for ever: `writers.py files|trees DIRECTORY NOTES SEED`.

Before each operation they note what they are about to do, and after it that it was acknowledged. They end at the
first error, which is the daemon's death.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from collections.abc import Callable


class Writer:
    """Everything is named by its path below the directory."""

    def __init__(self, directory: str, notes: str, seed: str) -> None:
        self.directory = directory
        self.notes = open(notes, "a", buffering=1)  # noqa: SIM115 -- as long as the program
        self.random = random.Random(int(seed))
        self.seed, self.serial = seed, 0

    def run(self, step: Callable[[], None]) -> None:
        for self.serial in range(100_000):
            step()

    def at(self, name: str) -> str:
        return f"{self.directory}/{name}"

    def exists(self, name: str) -> bool:
        return os.path.lexists(self.at(name))

    def note(self, *what: str) -> None:
        print(json.dumps(what), file=self.notes)

    def do(self, name: str, way: str, text: str, operation: Callable[[], object]) -> None:
        self.note("start", name, way, text)
        operation()
        self.note("done", name, way, text)

    def text(self, longest: int) -> str:
        return f"{self.seed}.{self.serial} " + "x" * self.random.randrange(longest) + "\n"

    def put(self, name: str, flags: int, text: str) -> None:
        descriptor = os.open(self.at(name), os.O_WRONLY | flags, 0o644)
        os.write(descriptor, text.encode())
        if self.random.random() < 0.1:
            os.fsync(descriptor)
        os.close(descriptor)

    # -- one after the other ---------------------------------------------------------------------

    def files(self) -> None:
        """A few files: written, replaced as editors do, appended to, removed."""
        name = f"f{self.random.randrange(8)}"
        way = self.random.choice(["write", "write", "replace", "replace", "append", "remove"])
        if way in ("append", "remove") and not self.exists(name):
            way = "write"
        text = self.text(3000)
        if way == "remove":
            self.do(name, way, "", lambda: os.unlink(self.at(name)))
        elif way == "append":
            self.do(name, way, text, lambda: self.put(name, os.O_APPEND, text))
        elif way == "write":
            self.do(name, way, text, lambda: self.put(name, os.O_CREAT | os.O_TRUNC, text))
        else:
            self.do(name, way, text, lambda: self.replace(name, text))

    def replace(self, name: str, text: str) -> None:
        self.put(f".{name}.tmp", os.O_CREAT | os.O_TRUNC, text)
        os.rename(self.at(f".{name}.tmp"), self.at(name))

    # -- in bursts -------------------------------------------------------------------------------

    def trees(self) -> None:
        """Whole trees: made, changed, renamed, removed, with a rest in between in which what waits is sent."""
        name, way = self.random.choice(["t0", "t1", "t2"]), self.random.choice(["make", "make", "remove", "move"])
        if way == "make":
            self.make(name)
        elif way == "remove" and self.exists(name):
            self.remove(name)
        elif way == "move" and self.exists(name):
            free = [other for other in ("t0", "t1", "t2") if not self.exists(other)]
            if free:
                self.do(name, "move", free[0], lambda: os.rename(self.at(name), self.at(free[0])))
        time.sleep(self.random.choice([0.0, 0.0, 0.3, 0.8]))

    def make(self, top: str) -> None:
        for directory in (top, f"{top}/a", f"{top}/a/b", f"{top}/ü c"):
            if not self.exists(directory):
                self.do(directory, "mkdir", "", lambda name=directory: os.mkdir(self.at(name)))  # type: ignore[misc]
            for number in range(self.random.randrange(6)):
                name, text = f"{directory}/{number}", self.random.choice(["", self.text(2000), self.text(50)])
                flags = os.O_CREAT | os.O_TRUNC
                self.do(name, "write", text, lambda n=name, f=flags, t=text: self.put(n, f, t))  # type: ignore[misc]
            link = f"{directory}/link"
            if self.random.random() < 0.3 and not self.exists(link):
                self.do(link, "symlink", "0", lambda name=link: os.symlink("0", self.at(name)))  # type: ignore[misc]

    def remove(self, top: str) -> None:
        for directory, below, names in os.walk(self.at(top), topdown=False):
            inner = os.path.relpath(directory, self.directory)
            for name in (f"{inner}/{each}" for each in [*names, *below]):
                self.remove_one(name)
        self.remove_one(top)

    def remove_one(self, name: str) -> None:
        place = self.at(name)
        if os.path.islink(place) or not os.path.isdir(place):
            self.do(name, "remove", "", lambda: os.unlink(place))
        elif not os.listdir(place):
            self.do(name, "remove", "", lambda: os.rmdir(place))


def main() -> None:
    """Write until the daemon dies."""
    way, directory, notes, seed = sys.argv[1:]
    writer = Writer(directory, notes, seed)
    writer.run({"files": writer.files, "trees": writer.trees}[way])


if __name__ == "__main__":
    main()
