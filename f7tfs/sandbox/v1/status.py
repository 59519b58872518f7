"""/status/...: what the site has, and how it is."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from f7tfs.sandbox.site import Site
from f7tfs.sandbox.v1.envelope import ApiError, answer, endpoint

SERVICES = ("certificator", "compute", "reservations", "status", "storage", "tasks", "utilities")


def _system(site: Site, name: str) -> dict[str, str]:
    if site.faults.unhealthy or name != site.settings.system:
        return {"system": name, "status": "not available", "description": "System does not accept connections"}
    return {"system": name, "status": "available", "description": "System ready"}


async def systems(site: Site, request: Request) -> Response:
    del request
    found = [_system(site, name) for name in (*site.settings.down_systems, site.settings.system)]
    return answer({"description": "List of systems with status and description.", "out": found})


async def system(site: Site, request: Request) -> Response:
    name = request.path_params["name"]
    if name not in {site.settings.system, *site.settings.down_systems}:
        raise ApiError(404, {"description": "System does not exists."})
    return answer({"description": "System information", "out": _system(site, name)})


def _service(name: str) -> dict[str, str]:
    return {"service": name, "status": "available", "description": "server up & flask running"}


async def services(site: Site, request: Request) -> Response:
    del site, request
    found = [_service(name) for name in SERVICES]
    return answer({"description": "List of services with status and description.", "out": found})


async def service(site: Site, request: Request) -> Response:
    del site
    name = request.path_params["name"]
    if name not in SERVICES:
        raise ApiError(404, {"description": "Service does not exists"})
    return answer(_service(name))


def _file_systems(site: Site) -> list[dict[str, Any]]:
    return [
        {
            "name": f.path.strip("/").upper().replace("/", "_"),
            "path": f.path,
            "description": f"File system {f.path}",
            "status": "available",
            "status_code": 200,
        }
        for f in site.settings.file_systems
    ]


async def file_systems(site: Site, request: Request) -> Response:
    del request
    out = {site.settings.system: _file_systems(site)}
    return answer({"description": "List of filesystems with status and description.", "out": out})


async def file_systems_of(site: Site, request: Request) -> Response:
    name = request.path_params["name"]
    if name != site.settings.system:
        raise ApiError(404, {"description": f"System '{name}' does not exist."})
    return answer({"description": "List of filesystems with status and description.", "out": _file_systems(site)})


def _parameter(name: str, description: str, value: Any, unit: str = "") -> dict[str, Any]:
    return {"name": name, "description": description, "value": value, "unit": unit}


async def parameters(site: Site, request: Request) -> Response:
    del request
    settings = site.settings
    mounted = [{"mounted": [f.path for f in settings.file_systems], "system": settings.system}]
    mounted += [{"mounted": [settings.file_systems[0].path], "system": name} for name in settings.down_systems]
    megabytes = f"{settings.max_ops_file_size / 2**20:g}"
    form_size = f"{settings.max_form_size / 2**20:g}"
    out = {
        "compute": [
            _parameter(
                "WORKLOAD_MANAGER", "Type of resource and workload manager used in compute microservice.", "Slurm"
            )
        ],
        "general": [
            _parameter("FIRECREST_VERSION", "FirecREST version.", "1.16.6"),
            _parameter("FIRECREST_BUILD", "FirecREST build timestamp.", ""),
        ],
        "storage": [
            _parameter("OBJECT_STORAGE", "Type of object storage, like `swift`, `s3v2` or `s3v4`.", "s3v4"),
            _parameter(
                "STORAGE_TEMPURL_EXP_TIME", "Expiration time for temp URLs.", str(settings.url_seconds), "seconds"
            ),
            _parameter("STORAGE_MAX_FILE_SIZE", "Maximum file size for temp URLs.", form_size, "MB"),
            _parameter("FILESYSTEMS", "Available filesystems through the API.", mounted),
        ],
        "utilities": [
            _parameter(
                "UTILITIES_MAX_FILE_SIZE",
                "The maximum allowable file size for various operations of the utilities microservice.",
                megabytes,
                "MB",
            ),
            _parameter(
                "UTILITIES_TIMEOUT",
                "Maximum time duration for executing the commands in the cluster for the utilities microservice.",
                f"{settings.command_seconds:g}",
                "seconds",
            ),
        ],
    }
    return answer({"description": "Firecrest's parameters", "out": out})


def routes(site: Site) -> list[Route]:
    table = {
        "/status/systems": systems,
        "/status/systems/{name}": system,
        "/status/services": services,
        "/status/services/{name}": service,
        "/status/filesystems": file_systems,
        "/status/filesystems/{name}": file_systems_of,
        "/status/parameters": parameters,
    }
    return [Route(path, endpoint(site, handler), methods=["GET"]) for path, handler in table.items()]
