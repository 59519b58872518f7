"""Logging: to the terminal or to a private, rotated file, with secrets taken out of every line."""

from __future__ import annotations

import logging
import logging.handlers
import os
import re
from collections.abc import Iterable
from pathlib import Path

import platformdirs

_FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
_MAX_BYTES = 10 * 1024 * 1024
_KEPT = 3
# These tell of every request and every loop turn; only a debug log wants that.
_CHATTY = ("httpx", "httpcore", "urllib3", "hpack", "asyncio")

_HIDDEN = "[redacted]"
_NAMES = "client_secret|access_token|refresh_token|id_token|auth-token"
_QUERY = r"[^\s\"'<>]*"
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), replacement)
    for pattern, replacement in (
        # Presigned URLs: whoever has the query may read or write the object.
        (
            rf"(https?://[^\s\"'<>?]+)\?{_QUERY}(?:signature|x-amz-credential|security-token)={_QUERY}",
            rf"\1?{_HIDDEN}",
        ),
        (r"\b(x-amz-(?:signature|credential|security-token)=)[^\s&\"'<>]+", rf"\1{_HIDDEN}"),
        # The older way of signing, where the host stands elsewhere in the line.
        (r"([?&](?:signature|awsaccesskeyid)=)[^\s&\"'<>]+", rf"\1{_HIDDEN}"),
        (r"\b(bearer\s+)[A-Za-z0-9._~+/=-]{8,}", rf"\1{_HIDDEN}"),
        # JSON web tokens wherever they stand: servers echo them in headers and messages.
        (r"\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]*)?", _HIDDEN),
        # The password of a proxy's URL.
        (r"(\b(?:https?|socks5h?|socks4a?)://[^\s/@:\"'<>]*:)[^\s/\"'<>]+@", rf"\1{_HIDDEN}@"),
        # As in a form, in JSON, in a header and in the repr of any of these.
        (
            rf"(\b\w*(?:{_NAMES})(?:[\"']?\s*[=:]|[\"'],)\s*b?[\"']?)[^\s\"'&,;)}}]+",
            rf"\1{_HIDDEN}",
        ),
    )
)


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """`text` without tokens, secrets and the queries of presigned URLs."""
    for secret in secrets:
        text = text.replace(secret, _HIDDEN)
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


class RedactingFormatter(logging.Formatter):
    """Redacts the finished line, so that what stands in a traceback or an argument is caught too."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__(_FORMAT)
        self._secrets: tuple[str, ...] = ()
        self.hide(secrets)

    def hide(self, secrets: Iterable[str]) -> None:
        """Redact these too. Not short ones: they would tear holes into ordinary words."""
        self._secrets = (*self._secrets, *(secret for secret in secrets if len(secret) >= 6))

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record), self._secrets)


class _PrivateRotatingHandler(logging.handlers.RotatingFileHandler):
    """A rotated file of mode 0600. Standard output and error follow it, as libfuse and faulthandler write there."""

    def __init__(self, file: Path, *, take_stdio: bool) -> None:
        self._take_stdio = take_stdio
        super().__init__(file, maxBytes=_MAX_BYTES, backupCount=_KEPT, encoding="utf-8")
        self._follow()

    def doRollover(self) -> None:  # noqa: N802 - the name is the standard library's
        super().doRollover()
        self._follow()

    def _follow(self) -> None:
        if self.stream is None:
            return
        os.fchmod(self.stream.fileno(), 0o600)
        if self._take_stdio:
            for descriptor in (1, 2):
                os.dup2(self.stream.fileno(), descriptor)


def log_file(key: str) -> Path:
    """Where the daemon of the mount with this key logs; its directory is made, for its owner alone."""
    directory = platformdirs.user_log_path("f7tfs")
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    directory.chmod(0o700)
    return directory / f"{key}.log"


def open_private(file: Path) -> int:
    """A descriptor that appends to a file of mode 0600."""
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    os.fchmod(descriptor, 0o600)
    return descriptor


def set_up(*, debug: bool, file: Path | None = None, secrets: Iterable[str] = ()) -> None:
    """Log to `file`, taking standard output and error along, or without one to standard error."""
    handler: logging.Handler
    if file is None:
        handler = logging.StreamHandler()
    else:
        os.close(open_private(file))
        handler = _PrivateRotatingHandler(file, take_stdio=True)
    handler.setFormatter(RedactingFormatter(secrets))
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.DEBUG if debug else logging.INFO)
    for name in _CHATTY:
        # What they say at DEBUG drowns everything else.
        logging.getLogger(name).setLevel(logging.INFO if debug else logging.WARNING)


def hide(secrets: Iterable[str]) -> None:
    """Redact these from now on, besides those that `set_up` was given."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler.formatter, RedactingFormatter):
            handler.formatter.hide(secrets)
