"""Which paths each version can carry exactly. Pure; nothing is sent for one that it cannot.

v2 pastes paths between single quotes into a shell command, and into job scripts through an HTML-escaping template.
v1 refuses many characters, and its wrapper on the cluster joins several blanks into one.
"""

from __future__ import annotations

import re

from f7tfs.cluster.errors import InvalidName, Unsupported
from f7tfs.firecrest.escapes import unescape

_JOB_ESCAPED = frozenset("&'<>\"")
_V1_REFUSED = frozenset("<>|;\"'&\\()`") | set(map(chr, range(0x20)))
_CONTROLS = frozenset({*map(chr, range(0x20)), "\x7f"})
_BLANKS = re.compile("  ")
_PLAIN = re.compile(r"[A-Za-z0-9._/+@%=:-]+", re.ASCII)


def check_text(path: str) -> None:
    """Refuse what no request can carry: names that are not UTF-8, and NUL."""
    if "\0" in path:
        raise InvalidName("a name cannot hold a NUL")
    try:
        path.encode()
    except UnicodeEncodeError:
        raise InvalidName(f"{path!r}: FirecREST cannot carry a name that is not UTF-8") from None


def check_v2(path: str) -> None:
    """For calls that are answered at once: any UTF-8."""
    check_text(path)


def check_v2_upload(path: str) -> None:
    """For direct uploads: the name is in a header, where a line cannot end."""
    check_text(path)
    name = path.rpartition("/")[2]
    if "\n" in name or "\r" in name:
        raise InvalidName(f"{path!r}: FirecREST cannot upload to a name with a line end")


def check_v2_new(path: str) -> None:
    """For what is to be made: listings show a tab as a backslash and a `t`, as they show a name that holds these."""
    check_v2_upload(path)
    name = path.rpartition("/")[2]
    if found := sorted(_CONTROLS.intersection(name)):
        raise InvalidName(f"{path!r}: FirecREST lists names with {' '.join(map(repr, found))} as others")
    if unescape(name)[0] != name:
        raise InvalidName(f"{path!r}: FirecREST lists it as it lists {unescape(name)[0]!r}")


def check_v2_job(path: str) -> None:
    """For transfer jobs, the site's or ours: a script is no place for a line end in a name."""
    check_text(path)
    if "\n" in path or "\r" in path:
        raise InvalidName(f"{path!r}: transfer jobs cannot handle a name with a line end")


def survives_template(path: str) -> bool:
    """Whether v2's own transfer jobs get that path right: their scripts would have another name for some."""
    return not _JOB_ESCAPED.intersection(path)


def check_v1(path: str) -> None:
    """For all calls of v1."""
    check_text(path)
    found = sorted(_V1_REFUSED.intersection(path))
    if found:
        raise InvalidName(f"{path!r}: FirecREST v1 refuses names with {' '.join(map(repr, found))}")
    if _BLANKS.search(path):
        raise InvalidName(f"{path!r}: FirecREST v1 would act on a name with one blank instead of several")


def is_plain(path: str) -> bool:
    """Whether any script of any version gets that path right, quoted or not."""
    return _PLAIN.fullmatch(path) is not None


def check_directive(path: str) -> None:
    """For the head of a job's script, where nothing is quoted. Raises Unsupported."""
    if not is_plain(path):
        raise Unsupported(f"{path} cannot be named in a job's directives")


def quote_v2(path: str) -> str:
    """`path` as v2 has to be sent it, since it does not escape a quote itself."""
    return path.replace("'", "'\\''")
