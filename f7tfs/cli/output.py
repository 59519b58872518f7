"""What the commands print: results on standard output, all else on standard error."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import rich.console

from f7tfs.log import redact

out = rich.console.Console(highlight=False, markup=False, soft_wrap=True)
err = rich.console.Console(stderr=True, highlight=False, markup=False, soft_wrap=True)


def complain(text: str) -> None:
    """One line on standard error, never wrapped, so that scripts can read it."""
    print(f"f7tfs: {redact(' '.join(text.split()))}", file=sys.stderr)  # noqa: T201 - rich would wrap and style it


def count(number: int, noun: str) -> str:
    """`1 change`, `2 changes`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


@contextmanager
def drain_progress() -> Iterator[Callable[[int, int], None]]:
    """A line that is kept up to date on a terminal, and is not there elsewhere."""
    with err.status("waiting for the cluster to have every change") as line:

        def show(changes: int, size: int) -> None:
            line.update(f"waiting for the cluster to have {count(changes, 'change')} ({size / 2**20:.1f} MiB) more")

        yield show
