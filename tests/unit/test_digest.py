"""The checksum of what is being written."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from f7tfs.vfs.content_store import ContentStore
from f7tfs.vfs.digest import STEP, RunningDigest
from f7tfs.vfs.nodes import Sent

PATIENCE = 120.0
steps = st.lists(
    st.tuples(
        st.sampled_from(["append", "write", "cut", "ask"]), st.integers(0, 60), st.binary(min_size=1, max_size=9)
    )
)


def sha256(data: bytes | bytearray) -> str:
    return hashlib.sha256(data).hexdigest()


def until_taken(digest: RunningDigest, size: int) -> None:
    end = time.monotonic() + PATIENCE
    while digest.taken < size:
        assert time.monotonic() < end
        time.sleep(0.001)


@settings(max_examples=60, deadline=None)
@given(steps)
def test_it_is_right_or_it_is_none(
    tmp_path_factory: pytest.TempPathFactory, history: list[tuple[str, int, bytes]]
) -> None:
    path = tmp_path_factory.mktemp("digest") / "content"
    path.touch()

    async def main() -> None:
        digest, model, ordered = RunningDigest(path, step=4), bytearray(), True
        for what, at, data in history:
            start = len(model) if what == "append" else min(at, len(model))
            match what:
                case "append" | "write":
                    model[start : start + len(data)] = data
                case "cut":
                    del model[start:]
                case _:
                    assert await digest.value(len(model)) in {None, sha256(model)}
                    continue
            path.write_bytes(model)
            ordered = ordered and what == "append"
            digest.changed(start)
            digest.follow(len(model))
        found = await digest.value(len(model))
        assert found == sha256(model) or (found is None and not ordered)

    trio.run(main)


def test_what_is_written_in_order_is_taken_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "content"

    async def main() -> None:
        digest = RunningDigest(path, step=1000)
        path.write_bytes(b"a" * 1500)
        digest.follow(1500)
        await trio.to_thread.run_sync(until_taken, digest, 1500)
        # Not read again: it would be found to be another.
        path.write_bytes(b"b" * 1500 + b"c" * 10)
        assert await digest.value(1510) == sha256(b"a" * 1500 + b"c" * 10)

    trio.run(main)


def test_little_is_not_worth_a_thread(tmp_path: Path) -> None:
    path = tmp_path / "content"
    path.write_bytes(b"a" * 999)

    async def main() -> None:
        digest = RunningDigest(path, step=1000)
        digest.follow(999)
        await trio.to_thread.run_sync(lambda: None)
        assert digest.taken == 0
        assert await digest.value(999) == sha256(b"a" * 999)

    trio.run(main)


def test_a_file_that_has_gone_is_told_to_who_asks(tmp_path: Path) -> None:
    async def main() -> None:
        digest = RunningDigest(tmp_path / "gone", step=1)
        digest.follow(10)
        with pytest.raises(FileNotFoundError):
            await digest.value(10)

    trio.run(main)


def test_a_large_content_that_is_written_in_order_and_then_changed_is_known_right(tmp_path: Path) -> None:
    block, model = bytes(range(256)) * 2**12, bytearray()

    async def main() -> None:
        content = ContentStore(tmp_path, 10**9, 0).create(0, None)
        for index in range(STEP // len(block) * 2 + 1):
            content.write(index * len(block), block)
            model.extend(block)
        assert await content.known_by() == Sent(len(model), sha256(model))
        for at, data in ((len(model), b"appended"), (3, b"changed"), (STEP + 5, b"again")):
            content.write(at, data)
            model[at : at + len(data)] = data
            assert await content.known_by() == Sent(len(model), sha256(model))
        content.truncate(STEP)
        del model[STEP:]
        assert await content.known_by() == Sent(STEP, sha256(model))
        content.truncate(0)
        content.write(0, b"new")
        assert await content.known_by() == Sent(3, sha256(b"new"))

    trio.run(main)
