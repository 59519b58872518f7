"""Reads parts of large text files by windows on their text, so that what grows can be followed without staging it.

Which bytes are exact is the port's to prove; here is when a window pays, and what of a file that has grown is still
true. What has grown is taken as appended to if the last bytes before its old end, its anchor, are what they were. The
anchor is read before anything else of a version, so that it is no younger than any byte that it speaks for.
"""

from __future__ import annotations

import logging
import re
import time
import weakref
from dataclasses import dataclass, field

import trio

from f7tfs.cluster.errors import CutCharacter, NotText, Refused, Unsupported
from f7tfs.cluster.port import Cluster
from f7tfs.vfs.cache import ContentCache
from f7tfs.vfs.content import Content
from f7tfs.vfs.names import at_its_place
from f7tfs.vfs.nodes import File, Version
from f7tfs.vfs.sequence import BLOCK
from f7tfs.vfs.tree import SECOND_NS

logger = logging.getLogger(__name__)

LARGEST = 2 * 2**20
FIRST = 2 * BLOCK
GROWTH = 4
"""Who reads on gets so much more with each window."""
ALLOWANCE = 12
"""So many windows are read of one version of a file: by then a staging would have cost no more."""
NEAR = 512 * 2**10
"""Who reads so close behind what is here goes on where the last window ended."""
ANCHOR = 16 * 2**10
LONGEST_CHARACTER = 4
PAUSES = (0.5, 1.0, 1.5)
"""Seconds for which a writer is waited for who has written a part of a character."""
GROWING_SECONDS = 3600.0
"""What was written within that time may be growing."""
BINARY = re.compile(
    r"\.(7z|a|bin|bz2|db|dcd|gif|gz|h5|hdf5|jpg|mp4|nc4?|np[yz]|o|parquet|pdf|pkl|png|pth?|root|so|sqlite|tar|tgz|"
    r"tiff|trr|xtc|xz|zip|zst)$",
    re.IGNORECASE,
)
"""Names of what is no text, or not often: the first window would be for nothing."""


@dataclass(eq=False, slots=True)
class _Text:
    """What is known of a content as a text. `version`: the one that `left` counts for."""

    version: Version | None
    left: int = ALLOWANCE
    length: int = FIRST
    refused: bool = False
    """It is none, or is read otherwise from now on."""
    windowed: bool = False
    """Some of it came by windows: so its bytes need not be of one moment."""
    anchor: tuple[int, int] | None = None
    """Bytes [start, stop)."""
    unproven: bool = False
    """It has grown, and the anchor has not been compared yet."""
    doubts: int = 0
    """How often it became unproven; a proof is none of what was seen after it was asked for."""
    followed: bool = False
    """Some of it is from before it grew."""
    looked: float = float("-inf")
    """Monotonic time when its end was last read."""
    lock: trio.Lock = field(default_factory=trio.Lock)


class Windows:
    """What large contents have of windows on their files. `seconds`: how long what was seen is believed."""

    def __init__(self, cluster: Cluster, cache: ContentCache, *, enabled: bool, seconds: float) -> None:
        self._cluster = cluster
        self._cache = cache
        self._enabled = enabled
        self._seconds = seconds
        self._texts: weakref.WeakKeyDictionary[Content, _Text] = weakref.WeakKeyDictionary()

    def _text(self, content: Content) -> _Text:
        text = self._texts.get(content)
        if text is None:
            text = self._texts[content] = _Text(content.base)
        if text.version != content.base:
            text.version, text.left, text.length = content.base, ALLOWANCE, FIRST
        return text

    # -- when ------------------------------------------------------------------------------------

    def apt(self, node: File, content: Content) -> bool:
        """Whether the next bytes of a large file may come by a window."""
        if not self._enabled or content.dirty or node.unlinked or node.change is not None or BINARY.search(node.name):
            return False
        text = self._text(content)
        return not text.refused and text.left > 0

    def _pays(self, content: Content, text: _Text, wanted: int) -> bool:
        """Not for who goes through all of a file that takes more calls by windows than by staging."""
        if text.length == LARGEST:
            wanted = content.size - content.present.total()
        return wanted <= text.left * LARGEST

    # -- growing ---------------------------------------------------------------------------------

    def proven(self, content: Content) -> bool:
        """Whether what is present of it is known to be so still."""
        text = self._texts.get(content)
        return text is None or not text.unproven

    def followed(self, content: Content) -> bool:
        """Whether some of it is only assumed to be as it was: a change before the anchor is not seen."""
        text = self._texts.get(content)
        return text is not None and text.followed

    def follow(self, node: File, content: Content) -> bool:
        """The file has grown, or may have changed unseen: keep what is here, to be proven at the next read.

        False if that cannot be. No await.
        """
        if not self._enabled or content.dirty or node.change is not None or not _has_grown(node, content):
            return False
        text = self._text(content)
        if text.anchor is None and not text.windowed:
            text.anchor = _end_of(content, content.size)
        if text.anchor is None or text.refused:
            return False
        if node.version != content.base or not self._seen_lately(node, text):
            text.unproven, text.followed, text.doubts = True, True, text.doubts + 1
        content.size, content.base = node.attributes.size, node.version
        return True

    def _seen_lately(self, node: File, text: _Text) -> bool:
        expired = node.parent.expired if node.parent is not None else float("-inf")
        return text.looked > max(expired, trio.current_time() - self._seconds)

    async def prove(self, node: File, content: Content) -> None:
        """Compare what is here with what is there; drop the content where that does not show that it is the same."""
        text = self._text(content)
        async with text.lock:
            if not text.unproven or text.anchor is None or node.content is not content:
                return
            if node.unlinked:
                # At its path there is nothing, or another one. What is here is what it had.
                text.unproven = False
                return
            start, stop = text.anchor
            asked, doubts = trio.current_time(), text.doubts
            data = await self._read(node, content, text, start, min(content.size, start + LARGEST))
            text.left = ALLOWANCE
            if node.content is not content:
                return
            if start + len(data) < stop or not content.agrees(start, data):
                logger.info("%s is not what it was before it grew, or that cannot be seen", node.path)
                self._cache.drop(node)
                return
            content.fill(start, data)
            text.unproven, text.windowed, text.looked = text.doubts != doubts, True, asked
            text.anchor = _end_of(content, start + len(data))

    async def _lay_anchor(self, node: File, content: Content, text: _Text) -> None:
        """Before anything else is read of a version that may be growing."""
        if time.time() - node.attributes.mtime_ns / SECOND_NS < GROWING_SECONDS:
            start = max(0, content.size - ANCHOR)
            asked = trio.current_time()
            data = await self._read(node, content, text, start, content.size)
            self._take(node, content, text, start, data, asked)

    # -- reading ---------------------------------------------------------------------------------

    async def ensure(self, node: File, content: Content, start: int, stop: int) -> None:
        """Make bytes [start, stop) present, as far as windows pay and bring them. Raises Unavailable."""
        text = self._text(content)
        async with text.lock:
            while missing := content.present.missing(start, min(stop, content.size)):
                if node.content is not content or not self.apt(node, content):
                    return
                if not self._pays(content, text, stop - start):
                    return
                low, high = self._window(content, text, *missing[0])
                if not content.present.total() and high < content.size:
                    await self._lay_anchor(node, content, text)
                    if text.refused:
                        return
                asked = trio.current_time()
                data = await self._read(node, content, text, low, high)
                if not self._take(node, content, text, low, data, asked):
                    return

    def _take(self, node: File, content: Content, text: _Text, start: int, data: bytes, asked: float) -> bool:
        """What was asked for at `asked` has come. False where that is nothing."""
        if not data or node.content is not content:
            return False
        first = not content.present.total()
        content.fill(start, data)
        text.windowed = True
        if first:
            text.anchor, text.looked = _end_of(content, content.size), asked
        return True

    def _window(self, content: Content, text: _Text, start: int, stop: int) -> tuple[int, int]:
        """What to read for the missing bytes [start, stop): more for one who goes on where the last window ended."""
        low = start // BLOCK * BLOCK
        high = min(-(-stop // BLOCK) * BLOCK, content.size)
        begin = max(0, start - NEAR)
        before = content.present.missing(begin, start)
        forward = start > 0 and before != [(begin, start)]
        backward = stop < content.size and content.present.covers(stop, stop + 1)
        text.length = min(text.length * GROWTH, LARGEST) if forward or backward else FIRST
        if forward:
            # The kernel sends several requests at once, in any order.
            low = before[-1][0] if before and before[-1][1] == start else start
            high = min(low + text.length, content.size)
        elif backward:
            low, high = max(0, stop - text.length), stop
        if content.size - low <= LARGEST:
            # The rest in one call; on v1 it is the same call anyway.
            low, high = max(0, min(low, content.size - ANCHOR)), content.size
        return low, min(high, low + LARGEST)

    async def _read(self, node: File, content: Content, text: _Text, start: int, stop: int) -> bytes:
        """Exact bytes from `start`; none where windows give no more. Raises Unavailable."""
        data = b""
        for pause in (*PAUSES, None):
            try:
                data = await self._read_once(node, content, text, start, stop)
                cut = stop == content.size and 0 < stop - start - len(data) < LONGEST_CHARACTER
            except CutCharacter:
                cut = True
            except Unsupported as error:
                logger.debug("%s is not read by windows: %s", node.path, error)
                text.refused = text.refused or isinstance(error, NotText)
                return b""
            except Refused as error:
                logger.info("%s is not read by windows: %s", node.path, error)
                text.refused = True
                return b""
            if not cut or pause is None:
                break
            await trio.sleep(pause)
        text.refused = text.refused or not data or b"\0" in data
        return b"" if text.refused else data

    async def _read_once(self, node: File, content: Content, text: _Text, start: int, stop: int) -> bytes:
        size = content.size
        text.left -= 1
        return await at_its_place(node, lambda path: self._cluster.read_window(path, start, stop, size))


def _has_grown(node: File, content: Content) -> bool:
    """Or is of the same version, which may have changed within a second without showing it."""
    version, base = node.version, content.base
    if version is None or base is None or node.attributes.size < content.size:
        return False
    return version == base or version.size > base.size


def _end_of(content: Content, stop: int) -> tuple[int, int] | None:
    """Where the last bytes before `stop` are; they begin with a character. None where they are not present."""
    start = max(0, stop - ANCHOR)
    if stop <= start or not content.present.covers(start, stop):
        return None
    head = content.read(start, LONGEST_CHARACTER - 1)
    while head and head[0] & 0xC0 == 0x80:
        start, head = start + 1, head[1:]
    return start, stop
