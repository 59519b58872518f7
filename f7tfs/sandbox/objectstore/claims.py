"""Claim checks: what moto stores instead of content.

moto holds whole objects in memory, several times over while it joins parts, and reads the whole object for each
range that is asked of it. So content goes into files, and moto gets a short text of fixed length for each, the claim.
When it joins the parts of a multipart upload, it joins claims; an object is a row of claims, and so a row of files.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

CLAIM = re.compile(rb"f7tfs-claim:([0-9a-f]{32}):(\d{20})\n")
CLAIM_LENGTH = 66
CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Claim:
    """One stored piece of content."""

    name: str
    size: int

    @property
    def text(self) -> bytes:
        return f"f7tfs-claim:{self.name}:{self.size:020d}\n".encode()


def parse_claims(body: bytes) -> list[Claim] | None:
    """The claims that a stored object consists of; None if it is something else."""
    if len(body) % CLAIM_LENGTH:
        return None
    found = [CLAIM.fullmatch(body[at : at + CLAIM_LENGTH]) for at in range(0, len(body), CLAIM_LENGTH)]
    if not all(found):
        return None
    return [Claim(match[1].decode(), int(match[2])) for match in found if match]


def parse_range(header: str | None, total: int) -> tuple[int, int] | None:
    """[start, stop) of a Range header with one range. None: no such header, or one to be ignored.

    Raises ValueError if the range lies outside.
    """
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", header or "")
    if match is None or match[0] == "bytes=-":
        return None
    if match[1]:
        start = int(match[1])
        stop = min(total, int(match[2]) + 1) if match[2] else total
    else:
        start, stop = max(0, total - int(match[2])), total
    if start >= total or start >= stop:
        raise ValueError(header)
    return start, stop


class Blobs:
    """The files that hold the content."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def create(self) -> tuple[str, IO[bytes]]:
        """A new empty file, open to be filled, and its name."""
        name = uuid.uuid4().hex
        return name, (self._directory / name).open("w+b")

    def store(self, source: IO[bytes], size: int) -> Claim:
        """Take exactly `size` bytes. Raises EOFError if there are fewer."""
        name, output = self.create()
        left = size
        with output:
            while left:
                chunk = source.read(min(CHUNK, left))
                if not chunk:
                    raise EOFError
                output.write(chunk)
                left -= len(chunk)
        return Claim(name, size)

    def read(self, claims: Sequence[Claim], start: int, stop: int) -> Iterator[bytes]:
        """The bytes [start, stop) of the files in a row, in chunks."""
        position = 0
        for claim in claims:
            first, last = max(start, position), min(stop, position + claim.size)
            if first < last:
                yield from self._read_one(claim, first - position, last - first)
            position += claim.size

    def _read_one(self, claim: Claim, offset: int, left: int) -> Iterator[bytes]:
        with (self._directory / claim.name).open("rb") as source:
            source.seek(offset)
            while left and (chunk := source.read(min(CHUNK, left))):
                left -= len(chunk)
                yield chunk

    def remove(self, claims: Iterable[Claim]) -> None:
        for claim in claims:
            (self._directory / claim.name).unlink(missing_ok=True)
