"""What stopped a mount, as one line for the user."""

from __future__ import annotations

from collections.abc import Iterator

import trio

from f7tfs.cluster import errors
from f7tfs.config import ConfigError, MountSettings
from f7tfs.log import redact
from f7tfs.mount.errors import MountError

# The most telling first: each is looked for in turn, by type.
_TEMPLATES: tuple[tuple[type[errors.ClusterError], str], ...] = (
    (errors.Unauthorized, "{url} does not accept the credentials: {error}"),
    (errors.NoSuchSystem, "{url}: {error}"),
    (errors.NotFound, "{remote}: no such directory on the cluster"),
    (errors.NotADirectory, "{remote}: not a directory"),
    (errors.PermissionDenied, "{remote}: permission denied by the cluster: {error}"),
    (errors.Unavailable, "cannot reach {url}: {error}"),
    (errors.ClusterError, "{remote}: {error}"),
)


def leaves(error: BaseException) -> Iterator[BaseException]:
    """The errors in a group of groups, without cancellations; an error by itself is its own only leaf."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from leaves(inner)
    elif not isinstance(error, trio.Cancelled):
        yield error


def one_line(error: BaseException, settings: MountSettings) -> str | None:
    """What to tell the user of `error`; None for a defect, which deserves its traceback in the log."""
    found = list(leaves(error))
    for leaf in found:
        if isinstance(leaf, (MountError, ConfigError)):
            return _line(str(leaf))
    remote = f"{settings.system}:{settings.path or ''}"
    for kind, template in _TEMPLATES:
        for leaf in found:
            if isinstance(leaf, kind):
                return _line(template.format(url=settings.url, remote=remote, error=leaf))
    if any(isinstance(leaf, RuntimeError) and "fuse_session" in str(leaf) for leaf in found):
        return "no FUSE: the kernel refused the mount; the log says more (in a container: --cap-add SYS_ADMIN)"
    return None


def _line(text: str) -> str:
    return redact(" ".join(text.split()))
