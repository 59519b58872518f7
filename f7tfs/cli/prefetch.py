"""`f7tfs prefetch`: have content on the local disk before it is needed."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import Annotated

import typer

from f7tfs.cli.arguments import Json
from f7tfs.cli.output import count, show_json, size, tell
from f7tfs.cli.places import mount_and_path
from f7tfs.cli.progress import byte_progress
from f7tfs.mount.errors import MountError

_CHUNK = 2**20
_LARGE = 3 * 2**20
"""Above about that, a file waits for the site's scheduler, or a task, before its first byte comes."""
_AT_ONCE = 4


def prefetch(
    paths: Annotated[list[Path], typer.Argument(parser=Path, metavar="PATH...", help="Files and directories.")],
    as_json: Json = False,
) -> None:
    """Bring files, and all files below directories, into the local cache."""
    files = []
    for path in paths:
        mount_and_path(path)
        files += list(_files_below(path))
    total = sum(length for _, length in files)
    with byte_progress("fetching", total) as arrived:
        fetch(files, arrived)
    if as_json:
        show_json({"files": len(files), "bytes": total})
        return
    tell(f"{count(len(files), 'file')}, {size(total)}, can be read without the cluster")


def fetch(files: Sequence[tuple[Path, int]], arrived: Callable[[int], None]) -> None:
    """Read files of these sizes: large ones some at once, so that their queues are waited for together.

    The others one after the other, in their order: the mount brings neighbours by few calls.
    """
    large = [file for file, length in files if length > _LARGE]
    ends = _in_threads(large, arrived)
    for file, length in files:
        if length <= _LARGE:
            _read(file, arrived)
    for _ in large:
        if error := ends.get():
            raise error


def _in_threads(files: Sequence[Path], arrived: Callable[[int], None]) -> SimpleQueue[Exception | None]:
    """What becomes of each, in any order. The threads are daemons: who gives up does not wait for what they read."""
    left, ends = deque(files), SimpleQueue[Exception | None]()

    def work() -> None:
        while left:
            try:
                file = left.popleft()
            except IndexError:
                return
            try:
                _read(file, arrived)
            except Exception as error:  # noqa: BLE001 -- raised by who waits
                ends.put(error)
            else:
                ends.put(None)

    for _ in range(min(_AT_ONCE, len(files))):
        threading.Thread(target=work, daemon=True).start()
    return ends


def _files_below(path: Path) -> Iterator[tuple[Path, int]]:
    try:
        if not path.is_dir():
            yield path, path.stat().st_size
            return
        for directory, _, names in os.walk(path, onerror=_raise):
            for name in sorted(names):
                file = Path(directory) / name
                if file.is_file() and not file.is_symlink():
                    yield file, file.stat().st_size
    except OSError as error:
        raise MountError(f"{error.filename or path}: {error.strerror}", "f7tfs status tells more") from None


def _raise(error: OSError) -> None:
    raise error


def _read(file: Path, arrived: Callable[[int], None]) -> None:
    try:
        with file.open("rb", buffering=0) as stream:
            while chunk := stream.read(_CHUNK):
                arrived(len(chunk))
    except OSError as error:
        raise MountError(f"{file}: {error.strerror}", "f7tfs log tells more; the rest was not fetched") from None
