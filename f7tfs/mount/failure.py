"""What stopped a mount, and what the user can do about it."""

from __future__ import annotations

from collections.abc import Iterator

import trio

from f7tfs.cluster import errors
from f7tfs.config import MountSettings, config_file, read_profiles
from f7tfs.errors import UserError
from f7tfs.firecrest.errors import ClientsCredentialsException
from f7tfs.log import redact

# The most telling first: each is looked for in turn, by type.
_TEMPLATES: tuple[tuple[type[errors.ClusterError], str, str], ...] = (
    (errors.Unauthorized, "{refuser} does not accept the credentials: {error}", "f7tfs login asks for new ones"),
    (errors.NoSuchSystem, "{url}: {error}; {no_profile}", "write one of its systems, as SYSTEM:/path; {profiles}"),
    (errors.NotFound, "{remote}: no such directory on the cluster", "{system}: is your own, {system}:/ shows all"),
    (errors.NotADirectory, "{remote}: not a directory", "mount the directory that it is in"),
    (
        errors.PermissionDenied,
        "{remote}: permission denied by the cluster: {error}",
        "{system}: is your own directory",
    ),
    (errors.Unavailable, "cannot reach {url}: {error}", "f7tfs doctor looks for the cause; or try again later"),
    (errors.ClusterError, "{remote}: {error}", "f7tfs doctor looks for the cause"),
)


def leaves(error: BaseException) -> Iterator[BaseException]:
    """The errors in a group of groups, without cancellations; an error by itself is its own only leaf."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from leaves(inner)
    elif not isinstance(error, trio.Cancelled):
        yield error


def told(error: BaseException, settings: MountSettings) -> UserError | None:
    """What to tell the user of `error`; None for a defect, which deserves its traceback in the log."""
    found = list(leaves(error))
    for leaf in found:
        if isinstance(leaf, UserError):
            return UserError(_line(str(leaf)), leaf.cure)
    remote = f"{settings.system}:{settings.path or ''}"
    for kind, template, cure in _TEMPLATES:
        for leaf in found:
            if isinstance(leaf, kind):
                about = {"url": settings.url, "remote": remote, "system": settings.system, "error": leaf}
                about |= {"refuser": refuser(leaf, settings.url), **_profiles(settings.system)}
                return UserError(_line(template.format(**about)), cure.format(**about))
    if any(isinstance(leaf, RuntimeError) and "fuse_session" in str(leaf) for leaf in found):
        return UserError("no FUSE: the kernel refused the mount", "in a container: --cap-add SYS_ADMIN")
    return None


def refuser(error: BaseException, url: str) -> str:
    """Who did not accept the credentials: the site at `url`, or the identity provider that it believes."""
    cause = error if isinstance(error, ClientsCredentialsException) else error.__cause__
    if isinstance(cause, ClientsCredentialsException) and cause.responses:
        return f"the identity provider {cause.responses[-1].request.partition(' ')[2]}"
    return url


def _profiles(name: str) -> dict[str, str]:
    """What stands before the colon may have been meant as a profile."""
    try:
        known = sorted(read_profiles(config_file())[0])
    except UserError:
        known = []
    there = f"there is a profile {name!r}, of another site or system"
    return {
        "no_profile": there if name in known else f"there is no profile {name!r} either",
        "profiles": f"or a profile: {', '.join(known)}" if known else "f7tfs login makes a profile",
    }


def _line(text: str) -> str:
    return redact(" ".join(text.split()))
