"""What must be right at the site: the token, the services, the rights on the directory. Loads the HTTP library."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator, Iterator

import trio

from f7tfs.cli.checks.findings import SECONDS, SILENT, SILENT_CURE, Finding, failed, not_examined, ok, warning
from f7tfs.cli.checks.way import CLOCK_CURE, SKEW
from f7tfs.cli.output import duration
from f7tfs.cluster.connect import SYSTEM, Service, System, list_services, list_systems
from f7tfs.cluster.errors import ClusterError, NotFound
from f7tfs.cluster.model import Kind
from f7tfs.cluster.port import Cluster
from f7tfs.config import MountSettings
from f7tfs.firecrest.auth import Authorization, TokenCommand, claims_of
from f7tfs.firecrest.errors import ConnectionFailed, FirecrestException
from f7tfs.mount.daemon import home_directory

_SHORT = 60.0
_LISTING = 60.0
"""A listing may be a long one, of a directory that the site has just told of."""
_UNUSED = frozenset({"reservations"})
"""Services that a mount does not need."""
_LOGIN = "f7tfs login asks for new credentials"


async def token(authorization: Authorization) -> AsyncIterator[Finding]:
    """Whether there is a token, from whom, for how long, and by whose clock."""
    began = time.monotonic()
    try:
        # A command of the user's has a bound of its own, and says so.
        with trio.fail_after(math.inf if isinstance(authorization, TokenCommand) else SECONDS):
            text = await authorization.get_access_token()
    except trio.TooSlowError:
        yield failed("token", f"the identity provider: {SILENT}", SILENT_CURE)
        return
    except ConnectionFailed as error:
        yield failed("token", str(error), "check AUTH_TOKEN_URL (token_url), and the network")
        return
    except FirecrestException as error:
        yield failed("token", str(error), _LOGIN)
        return
    claims = claims_of(text)
    if not claims:
        yield ok("token", "there is one; it does not tell its end", time.monotonic() - began)
        return
    now = time.time()
    left = float(claims.get("exp", now)) - now
    said = (
        f"from {claims.get('iss', 'nobody')}, for {claims.get('preferred_username') or claims.get('sub', 'nobody')}"
    )
    if left < _SHORT:
        yield failed(
            "token",
            f"{said}: {f'{duration(left)} left' if left > 0 else 'it has expired'}",
            f"have a new one printed by the token command; or the clock is wrong: {CLOCK_CURE}",
        )
    else:
        yield ok("token", f"{said}, {duration(left)} left", time.monotonic() - began)
    issued = float(claims.get("iat", now))
    if issued - now > SKEW:
        # A token of the past may be an old one; one of the future cannot be.
        yield failed("clock", f"{duration(issued - now)} behind the identity provider's", CLOCK_CURE)


async def systems(settings: MountSettings, authorization: Authorization) -> AsyncIterator[Finding]:
    """Whether the site has the system, and what it says of its services."""
    began = time.monotonic()
    try:
        with trio.fail_after(SECONDS):
            found = await list_systems(settings.url, authorization, api_version=settings.api_version)
    except trio.TooSlowError:
        yield failed("site", f"{settings.url}: {SILENT}", SILENT_CURE)
        return
    except NotFound as error:
        yield failed("site", f"no FirecREST at {settings.url}: {error}", "check the URL (FIRECREST_URL, --url)")
        return
    except ClusterError as error:
        yield failed("site", f"{settings.url}: {error}", "the site may be down: see its status page, try again later")
        return
    seconds = time.monotonic() - began
    there = ", ".join(each.name for each in found) or "none"
    version = f" v{found[0].api_version}" if found else ""
    yield ok("site", f"FirecREST{version} with {there}", seconds)
    chosen = next((each for each in found if each.name.lower() == settings.system.lower()), None)
    if chosen is None:
        yield failed("system", f"the site has no {settings.system}", f"it has: {there}; f7tfs login chooses one")
        return
    async for finding in _services(chosen, settings, authorization):
        yield finding
    for finding in _transfers(chosen, settings):
        yield finding


async def _services(system: System, settings: MountSettings, authorization: Authorization) -> AsyncIterator[Finding]:
    """Each of them, by the site's own checks."""
    services, untold = list(system.services), "the site does not tell of its services"
    try:
        with trio.fail_after(SECONDS):
            services = await list_services(settings.url, authorization, system)
    except trio.TooSlowError:
        untold = f"the site does not tell of its services: {SILENT}"
    except ClusterError as error:
        untold = f"the site does not tell of its services: {error}"
    for service in services:
        yield _service(system.name, service)
    if all(service.name == SYSTEM for service in services):
        yield not_examined("service", f"{system.name}: {untold}")


def _service(system: str, service: Service) -> Finding:
    name = f"{system}, {service.name}"
    if service.healthy is None:
        return not_examined(
            "service", f"{name}: the site does not tell" + (f" ({service.said})" * bool(service.said))
        )
    if service.healthy:
        return ok("service", f"{name}: {service.said or 'healthy'}")
    found = f"{name}: {service.said or 'not healthy'}"
    if service.name in _UNUSED:
        return warning("service", found, "f7tfs does not need it: a mount works without")
    return failed("service", found, "the site's own check says so: wait, or ask the site")


def _transfers(system: System, settings: MountSettings) -> Iterator[Finding]:
    if system.only_by:
        yield warning(
            "large files",
            f"{system.name} moves them by {system.only_by} only, not by object storage (S3)",
            "what is too large for direct calls and pieces can be neither read nor written: ask the site",
        )
    if system.needs_account and not settings.account:
        yield failed(
            "account",
            f"transfers on {system.name} need an account",
            "f7tfs login --account NAME, or FIRECREST_ACCOUNT",
        )


async def root(cluster: Cluster, settings: MountSettings) -> AsyncIterator[Finding]:
    """Who the user is there, and whether the directory is one."""
    try:
        with trio.fail_after(SECONDS):
            identity = await cluster.identity()
        with trio.fail_after(SECONDS):
            path = settings.path or await home_directory(cluster, identity.user)
        yield ok("user", f"{identity.user} ({', '.join(sorted(identity.groups.values()))})")
        if path == "/":
            yield ok("root", "all file systems")
        else:
            yield await _directory(cluster, path)
    except trio.TooSlowError:
        yield failed("root", f"{settings.system}: {SILENT}", SILENT_CURE)
    except NotFound as error:
        cure = f"{settings.system}: is your own directory, {settings.system}:/ shows all"
        yield failed("root", str(error), cure)
    except ClusterError as error:
        yield failed("root", str(error), "mount a directory that you may read; ask the site about your rights")


async def _directory(cluster: Cluster, path: str) -> Finding:
    began = time.monotonic()
    with trio.fail_after(SECONDS):
        if (await cluster.stat(path)).kind is Kind.FILE:
            return failed("root", f"{path} is not a directory", "mount the directory that it is in")
    with trio.move_on_after(_LISTING):
        entries = await cluster.list_directory(path)
        return ok("root", f"{path} has {len(entries)} entries", time.monotonic() - began)
    return failed("root", f"{path}: not listed within {_LISTING:.0f} s", SILENT_CURE)


async def rights(cluster: Cluster, path: str) -> Finding:
    """Whether a directory can be written, as far as its mode tells: nothing is tried."""
    try:
        with trio.fail_after(2 * SECONDS):
            found, identity = await cluster.stat(path), await cluster.identity()
    except (ClusterError, trio.TooSlowError):
        return not_examined("rights", f"{path}: not tried (--quick)")
    if found.kind is not Kind.DIRECTORY:
        return not_examined("rights", f"{path} is a link: not tried (--quick)")
    needed = 0o003
    if found.uid == identity.uid:
        needed = 0o300
    elif found.gid in {identity.gid, *identity.groups}:
        needed = 0o030
    said = f"{path}, of mode {found.mode:o}"
    if identity.uid == 0 or found.mode & needed == needed:
        return ok("rights", f"{said}: yours to write; not tried (--quick)")
    cure = "mount a directory that you may write, or with -o ro; doctor without --quick tries it"
    return warning("rights", f"{said}: not yours to write, unless an access list says so; not tried (--quick)", cure)
