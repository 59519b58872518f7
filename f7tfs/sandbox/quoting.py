"""How names are mangled on their way through shells and `ls`: pure functions."""

from __future__ import annotations

import re

from f7tfs.sandbox.coreutils.failure import ShellError

NAMED_ESCAPES = {7: "\\a", 8: "\\b", 9: "\\t", 10: "\\n", 11: "\\v", 12: "\\f", 13: "\\r"}
V1_FORBIDDEN = re.compile(r"""[<>|;"'&\\()`\x00-\x1f]""")
UNTERMINATED = "bash: -c: line 1: unexpected EOF while looking for matching `''"


class Injected(Exception):
    """The text would have run as shell code on a real server. Here nothing is run."""


def listed_name(name: str, *, utf8: bool) -> str:
    """A file name as the API shows it: in the C quoting of `ls`, with only the quote and backslash undone."""
    raw = name.encode("utf-8", "surrogateescape")
    if raw.isascii() and name.isprintable():
        return name
    text = raw.decode("utf-8", "surrogateescape") if utf8 else raw.decode("latin-1")
    return "".join(_listed_character(c, utf8=utf8) for c in text)


def _listed_character(char: str, *, utf8: bool) -> str:
    code = ord(char)
    if code in NAMED_ESCAPES:
        return NAMED_ESCAPES[code]
    if 0x20 <= code < 0x7F or (utf8 and char.isprintable()):
        return char
    raw = char.encode("utf-8", "surrogateescape") if utf8 else char.encode("latin-1")
    return "".join(f"\\{byte:03o}" for byte in raw)


def single_quoted(path: str) -> str:
    """The word that a shell reads from `'path'` when the path is pasted in unescaped, as v2 does.

    Raises ShellError where a quote stays open, Injected where something besides one word comes out.
    """
    if "'" not in path:
        return path
    return _shell_word(f"'{path}'")


def _shell_word(text: str) -> str:
    word: list[str] = []
    position = 0
    while position < len(text):
        char = text[position]
        if char in "'\"":
            end = text.find(char, position + 1)
            if end < 0:
                raise ShellError(2, UNTERMINATED)
            quoted = text[position + 1 : end]
            if char == '"' and re.search(r"[$`\\]", quoted):
                raise Injected
            word.append(quoted)
            position = end + 1
        elif char == "\\":
            word.append(text[position + 1 : position + 2])
            position += 2
        elif char in " \t\n;|&<>()$`*?[#~!{}":
            _check_rest(text[position:])
            raise Injected
        else:
            word.append(char)
            position += 1
    return "".join(word)


def _check_rest(text: str) -> None:
    """A command line that ends inside a quote is a syntax error before anything of it would run."""
    without_pairs = re.sub(r"\\.|'[^']*'", "", text, flags=re.DOTALL)
    if "'" in without_pairs:
        raise ShellError(2, UNTERMINATED)


def collapsed(path: str) -> str:
    """What v1's command wrapper makes of a path: its `eval` is unquoted, so runs of blanks become one."""
    return re.sub(r" {2,}", " ", path)
