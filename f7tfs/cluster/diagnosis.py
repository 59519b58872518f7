"""From what a server answers to the error that it means. Pure.

Neither version has error numbers. The best witness is the stderr of the command, which is in the answer's text;
status and headers are chosen by the server with substring tests, and often lie. A path inside the text may hold any
phrase, so only what stands at the end of a line, after the last colon, is believed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from f7tfs.cluster.errors import (
    AccountRequired,
    AlreadyExists,
    Busy,
    ClusterError,
    DirectoryNotEmpty,
    InvalidName,
    IsADirectory,
    NameTooLong,
    NoSpace,
    NoSuchSystem,
    NotADirectory,
    NotFound,
    PermissionDenied,
    QuotaExceeded,
    ReadOnly,
    RemoteFailure,
    SchedulerRefused,
    TimedOut,
    TooLarge,
    TooManySymlinks,
    Unauthorized,
    Unavailable,
    Unsupported,
)

PHRASES: dict[str, type[ClusterError]] = {
    "No such file or directory": NotFound,
    "Permission denied": PermissionDenied,
    "Operation not permitted": PermissionDenied,
    "Not a directory": NotADirectory,
    "Is a directory": IsADirectory,
    "File exists": AlreadyExists,
    "Directory not empty": DirectoryNotEmpty,
    "File name too long": NameTooLong,
    "Too many levels of symbolic links": TooManySymlinks,
    "No space left on device": NoSpace,
    "Disk quota exceeded": QuotaExceeded,
    "Read-only file system": ReadOnly,
    "File too large": TooLarge,
    "Cannot allocate memory": Busy,
    "Resource temporarily unavailable": Busy,
    "Too many open files in system": Busy,
    "Stale file handle": Unavailable,
    "Transport endpoint is not connected": Unavailable,
    "Host is down": Unavailable,
    "Connection timed out": Unavailable,
}
"""What strerror says of an error number, and the error that it is."""

_AT_END = re.compile(r"(?:^|[:;] )(" + "|".join(map(re.escape, PHRASES)) + r")\s*$", re.MULTILINE)
# mv says these in words of its own.
_OVERWRITE = (
    (re.compile(r"cannot overwrite non-directory .* with directory "), NotADirectory),
    (re.compile(r"cannot overwrite directory .* with non-directory"), IsADirectory),
)

_V2_MESSAGES: tuple[tuple[str, type[ClusterError]], ...] = (
    ("System not found", NoSuchSystem),
    ("Job not found", NotFound),
    ("Account parameter is required", AccountRequired),
    ("is not an absolute path", InvalidName),
    ("does not match any of the defined filesystem paths", NotFound),
    ("Command output exceeded buffer limit", TooLarge),
    ("File to upload is too large", TooLarge),
    ("Requested transfer method is not available", Unsupported),
    ("Unexpected Slurm command response", SchedulerRefused),
    ("('No SSH credentials found for user", Unauthorized),
    ("(111, ", Unavailable),
    ("Unable to open a new SSH channel", Busy),
)
"""How v2's own messages, which are not of a command, begin or what they hold."""

_V1_MESSAGES: tuple[tuple[str, type[ClusterError]], ...] = (
    ("Machine does not exist", NoSuchSystem),
    ("Machines does not exist", NoSuchSystem),
    ("Connection refused", Unavailable),
    ("Authentication failed", Unauthorized),
    ("Command output exceeded buffer limit", TooLarge),
    ("Failed to upload file. The file is over", TooLarge),
    ("Command has finished with timeout signal", TimedOut),
)

_V1_HEADERS: dict[str, type[ClusterError]] = {
    "x-machine-does-not-exist": NoSuchSystem,
    "x-machine-does-not-exists": NoSuchSystem,
    "x-machine-not-available": Unavailable,
    "x-timeout": TimedOut,
    "x-size-limit": TooLarge,
    "x-not-found": NotFound,
    "x-invalid-path": NotFound,
    "x-permission-denied": PermissionDenied,
    "x-not-a-directory": NotADirectory,
    "x-a-directory": IsADirectory,
    "x-exists": AlreadyExists,
    "x-sbatch-error": SchedulerRefused,
}
"""Believed only where the text tells nothing."""

_STATUSES: dict[int, type[ClusterError]] = {
    401: Unauthorized,
    403: PermissionDenied,
    404: NotFound,
    408: TimedOut,
    413: TooLarge,
    424: Unavailable,
    429: Busy,
    502: Unavailable,
    503: Unavailable,
    504: TimedOut,
}

_V2_COMMAND = "Remote process failed with exit status:"


def errno_phrase(text: str) -> type[ClusterError] | None:
    """The error that the stderr text of a command ends with, of several lines the first that tells one."""
    for pattern, kind in _OVERWRITE:
        if pattern.search(text):
            return kind
    match = _AT_END.search(text)
    return PHRASES[match.group(1)] if match else None


def diagnose_v2(status: int, message: str) -> type[ClusterError]:
    """The error that an answer of v2 means."""
    if status in {401, 429}:
        return _STATUSES[status]
    if message.startswith(_V2_COMMAND):
        return errno_phrase(message.partition("error message:")[2]) or RemoteFailure
    for phrase, kind in _V2_MESSAGES:
        if phrase in message:
            return kind
    return _STATUSES.get(status, RemoteFailure)


def diagnose_v1(status: int, message: str, headers: Mapping[str, str]) -> type[ClusterError]:
    """The error that an answer of v1 means. `headers` have names in lower case."""
    if status in {401, 429}:
        return _STATUSES[status]
    if message.endswith(("has invalid char", "is empty", "not specified")):
        return InvalidName
    kind = errno_phrase(message)
    if kind is not None:
        return kind
    for phrase, named in _V1_MESSAGES:
        if message.startswith(phrase):
            return named
    for name, named in _V1_HEADERS.items():
        if name in headers:
            return named
    return _STATUSES.get(status, RemoteFailure)
