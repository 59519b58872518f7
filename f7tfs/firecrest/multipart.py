"""Multipart bodies, built by hand: HTTP libraries escape file names in a way that the servers keep literally."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class Form:
    """What comes before the file's bytes and after them, so that the bytes can be streamed."""

    head: bytes
    tail: bytes
    content_type: str

    def around(self, content: bytes) -> bytes:
        """The whole body."""
        return b"".join((self.head, content, self.tail))


def raw_filename(name: str) -> str:
    """`filename` in UTF-8 with backslash escapes: what FirecREST v2 and object stores read exactly."""
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'filename="{escaped}"'


def extended_filename(name: str) -> str:
    """`filename`, and for other than ASCII also `filename*` of RFC 5987: what FirecREST v1 reads exactly."""
    raw = raw_filename(name)
    return raw if name.isascii() else f"{raw}; filename*=utf-8''{quote(name, safe='')}"


def form(fields: Mapping[str, str], filename: str, field: str = "file", boundary: str | None = None) -> Form:
    """A form of `fields` and then one file; `filename` is the header parameter of one of the functions above."""
    boundary = boundary or secrets.token_hex(16)
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    parts.append(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{field}"; {filename}\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    return Form(
        "".join(parts).encode(), f"\r\n--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"
    )
