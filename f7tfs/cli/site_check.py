"""What a site says of itself and of the user, before anything is mounted. Loads the HTTP library: import it late."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import httpx
import trio

from f7tfs.cluster.connect import System, connect, list_systems
from f7tfs.cluster.errors import ClusterError, NotADirectory, NotFound, PermissionDenied, Unauthorized, Unavailable
from f7tfs.cluster.model import Kind, Limits
from f7tfs.cluster.port import Cluster
from f7tfs.firecrest.auth import Authorization
from f7tfs.firecrest.device import DeviceFlow, DeviceLogin
from f7tfs.firecrest.errors import FirecrestException
from f7tfs.firecrest.keyring import SecretStore
from f7tfs.mount.errors import MountError
from f7tfs.mount.failure import leaves, refuser
from f7tfs.mount.probe import reason, require_site

_SECONDS = 20.0
_KEYCLOAK = "/protocol/openid-connect/token"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Provider:
    """The endpoints of an identity provider."""

    token_url: str
    device_url: str = ""
    scope: str | None = None
    """What makes a refresh token outlive the browser's session, where the provider has it."""


@dataclass(frozen=True, slots=True)
class Account:
    """The user on one system, and what one call may carry there."""

    user: str
    home: str
    groups: tuple[str, ...]
    accounts: tuple[str, ...]
    limits: Limits


def provider_of(text: str) -> Provider:
    """The endpoints for an issuer or a token URL, by OIDC discovery. Raises MountError where there is none.

    A token URL that cannot be discovered from is an endpoint by itself.
    """
    url = text.rstrip("/")
    issuer = url.removesuffix(_KEYCLOAK)
    is_token_url = url.endswith("/token")
    try:
        found = httpx.get(
            f"{issuer.removesuffix('/.well-known/openid-configuration')}/.well-known/openid-configuration",
            timeout=_SECONDS,
            follow_redirects=True,
        )
        found.raise_for_status()
        body = found.json()
        token_url, device_url = str(body["token_endpoint"]), str(body.get("device_authorization_endpoint") or "")
        lasting = "offline_access" in (body.get("scopes_supported") or [])
    except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError) as error:
        if is_token_url:
            return Provider(url)
        raise MountError(
            f"{text}: no OpenID configuration there ({reason(error)})", "give the token URL itself: --token-url"
        ) from None
    return Provider(url if is_token_url else token_url, device_url, "openid offline_access" if lasting else None)


def browser_login(
    provider: Provider, client_id: str, store: SecretStore, show: Callable[[DeviceLogin], None]
) -> Authorization:
    """Log in in a browser; the refresh token is in the store then."""
    flow = DeviceFlow(
        client_id, provider.device_url, provider.token_url, scope=provider.scope, show=show, store=store
    )
    # An older login would be taken up, and it may be another user's.
    store.forget(f"{client_id}@{provider.token_url}")
    _run("the identity provider", flow.get_access_token)
    return flow


def systems_of(url: str, authorization: Authorization, api_version: str | None) -> list[System]:
    """The systems of a site. Raises MountError."""

    async def ask() -> list[System]:
        await require_site(url)
        return await list_systems(url, authorization, api_version=api_version)

    return _run(url, ask)


def account_on(url: str, authorization: Authorization, system: System, path: str | None) -> Account:
    """Who the user is on a system, where `path` is a directory. Raises MountError."""

    async def ask() -> Account:
        async with connect(url, authorization, system.name, api_version=system.api_version) as cluster:
            identity = await cluster.identity()
            if path is not None and path != "/":
                await _require_directory(cluster, path)
            file_systems = await cluster.file_systems()
            default = next((each for each in file_systems if each.default_work_dir), None)
            home = f"{default.path.rstrip('/')}/{identity.user}" if default else ""
            groups = tuple(sorted(identity.groups.values()))
            return Account(identity.user, home, groups, identity.accounts, cluster.limits)

    return _run(url, ask)


async def _require_directory(cluster: Cluster, path: str) -> None:
    remote = f"{cluster.system}:{path}"
    try:
        found = await cluster.stat(path)
    except (NotFound, NotADirectory):
        raise MountError(
            f"{remote}: no such directory on the cluster", "correct --path; or make it there first"
        ) from None
    except PermissionDenied as error:
        raise MountError(f"{remote}: {error}", "give another --path, or none for your own directory") from None
    if found.kind is Kind.FILE:
        raise MountError(f"{remote}: not a directory", "give the directory that it is in: --path")


def _run(what: str, ask: Callable[[], Awaitable[T]]) -> T:
    async def bounded() -> T:
        return await ask()

    try:
        return trio.run(bounded)
    except (ClusterError, FirecrestException, MountError, ExceptionGroup) as error:
        raise _told(what, next(leaves(error), error)) from error


def _other_credentials() -> str:
    """What to do about credentials that are refused: those of the environment stand above what is asked for."""
    there = [name for name in ("FIRECREST_CLIENT_ID", "FIRECREST_CLIENT_SECRET") if os.environ.get(name)]
    if not there:
        return "check them, and f7tfs login again"
    return f"check {' and '.join(there)}, which are set in the environment: unset them to be asked, or correct them"


def _told(what: str, error: BaseException) -> BaseException:
    match error:
        case Unauthorized():
            return MountError(
                f"{refuser(error, what)} does not accept the credentials: {error}",
                _other_credentials(),
            )
        case NotFound():
            return MountError(f"there is no FirecREST at {what}: {error}", "check the URL")
        case Unavailable():
            return MountError(f"{what} does not answer: {error}", "try again later; f7tfs doctor looks for the cause")
        case ClusterError() | FirecrestException():
            return MountError(f"{what}: {error}", "f7tfs doctor looks for the cause")
    return error
