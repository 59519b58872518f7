"""The ASGI application of v1."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from f7tfs.sandbox.site import Site
from f7tfs.sandbox.v1 import compute, reservations, status, storage, tasks, utilities
from f7tfs.sandbox.v1.envelope import page


def _http_error(request: Request, error: Exception) -> Response:
    del request
    assert isinstance(error, HTTPException)
    text = f"<!doctype html>\n<html lang=en>\n<title>{error.status_code} {error.detail}</title>\n"
    return page(error.status_code, text, dict(error.headers or {}))


def application(site: Site) -> Starlette:
    found = tasks.Tasks(ZoneInfo(site.settings.time_zone))
    routes = [
        *status.routes(site),
        *utilities.routes(site),
        *tasks.routes(site, found),
        *storage.routes(site, found),
        *compute.routes(site, found),
        *reservations.routes(site),
    ]
    return Starlette(routes=routes, exception_handlers={HTTPException: _http_error})
