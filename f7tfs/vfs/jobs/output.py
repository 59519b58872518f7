"""The output of a job: a file on the cluster that grows while the job runs."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

import trio

from f7tfs.cluster.errors import Unsupported
from f7tfs.cluster.model import JobState, Stat
from f7tfs.cluster.port import Cluster
from f7tfs.vfs.cache import ContentCache
from f7tfs.vfs.content import Content
from f7tfs.vfs.jobs.book import Book
from f7tfs.vfs.jobs.record import Record
from f7tfs.vfs.nodes import File, Version, told_by_stat
from f7tfs.vfs.tree import RESOLUTION, SECOND_NS

logger = logging.getLogger(__name__)

LIVE_SECONDS = 1.0
"""So old may be what is known of the output of a job that runs."""
ENDED_SECONDS = 60.0
LARGEST_WINDOW = 2**20


@dataclass(eq=False, slots=True, kw_only=True)
class OutputFile(File):
    """A job's output: a file on the cluster, wherever it lies. Its `name` is its whole path."""

    record: Record
    stream: str = "stdout"
    looked: float = float("-inf")
    """Monotonic time of the newest look."""
    ino: int = 0

    def settled(self) -> bool:
        """Whether the job had ended when this was seen, and long enough ago for its time to prove that."""
        return self.record.ended and self.version is not None and self.version.settled


class Outputs:
    """Looks at outputs, and reads the ends of those that grow."""

    def __init__(self, cluster: Cluster, book: Book, cache: ContentCache) -> None:
        self._cluster = cluster
        self._book = book
        self._cache = cache

    async def refresh(self, output: OutputFile) -> None:
        """Look at a job's output again, if it may have changed."""
        record = await self._book.fresh(output.record)
        if trio.current_time() - output.looked < (ENDED_SECONDS if output.settled() else LIVE_SECONDS):
            return
        if record.job is not None and record.job.state in (JobState.PENDING, JobState.CONFIGURING):
            return
        files = await self._book.files(record)
        output.name = files.stdout if output.stream == "stdout" else files.stderr
        stat = await self._book.stat(output.name)
        output.looked = trio.current_time()
        if stat is not None:
            self._seen(output, stat)

    def _seen(self, output: OutputFile, stat: Stat) -> None:
        settled = stat.mtime < time.time() - RESOLUTION
        version = Version(told_by_stat(stat), stat.size, settled)
        if version != output.version:
            content = output.content
            if content is not None and self._has_grown(output, stat):
                # What was read of it stays true, as output is appended.
                content.size, content.base = stat.size, version
            else:
                self._cache.drop(output)
        output.version, output.ino = version, stat.ino
        output.attributes.size, output.attributes.mtime_ns = stat.size, stat.mtime * SECOND_NS

    def _has_grown(self, output: OutputFile, stat: Stat) -> bool:
        same = stat.ino == output.ino and output.version is not None
        return same and not output.record.ended and stat.size > output.attributes.size

    async def ensure(self, output: OutputFile, start: int, stop: int) -> None:
        """Bring bytes [start, stop) of a small file that is being written, as far as a window on its text is exact.

        What this leaves out is read as of any other file: binary-safe, and whole.
        """
        content = self._cache.content(output)
        if output.record.ended or content.size > self._cluster.limits.direct_read or not content.present.total():
            # One call brings all of it, or it is large.
            return
        with content.held():
            await self._read_windows(output, content, start, stop)

    async def _read_windows(self, output: OutputFile, content: Content, start: int, stop: int) -> None:
        size = content.size
        for gap_start, gap_stop in content.present.missing(start, min(stop, size)):
            for at in range(gap_start, gap_stop, LARGEST_WINDOW):
                stop_at = min(at + LARGEST_WINDOW, gap_stop)
                try:
                    data = await self._cluster.read_window(output.name, at, stop_at, size)
                except Unsupported as error:
                    logger.info("%s is not read by windows: %s", output.name, error)
                    return
                content.fill(at, data)
