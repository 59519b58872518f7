"""Names as `ls` shows them on a cluster without a locale, which is what FirecREST runs it in."""

from __future__ import annotations

import re

_ESCAPE = re.compile(r"\\([0-3][0-7]{2})")
_RUN = re.compile(r"(?:\\[0-3][0-7]{2})+")


def unescape(name: str) -> tuple[str, bool]:
    """Undo octal escapes of bytes beyond ASCII, which `ls` makes in the C locale; and tell whether there were none.

    Only runs that are valid UTF-8 are undone: all else may be what the name really holds, or cannot be addressed.
    """
    decoded = _RUN.sub(_decode, name)
    return decoded, decoded == name


def _decode(run: re.Match[str]) -> str:
    data = bytes(int(digits, 8) for digits in _ESCAPE.findall(run.group()))
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return run.group()
    # ls escapes printable ASCII never, control characters by letters or octal: those stay as they are.
    return text if min(data) >= 0x80 else run.group()
