"""What can go wrong when FirecREST is called.

FirecrestException                the responses that led to it, redacted, are in `responses`; the last one decided
├── UnexpectedStatusException     a status that is not success
│   ├── UnauthorizedException     401, also after one replay with a fresh token
│   └── NotFound                  404
├── HeaderException               v1: an error that a response header names
├── ClientsCredentialsException   no access token could be had
├── NoJSONException               success, but not the JSON that was expected
├── StorageDownloadException      object storage did not give an object
├── StorageUploadException        object storage did not take an object
├── TaskException                 v1: a task ended with an error
│   └── StagingFailed             118; it is also a StorageDownloadException
├── UnsupportedTransferMethod     v2: the system moves large files in another way than by object storage
├── TransferJobFailedException    v2: a transfer job ended without having done its work
├── WaitTimedOut                  what was waited for did not come within the time that the caller gave
├── ConnectionFailed              no answer; `sent` says whether the request may have reached the server
│   └── RequestTimedOut           no answer in time
└── Uncertain                     a call that must not be repeated was sent and its outcome is not known
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from f7tfs.firecrest.reply import Reply

ERROR_HEADERS = (
    "x-machine-does-not-exist",
    "x-machine-does-not-exists",
    "x-machine-not-available",
    "x-permission-denied",
    "x-not-found",
    "x-exists",
    "x-size-limit",
    "x-timeout",
    "x-not-a-directory",
    "x-a-directory",
    "x-invalid-path",
    "x-invalid-mode",
    "x-invalid-owner",
    "x-invalid-group",
    "x-sbatch-error",
    "x-error",
)
"""The headers by which v1 names an error. Several of them lie: the body's text is the better witness."""


class FirecrestException(Exception):
    """Root of the tree."""

    def __init__(self, responses: Sequence[Reply] = (), message: str = "") -> None:
        self.responses = tuple(responses)
        self._last = self.responses[-1] if self.responses else None
        self._message = message
        super().__init__(self.message)

    @property
    def status(self) -> int | None:
        """The HTTP status of the response that is the error; None when there was no response."""
        return None if self._last is None else self._last.status

    @property
    def message(self) -> str:
        """What the server said, as text; else what happened here."""
        return self._message or ("" if self._last is None else self._last.message)

    def came_after(self, replies: Iterable[Reply]) -> None:
        """Put the replies to earlier requests of the same call before the one that is the error."""
        self.responses = (*(reply for reply in replies if reply is not self._last), *self.responses[-1:])

    def __str__(self) -> str:
        prefix = "" if self._last is None else f"{self._last.status}: "
        asked = f" ({self._last.request})" if self._last is not None and self._last.request else ""
        return f"{prefix}{self.message}{asked}"


class ClientsCredentialsException(FirecrestException):
    """The identity provider, or the user's token command, gave no access token."""


class HeaderException(FirecrestException):
    """An error of v1 that a response header names."""

    @property
    def header(self) -> str:
        """The name of that header, in lower case."""
        return next(name for name in ERROR_HEADERS if name in self.responses[-1].headers)


class UnexpectedStatusException(FirecrestException):
    """A status that is not success."""


class UnauthorizedException(UnexpectedStatusException):
    """The server does not accept the access token."""


class NotFound(UnexpectedStatusException):
    """404: the system, the route, the job, or (v2) the path."""


class NoJSONException(FirecrestException):
    """The answer is not the JSON that this call should give: perhaps this is no FirecREST at all."""


class StorageDownloadException(FirecrestException):
    """Object storage did not give an object."""


class StorageUploadException(FirecrestException):
    """Object storage did not take an object."""


class TaskException(FirecrestException):
    """A task of v1 ended with an error; `task` is its record."""

    def __init__(self, task: Mapping[str, Any]) -> None:
        self.task = task
        data = task.get("data")
        said = data.get("error") if isinstance(data, Mapping) else data
        told = str(said or task.get("description") or "no reason given")
        super().__init__(message=f"task {task.get('task_id')} ended with status {task.get('status')}: {told}")


class StagingFailed(TaskException, StorageDownloadException):
    """v1: the file could not be copied into object storage (118)."""


class UnsupportedTransferMethod(FirecrestException):
    """v2: the system moves large files by something else than object storage, which is not used here."""


class NotImplementedOnAPIversion(FirecrestException):
    """What pyFirecREST raises for calls that an older server lacks: here the server's own answer is raised."""


class TransferJobFailedException(FirecrestException):
    """A transfer job of v2 ended without having done its work; the text of its error log is in the message."""


class WaitTimedOut(FirecrestException):
    """It goes on in the cluster; only the wait for it is over."""


class ConnectionFailed(FirecrestException):
    """There was no answer. `sent` is false when the request provably never left this machine."""

    def __init__(self, message: str, *, sent: bool) -> None:
        super().__init__(message=message)
        self.sent = sent


class RequestTimedOut(ConnectionFailed):
    """There was no answer in time."""


class Uncertain(FirecrestException):
    """A call that must not be repeated was sent, and no answer tells whether it was carried out."""


def error_for(reply: Reply) -> FirecrestException:
    """The exception for a response that is not a success."""
    if reply.status == 401:
        return UnauthorizedException([reply])
    if any(name in reply.headers for name in ERROR_HEADERS):
        return HeaderException([reply])
    if reply.status == 404:
        return NotFound([reply])
    return UnexpectedStatusException([reply])


def task_error(task: Mapping[str, Any]) -> TaskException:
    """The exception for a task of v1 that has failed."""
    return StagingFailed(task) if task.get("status") == "118" else TaskException(task)
