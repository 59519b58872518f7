"""Finding out what a URL is, and connecting to one system of it."""

from __future__ import annotations

import ast
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import trio

from f7tfs.cluster import site_v1, site_v2, translate
from f7tfs.cluster.errors import RemoteFailure
from f7tfs.cluster.patience import Patience
from f7tfs.cluster.port import Cluster
from f7tfs.cluster.translate import translated
from f7tfs.cluster.v1 import ClusterV1
from f7tfs.cluster.v2 import ClusterV2
from f7tfs.firecrest.auth import Authorization
from f7tfs.firecrest.client_v1 import FirecrestV1
from f7tfs.firecrest.client_v2 import FirecrestV2
from f7tfs.firecrest.s3 import ObjectStorage
from f7tfs.firecrest.session import Options

_CLOSING = 20.0
"""Seconds that cleaning up may take at the end."""
VERSIONS = ("1", "2")
SYSTEM = "system"
"""What v1 tells of the system itself, among its services."""


@dataclass(frozen=True, slots=True)
class Service:
    """What the site says of one of its services."""

    name: str
    healthy: bool | None
    """None: it does not tell."""
    said: str = ""


@dataclass(frozen=True, slots=True)
class System:
    """One system of a site, as its list has it."""

    name: str
    api_version: str
    """`1` or `2`."""
    description: str = ""
    file_systems: tuple[str, ...] = ()
    needs_account: bool = False
    """Whether its transfer jobs need an account; of v1 that is not known."""
    services: tuple[Service, ...] = ()
    only_by: str = ""
    """The way that large files go there, where that is none of ours."""

    @property
    def troubles(self) -> tuple[str, ...]:
        """What the site itself says is not well, as `scheduler: timeout`."""
        return tuple(f"{each.name}: {each.said or 'not healthy'}" for each in self.services if each.healthy is False)


@asynccontextmanager
async def connect(
    url: str,
    authorization: Authorization,
    system: str,
    *,
    api_version: str | None = None,
    account: str | None = None,
    root_hint: str | None = None,
    escape_quotes: bool = True,
    options: Options | None = None,
    patience: Patience | None = None,
    verify: bool = False,
) -> AsyncIterator[Cluster]:
    """One system of the site at `url`, for the time of the block.

    `api_version` is `1` or `2`; without it the site's list of systems tells. `account` is charged for transfer jobs,
    and for batch jobs that name none. `root_hint` is the mounted directory: temporaries go there where the user has
    no directory of his own. `escape_quotes` is false for v2 sites that quote paths themselves. `verify` compares the
    checksums of large uploads too, not only their sizes.
    Raises NoSuchSystem, Unauthorized, Unavailable and other ClusterErrors. One call for v2, two for v1.
    """
    wanted = _checked(api_version)
    async with (
        FirecrestV2(url, authorization, options) as v2,
        FirecrestV1(url, authorization, options) as v1,
        ObjectStorage(options) as storage,
    ):
        version, items = await _systems(v2, wanted)
        if version == "2":
            found = site_v2.find_system(items, system)
            with translated(translate.v2):
                site = site_v2.site_of(found)
            cluster = ClusterV2(
                v2,
                storage,
                site,
                account=account,
                root_hint=root_hint,
                escape_quotes=escape_quotes,
                patience=patience,
                verify=verify,
            )
            try:
                yield cluster
            finally:
                with trio.CancelScope(shield=True, deadline=trio.current_time() + _CLOSING):
                    await cluster.aclose()
        else:
            name = _name_of_v1(items, system)
            with translated(translate.v1):
                site1 = site_v1.site_of(name, await v1.parameters())
            yield ClusterV1(
                v1, storage, site1, account=account, root_hint=root_hint, patience=patience, verify=verify
            )


async def list_systems(
    url: str, authorization: Authorization, *, api_version: str | None = None, options: Options | None = None
) -> list[System]:
    """The systems of a site. One call for v2, two for v1."""
    wanted = _checked(api_version)
    async with FirecrestV2(url, authorization, options) as v2, FirecrestV1(url, authorization, options) as v1:
        version, items = await _systems(v2, wanted)
        if version == "2":
            with translated(translate.v2):
                return [_system_of_v2(item) for item in items]
        with translated(translate.v1):
            parameters = await v1.parameters()
            return [_system_of_v1(item, parameters) for item in items]


async def list_services(
    url: str, authorization: Authorization, system: System, *, options: Options | None = None
) -> list[Service]:
    """What a site says of the services of a system, the system itself among them. No call for v2, one for v1."""
    if system.api_version == "2":
        return list(system.services)
    async with FirecrestV1(url, authorization, options) as v1:
        with translated(translate.v1):
            found = await v1.services()
        return [*system.services, *(_service_of_v1(str(item.get("service", "")), item) for item in found)]


async def _systems(v2: FirecrestV2, wanted: str | None) -> tuple[str, list[dict[str, Any]]]:
    """The version of a site, and its list of systems. At the same place; v2 calls it `systems`, v1 `out`."""
    with translated(translate.v1 if wanted == "1" else translate.v2):
        answer = await v2.status_systems()
    for version, key in (("2", "systems"), ("1", "out")):
        if wanted in {None, version} and isinstance(answer.get(key), list):
            return version, list(answer[key])
    raise RemoteFailure(f"there is no FirecREST {f'v{wanted} ' if wanted else ''}at this URL")


def _checked(api_version: str | None) -> str | None:
    if api_version is not None and api_version not in VERSIONS:
        raise ValueError(f"the API version is 1 or 2, not {api_version!r}")
    return api_version


def _name_of_v1(items: list[dict[str, Any]], system: str) -> str:
    names = [str(item.get("system", "")) for item in items]
    if system not in names:
        raise site_v2.unknown_system(system, names)
    return system


def _system_of_v2(item: dict[str, Any]) -> System:
    site = site_v2.site_of(item)
    scheduler = item.get("scheduler") or {}
    description = " ".join(str(scheduler[key]) for key in ("type", "version") if scheduler.get(key))
    paths = tuple(system.path for system in site.file_systems)
    only_by = "" if site.method == site_v2.S3 else site.method
    return System(site.name, "2", description, paths, site.needs_account, tuple(_services_of_v2(item)), only_by)


def _services_of_v2(item: dict[str, Any]) -> Iterator[Service]:
    # Null before the first check.
    for service in item.get("servicesHealth") or []:
        name = " ".join(str(service[key]) for key in ("serviceType", "path") if service.get(key))
        yield Service(name, service.get("healthy"), _said(service.get("message")))


def _said(message: object) -> str:
    """A text; a scheduler's is a list of tables, one for each of its hosts, as Python writes it."""
    if isinstance(message, str) and message.startswith("["):
        with suppress(ValueError, SyntaxError, RecursionError, MemoryError):  # as Python says of other texts
            message = ast.literal_eval(message)
    if not isinstance(message, list):
        return str(message or "")
    return "; ".join(
        " ".join(str(value) for value in each.values()) if isinstance(each, dict) else str(each) for each in message
    )


def _system_of_v1(item: dict[str, Any], parameters: dict[str, Any]) -> System:
    site = site_v1.site_of(str(item["system"]), parameters)
    paths = tuple(system.path for system in site.file_systems)
    description = str(item.get("description") or "")
    return System(site.name, "1", description, paths, services=(_service_of_v1(SYSTEM, item),))


def _service_of_v1(name: str, item: dict[str, Any]) -> Service:
    status = item.get("status")
    said = str(item.get("description") or status or "")
    return Service(name, None if status is None else status == "available", said)
