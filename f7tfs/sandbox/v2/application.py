"""The ASGI application of v2."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from f7tfs.sandbox.site import Site
from f7tfs.sandbox.v2 import compute, operations, status, transfer
from f7tfs.sandbox.v2.envelope import ApiError, error_response

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


def _http_error(request: Request, error: Exception) -> Response:
    del request
    assert isinstance(error, HTTPException)
    return error_response(ApiError(error.status_code, error.detail), None, dict(error.headers or {}))


class LowerCasePath:
    """The real server lower-cases the path of the URL (not the query): names of systems have no case."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope["path"] = scope["path"].lower()
        await self._app(scope, receive, send)


def application(site: Site) -> LowerCasePath:
    routes = [
        *status.routes(site),
        *operations.routes(site),
        *transfer.routes(site),
        *compute.routes(site),
    ]
    return LowerCasePath(Starlette(routes=routes, exception_handlers={HTTPException: _http_error}))
