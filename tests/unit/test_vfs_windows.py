"""What is kept of a large text that grew, and when that is known to be true still."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import trio

from f7tfs.cluster.model import Kind
from f7tfs.vfs.cache import ContentCache
from f7tfs.vfs.content import Content
from f7tfs.vfs.content_store import ContentStore
from f7tfs.vfs.nodes import Attributes, File, Version
from f7tfs.vfs.windows import Windows

OLD = b"line\n" * 20_000


class Site:
    """Gives windows on `text`; `meanwhile` happens after it has looked, and before the answer comes."""

    def __init__(self, text: bytes) -> None:
        self.text, self.calls = text, 0
        self.meanwhile: Callable[[], None] = lambda: None

    async def read_window(self, _path: str, start: int, stop: int, _size: int) -> bytes:
        self.calls += 1
        await trio.lowlevel.checkpoint()
        data = self.text[start:stop]
        self.meanwhile()
        return data


class Following:
    """A log that was read to its end by a window."""

    def __init__(self, directory: Path) -> None:
        self.site = Site(OLD)
        self.cache = ContentCache(ContentStore(directory, 10**9, 0))
        self.windows = Windows(self.site, self.cache, enabled=True, seconds=0)  # type: ignore[arg-type]
        self.node = File(number=2, name="log", parent=None, attributes=Attributes(Kind.FILE, 0, "", "", len(OLD), 0))
        self.node.version = Version("1", len(OLD), True)
        self.content = self.cache.content(self.node)
        trio.run(self.windows.ensure, self.node, self.content, 0, len(OLD))
        assert self.content.complete

    def grow(self, text: bytes) -> Content:
        """It is seen to have grown."""
        self.site.text, self.node.attributes.size = text, len(text)
        self.node.version = Version(str(len(text)), len(text), True)
        assert self.windows.follow(self.node, self.content)
        return self.content

    def prove(self) -> None:
        trio.run(self.windows.prove, self.node, self.content)


@pytest.fixture
def log(tmp_path: Path) -> Following:
    return Following(tmp_path)


def test_what_was_appended_to_is_kept_but_is_known_to_be_assumed(log: Following) -> None:
    assert not log.windows.followed(log.content)
    content = log.grow(OLD + b"more\n")
    assert not log.windows.proven(content)
    log.prove()
    assert log.node.content is content
    assert log.windows.proven(content)
    assert log.windows.followed(content)
    assert content.read(0, 10**6) == OLD + b"more\n"


def test_what_has_another_end_is_dropped(log: Following) -> None:
    log.grow(b"else\n" * 30_000)
    log.prove()
    assert log.node.content is None


def test_a_proof_is_none_of_what_was_seen_after_it_was_asked_for(log: Following) -> None:
    log.grow(OLD + b"more\n")

    def rewritten() -> None:
        log.site.meanwhile = lambda: None
        log.grow(b"else\n" * 30_000)

    log.site.meanwhile = rewritten
    log.prove()
    assert not log.windows.proven(log.content)
    log.prove()
    assert log.node.content is None


def test_no_window_is_asked_for_by_the_path_of_an_unlinked_file(log: Following) -> None:
    log.grow(OLD + b"more\n")
    log.node.unlinked = True
    calls = log.site.calls
    log.prove()
    trio.run(log.windows.ensure, log.node, log.content, 0, len(OLD) + 5)
    assert log.site.calls == calls
    assert log.content.read(0, len(OLD)) == OLD
    assert not log.content.complete
