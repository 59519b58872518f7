"""/status/...: what the site has, and how it is."""

from __future__ import annotations

import datetime as dt
import os
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from f7tfs.sandbox.site import Site
from f7tfs.sandbox.v2.envelope import endpoint, success

MASKED = "*" * 10


def _now() -> str:
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _health(site: Site, *, healthy: bool) -> list[dict[str, Any]]:
    refused = None if healthy else "[Errno 111] Connection refused"
    checked = _now()
    base = {"lastChecked": checked, "latency": 0.01, "healthy": healthy, "message": refused}
    ping = (
        str([{"mode": "primary", "hostname": "localhost", "pinged": "UP"}])
        if healthy
        else f"ConnectionRefusedError: {refused}"
    )
    return [
        {"serviceType": "scheduler", **base, "message": ping},
        {"serviceType": "ssh", **base},
        *({"serviceType": "filesystem", **base, "path": f.path} for f in site.settings.file_systems),
        {"serviceType": "s3", **base, "healthy": True, "message": None},
    ]


def _data_operation(site: Site) -> dict[str, Any]:
    directives = ["#SBATCH --nodes=1", "#SBATCH --time=0-00:15:00"]
    if site.settings.require_account:
        directives.append("#SBATCH --account={account}")
    return {
        "datatransfer_jobs_directives": directives,
        "max_ops_file_size": site.settings.max_ops_file_size,
        "data_transfer": _data_transfer(site),
    }


def _data_transfer(site: Site) -> dict[str, Any]:
    if site.settings.transfer_method != "s3":
        return {"serviceType": site.settings.transfer_method}
    return {
        "serviceType": "s3",
        "name": "s3-storage",
        "privateUrl": MASKED,
        "publicUrl": site.store.url,
        "accessKeyId": MASKED,
        "secretAccessKey": MASKED,
        "region": "us-east-1",
        "ttl": site.settings.url_seconds,
        "tenant": None,
        "multipart": {
            "use_split": False,
            "max_part_size": site.settings.max_part_size,
            "parallel_runs": 3,
            "tmp_folder": "tmp",
        },
        "bucketLifecycleConfiguration": {"days": 10},
    }


async def systems(site: Site, request: Request) -> Response:
    del request
    found = [_system(site, site.settings.system, healthy=not site.faults.unhealthy)]
    found += [_system(site, name, healthy=False) for name in site.settings.down_systems]
    return success({"systems": found})


def _system(site: Site, name: str, *, healthy: bool) -> dict[str, Any]:
    settings = site.settings
    timeout = {
        "connection": 5,
        "login": 5,
        "commandExecution": int(settings.command_seconds),
        "idleTimeout": 60,
        "keepAlive": 5,
    }
    return {
        "name": name,
        "ssh": {
            "host": "127.0.0.1",
            "port": 22,
            "proxyHost": None,
            "proxyPort": None,
            "maxClients": 500,
            "timeout": timeout,
        },
        "scheduler": {
            "type": "slurm",
            "connectionMode": "ssh",
            "version": "22.05.8",
            "apiUrl": None,
            "apiVersion": None,
            "timeout": 10,
        },
        "servicesHealth": _health(site, healthy=healthy),
        "probing": {
            "services": {
                "ssh": {"timeout": 5},
                "filesystem": {"timeout": 5},
                "scheduler": {"timeout": 5},
                "s3": {"timeout": 20},
            },
            "intervalCheck": 120,
        },
        "lastHealthCheck": _now(),
        "fileSystems": [
            {"path": f.path, "dataType": f.data_type, "defaultWorkDir": f.default_work_dir}
            for f in settings.file_systems
        ],
        "dataOperation": _data_operation(site),
    }


async def userinfo(site: Site, request: Request) -> Response:
    del request
    settings = site.settings
    groups = [{"id": str(gid), "name": name} for gid, name in site.identity.groups.items()]
    accounts = [{"name": name, "default": place == 0} for place, name in enumerate(settings.accounts)]
    user = {"id": str(settings.uid), "name": settings.user}
    return success({"user": user, "group": groups[0], "groups": groups, "accounts": accounts})


async def liveness(site: Site, request: Request) -> Response:
    del request
    return success({"healthcheckRuns": {site.settings.system: _now()}, "lastUpdate": 0})


async def nodes(site: Site, request: Request) -> Response:
    del request
    cpus = os.cpu_count() or 1
    node = {
        "sockets": cpus,
        "cores": cpus,
        "threads": cpus,
        "cpus": cpus,
        "cpuLoad": round(os.getloadavg()[0], 2),
        "freeMemory": 1024,
        "features": "f7t",
        "name": "localhost",
        "address": "127.0.0.1",
        "hostname": "localhost",
        "state": ["IDLE"],
        "partitions": list(site.settings.partitions),
        "weight": 1,
        "allocMemory": 0,
        "allocCpus": 0,
        "idleCpus": cpus,
    }
    return success({"nodes": [node]})


async def partitions(site: Site, request: Request) -> Response:
    del request
    cpus = os.cpu_count() or 1
    found = [{"name": n, "cpus": cpus, "totalNodes": 1, "partition": "UP"} for n in site.settings.partitions]
    return success({"partitions": found})


async def reservations(site: Site, request: Request) -> Response:
    del site, request
    return success({"reservations": []})


def routes(site: Site) -> list[Route]:
    per_system = {
        "userinfo": userinfo,
        "nodes": nodes,
        "partitions": partitions,
        "reservations": reservations,
    }
    return [
        Route("/status/systems", endpoint(site, systems), methods=["GET"]),
        Route("/status/liveness/", endpoint(site, liveness), methods=["GET"]),
        *(
            Route(f"/status/{{system}}/{name}", endpoint(site, handler), methods=["GET"])
            for name, handler in per_system.items()
        ),
    ]
