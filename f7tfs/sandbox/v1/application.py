"""The ASGI application of v1."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from f7tfs.sandbox.site import Site
from f7tfs.sandbox.v1 import status, utilities
from f7tfs.sandbox.v1.envelope import page


def _http_error(request: Request, error: Exception) -> Response:
    del request
    assert isinstance(error, HTTPException)
    text = f"<!doctype html>\n<html lang=en>\n<title>{error.status_code} {error.detail}</title>\n"
    return page(error.status_code, text, dict(error.headers or {}))


def application(site: Site) -> Starlette:
    routes = [*status.routes(site), *utilities.routes(site)]
    return Starlette(routes=routes, exception_handlers={HTTPException: _http_error})
