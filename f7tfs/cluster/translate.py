"""The border between the client and the port: FirecrestException in, ClusterError out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from f7tfs.cluster import errors
from f7tfs.cluster.diagnosis import diagnose_v1, diagnose_v2
from f7tfs.firecrest import errors as firecrest

Diagnose = Callable[[int, str, Mapping[str, str]], type[errors.ClusterError]]

_LONGEST = 500
_PREAMBLES = (("Remote process failed", "error message:"), ("Unexpected Slurm command response", "std_err:"))


def v2(status: int, message: str, _headers: Mapping[str, str]) -> type[errors.ClusterError]:
    """`diagnose_v2` in the shape of `Diagnose`."""
    return diagnose_v2(status, message)


def v1(status: int, message: str, headers: Mapping[str, str]) -> type[errors.ClusterError]:
    """`diagnose_v1`, for symmetry."""
    return diagnose_v1(status, message, headers)


def cluster_error(error: firecrest.FirecrestException, diagnose: Diagnose) -> errors.ClusterError:
    """What `error` is at the port."""
    text = one_line(error.message)
    if isinstance(error, firecrest.Uncertain):
        return errors.Uncertain(text)
    if isinstance(error, firecrest.RequestTimedOut):
        return _lost(errors.TimedOut(text), error)
    if isinstance(error, firecrest.ConnectionFailed):
        return _lost(errors.Unavailable(text), error)
    if isinstance(error, firecrest.ClientsCredentialsException):
        return errors.Unauthorized(text)
    if isinstance(error, firecrest.NoJSONException):
        return errors.RemoteFailure(f"not an answer of FirecREST: {text}")
    if not error.responses:
        return errors.RemoteFailure(text)
    reply = error.responses[-1]
    if reply.status == 500 and not reply.text.lstrip().startswith("{"):
        # Something between us and FirecREST, or its defect: nothing is known of what was asked, and it may pass.
        return errors.Uncertain(f"not an answer of FirecREST: {text}")
    return with_hint(diagnose(reply.status, error.message, reply.headers), text)


def _lost(told: errors.Unavailable, error: firecrest.ConnectionFailed) -> errors.Unavailable:
    told.sent = error.sent
    return told


def with_hint(kind: type[errors.ClusterError], text: str) -> errors.ClusterError:
    """An error of that kind, saying what a user can do where there is something."""
    if kind is errors.AccountRequired:
        return kind(f"{text} Name the account for transfer jobs: --account or FIRECREST_ACCOUNT")
    return kind(text)


def one_line(text: str) -> str:
    """`text` without line ends, v2's preamble and lines that come again, cut where it is long."""
    told = text
    for preamble, end in _PREAMBLES:
        if text.startswith(preamble):
            told = text.partition(end)[2]
    # A command that fails in a loop says the same of each round.
    lines = dict.fromkeys(" ".join(line.split()) for line in (told.strip() or text).splitlines())
    return " ".join(filter(None, lines))[:_LONGEST]


@contextmanager
def translated(diagnose: Diagnose) -> Iterator[None]:
    """Errors of the client, and of parsing what it returns, leave this block as ClusterError."""
    try:
        yield
    except firecrest.FirecrestException as error:
        raise cluster_error(error, diagnose) from error
    except (KeyError, TypeError, ValueError) as error:
        # From the parsers: JSON, but of another shape than this call's.
        raise errors.RemoteFailure(f"not an answer of FirecREST: {error!r}") from error
