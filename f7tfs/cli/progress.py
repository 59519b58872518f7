"""What is shown to somebody who waits: on a terminal only, on standard error, and gone when it is over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from f7tfs.cli.output import console, count, size

Progress = Callable[[int, int], None]
"""Told (changes left, bytes left), if nothing else is said."""


@contextmanager
def waiting(text: str) -> Iterator[Callable[[str], None]]:
    """Something turns while the block runs; what it gets is told another text to show."""
    if not console(stderr=True).is_terminal:
        yield lambda _text: None
        return
    from rich.text import Text

    with console(stderr=True).status(Text(text)) as status:
        yield lambda text: status.update(Text(text))


@contextmanager
def drain_progress() -> Iterator[Progress]:
    """A bar of how much the cluster does not have yet."""
    if not console(stderr=True).is_terminal:
        yield lambda _changes, _size: None
        return
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[left]}"), TimeElapsedColumn())
    with Bars(*columns, console=console(stderr=True), transient=True) as bars:
        task = bars.add_task("sending to the cluster", total=None, left="")
        most = [0]

        def show(changes: int, left: int) -> None:
            # Empty files and removals have no bytes, and yet are something to wait for.
            weight = left + changes
            most[0] = max(most[0], weight)
            bars.update(
                task,
                total=most[0] or None,
                completed=most[0] - weight,
                left=f"{count(changes, 'change')}, {size(left)} left",
            )

        yield show


@contextmanager
def byte_progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar of bytes; told how many more have come."""
    if not console(stderr=True).is_terminal:
        yield lambda _more: None
        return
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn, TransferSpeedColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=console(stderr=True), transient=True) as bars:
        task = bars.add_task(what, total=total)
        yield lambda more: bars.advance(task, more)


@contextmanager
def moving_progress(what: str) -> Iterator[Progress]:
    """A bar of bytes where they are known, else something that moves. Told (bytes done, bytes in all)."""
    if not console(stderr=True).is_terminal:
        yield lambda _done, _total: None
        return
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[told]}"), TimeElapsedColumn())
    with Bars(*columns, console=console(stderr=True), transient=True) as bars:
        task = bars.add_task(what, total=None, told="")

        def show(done: int, total: int) -> None:
            told = f"{size(done)} of {size(total)}" if total else "on the cluster"
            bars.update(task, total=total or None, completed=done, told=told)

        yield show
