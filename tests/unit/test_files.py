"""Open files, where the cluster does not answer."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
import trio.testing

from f7tfs.cluster.errors import TimedOut
from f7tfs.cluster.model import Kind
from f7tfs.vfs.cache import ContentCache
from f7tfs.vfs.content import ContentStore
from f7tfs.vfs.files import AGAIN_SECONDS, Files
from f7tfs.vfs.handles import Handle
from f7tfs.vfs.nodes import Attributes, File
from f7tfs.vfs.paces import Paces


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
