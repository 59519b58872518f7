"""The content cache."""

from __future__ import annotations

import errno
import hashlib
import os
from functools import partial
from pathlib import Path

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from f7tfs.vfs.content_store import ContentStore
from f7tfs.vfs.nodes import Sent

SIZE = 60
steps = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(0, SIZE), st.binary(min_size=1, max_size=20)),
        st.tuples(st.just("truncate"), st.integers(0, SIZE), st.just(b"")),
    )
)


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=SIZE), steps)
def test_a_content_behaves_like_a_file(
    tmp_path_factory: pytest.TempPathFactory, start: bytes, history: list[tuple[str, int, bytes]]
) -> None:
    content = ContentStore(tmp_path_factory.mktemp("content"), 10**9, 0).create(len(start), None)
    content.fill(0, start)
    content.kept = len(start)
    model = bytearray(start)
    for what, offset, data in history:
        if what == "write":
            content.write(offset, data)
            model.extend(bytes(max(0, offset - len(model))))
            model[offset : offset + len(data)] = data
        else:
            content.truncate(offset)
            del model[offset:]
            model.extend(bytes(offset - len(model)))
        assert content.complete
        assert trio.run(content.known_by) == Sent(len(model), hashlib.sha256(model).hexdigest())
    assert content.read(0, 1000) == bytes(model)
    assert content.size == len(model)
    assert model[: content.kept] == start[: content.kept]


def test_what_is_sent_again_is_not_read_again_to_know_it(tmp_path: Path) -> None:
    content = ContentStore(tmp_path, 10**9, 0).create(0, None)
    content.write(0, b"results")
    before = trio.run(content.known_by)
    content.path.write_bytes(b"garbage")
    assert trio.run(content.known_by) == before
    content.write(0, b"R")
    assert trio.run(content.known_by) == Sent(7, hashlib.sha256(b"Rarbage").hexdigest())


def test_what_arrives_late_does_not_undo_what_was_written(tmp_path: Path) -> None:
    content = ContentStore(tmp_path, 10**9, 0).create(10, None)
    content.write(2, b"XY")
    content.fill(0, b"0123456789")
    assert content.read(0, 10) == b"01XY456789"


def test_a_copy_may_change_while_the_original_is_sent(tmp_path: Path) -> None:
    content = ContentStore(tmp_path, 10**9, 0).create(0, None)
    content.write(0, b"original")
    twin = trio.run(ContentStore(tmp_path, 10**9, 0).copy, content)
    twin.write(0, b"changed!")
    assert content.read(0, 100) == b"original"
    assert twin.read(0, 100) == b"changed!"


def test_the_oldest_clean_content_goes_when_the_budget_is_used_up(tmp_path: Path) -> None:
    store, gone = ContentStore(tmp_path, 25, 0), []
    contents = [store.create(0, None) for _ in range(3)]
    for index, content in enumerate(contents):
        content.write(0, bytes(10))
        store.keep(content, lambda index=index: gone.append(index))  # type: ignore[misc]  # a default binds it
    assert gone == [0]
    assert not contents[0].path.exists()
    assert contents[1].path.exists()


def test_what_is_held_stays_though_it_is_discarded_or_goes_over_the_budget(tmp_path: Path) -> None:
    store = ContentStore(tmp_path, 0, 0)
    discarded, evicted = store.create(0, None), store.create(0, None)
    with discarded.held(), evicted.still():
        discarded.write(0, b"x")
        evicted.write(0, b"y")
        store.discard(discarded)
        store.keep(evicted, lambda: None)
        assert discarded.read(0, 1) + evicted.read(0, 1) == b"xy"
    assert not list(tmp_path.iterdir())


def test_what_became_dirty_again_does_not_go_with_what_is_clean(tmp_path: Path) -> None:
    store, gone = ContentStore(tmp_path, 15, 0), []
    contents = [store.create(0, None) for _ in range(2)]
    for index, content in enumerate(contents):
        content.write(0, bytes(10))
        store.keep(content, lambda index=index: gone.append(index))  # type: ignore[misc]  # a default binds it
        content.dirty = True
    assert gone == []
    assert contents[0].path.exists()


def test_a_full_disk_is_told_before_it_is_full(tmp_path: Path) -> None:
    with pytest.raises(OSError) as failed:  # noqa: PT011 -- the errno is what is looked at
        ContentStore(tmp_path, 1, 2**62).make_room(1)
    assert failed.value.errno == errno.ENOSPC


def test_what_the_journal_does_not_name_is_swept(tmp_path: Path) -> None:
    store = ContentStore(tmp_path, 1, 0)
    kept, left = store.create(0, None), store.create(0, None)
    store.sweep({kept.path.name})
    assert kept.path.exists()
    assert not left.path.exists()


def test_the_oldest_goes_where_the_budget_is_used_up(tmp_path: Path) -> None:
    store = ContentStore(tmp_path, 25, 0)
    gone: list[str] = []
    contents = {}
    for name in "abc":
        contents[name] = store.create(10, None)
        contents[name].fill(0, b"0123456789")
        store.keep(contents[name], partial(gone.append, name))
    assert (gone, store.used) == (["a"], 20)
    assert not contents["a"].path.exists()
    store.take(contents["b"])
    assert store.used == 10
    contents["b"].truncate(4)
    store.keep(contents["b"], partial(gone.append, "b"))
    store.keep(contents["b"], partial(gone.append, "b"))
    assert store.used == 14
    store.discard(contents["c"])
    store.discard(contents["c"])
    assert (gone, store.used) == (["a"], 4)


def test_clean_content_makes_room_on_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = ContentStore(tmp_path, 10**9, 100)
    gone: list[str] = []
    for name in "abc":
        store.keep(store.create(10, None), partial(gone.append, name))
    stats = os.statvfs(tmp_path)

    def full_but_for_what_went(_path: Path) -> os.statvfs_result:
        return os.statvfs_result((1, 1, *stats[2:4], 100 + 10 * len(gone), *stats[5:]))

    monkeypatch.setattr(os, "statvfs", full_but_for_what_went)
    store.make_room(15)
    assert gone == ["a", "b"]
    with pytest.raises(OSError, match="full"):
        store.make_room(1000)
