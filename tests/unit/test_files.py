"""Open files, where the cluster does not answer."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
import trio.testing

from f7tfs.cluster.errors import TimedOut
from f7tfs.cluster.model import Kind
from f7tfs.vfs.cache import ContentCache
from f7tfs.vfs.content_store import ContentStore
from f7tfs.vfs.counts import CacheCounts
from f7tfs.vfs.files import AGAIN_SECONDS, Files
from f7tfs.vfs.handles import Handle
from f7tfs.vfs.nodes import Attributes, File
from f7tfs.vfs.options import VfsOptions
from f7tfs.vfs.paces import Paces
from f7tfs.vfs.reader import Reader
from f7tfs.vfs.transfers import Transfers


class NobodyThere:
    """A reader that counts who asked, and finds nobody."""

    def __init__(self) -> None:
        self.asked = 0

    async def read(self, _handle: Handle, _node: File, _offset: int, _length: int) -> bytes:
        self.asked += 1
        raise TimedOut("no answer in time")


def test_what_the_kernel_asks_again_at_once_is_not_waited_for_again(
    tmp_path: Path,
) -> None:
    reader = NobodyThere()
    cache = ContentCache(ContentStore(tmp_path, 10**9, 0))
    files = Files(None, cache, reader, None, Paces(enabled=False))  # type: ignore[arg-type]
    handle = Handle(inode=File(number=2, name="f", parent=None, attributes=Attributes(Kind.FILE, 0, "", "", 9, 0)))

    async def read(after: float) -> int:
        await trio.sleep(after)
        with pytest.raises(TimedOut):
            await files.read(handle, 0, 9)
        return reader.asked

    async def work() -> list[int]:
        return [await read(after) for after in (0, AGAIN_SECONDS / 2, AGAIN_SECONDS)]

    assert trio.run(work, clock=trio.testing.MockClock(autojump_threshold=0)) == [1, 1, 2]


def test_what_is_here_is_read_without_waiting_and_what_is_not_is_left_to_be_fetched(tmp_path: Path) -> None:
    cache = ContentCache(ContentStore(tmp_path / "content", 10**9, 0))
    node = File(number=2, name="log", parent=None, attributes=Attributes(Kind.FILE, 0, "", "", 8, 0))
    handle, counts = Handle(inode=node), CacheCounts()

    async def work() -> list[bytes | None]:
        async with trio.open_nursery() as nursery:
            options = VfsOptions(state_directory=tmp_path)
            reader = Reader(None, cache, Transfers(), None, nursery, options, counts)  # type: ignore[arg-type]
            files = Files(None, cache, reader, None, Paces(enabled=False))  # type: ignore[arg-type]
            before = files.present(handle, node, 0, 4)
            cache.content(node).fill(0, b"head")
            return [before, *(files.present(handle, node, 0, length) for length in (4, 2, 8))]

    assert trio.run(work) == [None, b"head", b"he", None]
    # A miss is counted where it is fetched.
    assert counts.report()["content"] == {"hits": 2, "misses": 0}
