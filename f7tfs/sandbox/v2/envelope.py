"""v2's error envelope, and the one place where failures become status codes."""

from __future__ import annotations

import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import trio
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from f7tfs.sandbox.bench import CLOSE_SCOPE_KEY
from f7tfs.sandbox.coreutils.failure import CommandFailed, CommandStalled, CommandTimedOut, OutputTooLarge
from f7tfs.sandbox.jobs.model import SlurmRefused, UnknownJob
from f7tfs.sandbox.quoting import Injected
from f7tfs.sandbox.site import Site, TooManySessions
from f7tfs.sandbox.tokens import TokenState

T = TypeVar("T")
Handler = Callable[[Site, Request], Awaitable[Response]]

# In this order, by substring of stderr; everything else is a 500.
STDERR_STATUS = (
    ("No such file or directory", 404),
    ("Permission denied", 403),
    ("Operation not permitted", 403),
    ("File exists", 400),
    ("invalid user", 400),
)
TOKEN_MESSAGES = {
    TokenState.MISSING: "Not authenticated",
    TokenState.INVALID: "Access token is invalid.",
    TokenState.BAD_SIGNATURE: "Access token is invalid.",
    TokenState.EXPIRED: "Access token expired",
    TokenState.EXPIRING: "Access token expires too soon (less than {left:g}s remaining).",
}


@dataclass
class ApiError(Exception):
    """An answer that is not the wanted one."""

    status: int
    message: str
    kind: str = "error"
    data: dict[str, Any] | None = None
    crash: bool = False
    """An exception that the server did not handle: no user, and the connection is dropped without notice."""


def crash(*args: object) -> ApiError:
    """The 500 of an unhandled exception, whose message is the repr of its arguments."""
    return ApiError(500, repr(args), crash=True)


def invalid(location: str, name: str, message: str, given: object = None, kind: str = "value_error") -> ApiError:
    """A validation error: 400, not 422."""
    detail = {"type": kind, "loc": (location, name), "msg": message.lower(), "input": given}
    fields = {"fields": [{"location": location, "name": name, "message": message}]}
    return ApiError(400, f"1 validation error:\n  {detail}", "validation", fields)


def command_status(stderr: str) -> int:
    return next((status for text, status in STDERR_STATUS if text in stderr), 500)


def as_api_error(error: Exception) -> ApiError:
    """What the server makes of a failure of the command behind a call."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, CommandFailed):
        text = f"Remote process failed with exit status:{error.status} and error message:{error.stderr}"
        return ApiError(command_status(error.stderr), text)
    if isinstance(error, CommandStalled | CommandTimedOut):
        return ApiError(408, "Command execution timeout limit exceeded.")
    if isinstance(error, OutputTooLarge):
        return ApiError(413, "Command output exceeded buffer limit.")
    if isinstance(error, TooManySessions):
        return ApiError(424, "Unable to open a new SSH channel.")
    if isinstance(error, SlurmRefused):
        text = f"Unexpected Slurm command response. exit_status:{error.status} std_err:{error.stderr}"
        return ApiError(500, text)
    if isinstance(error, UnknownJob):
        return ApiError(404, "Job not found.")
    if isinstance(error, Injected):
        return crash("zip() argument 2 is shorter than argument 1")
    return crash(*error.args)


def base_headers() -> dict[str, str]:
    request_id = uuid.uuid4().hex
    return {
        "f7t-timestamp": str(time.time()),
        "f7t-appversion": "2.x.x",
        "x-request-id": request_id,
        "x-correlation-id": uuid.uuid4().hex,
    }


def error_response(error: ApiError, user: str | None, extra: dict[str, str] | None = None) -> Response:
    body = {
        "errorType": error.kind,
        "message": error.message,
        "causedBy": None,
        "data": error.data,
        "user": user,
    }
    headers = base_headers() | (extra or {})
    if user is not None:
        headers["f7t-authusername"] = user
    return JSONResponse(body, error.status, headers)


def success(body: object, status: int = 200) -> Response:
    return JSONResponse(body, status, base_headers())


def no_content() -> Response:
    return Response(None, 204, base_headers(), "application/json")


def endpoint(site: Site, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """A route: checks the token, runs the handler, and turns what it raises into v2's errors."""

    async def run(request: Request) -> Response:
        checked = site.check_headers(request.headers)
        if checked.state is not TokenState.VALID:
            message = TOKEN_MESSAGES[checked.state].format(left=site.settings.minimum_token_seconds)
            missing = checked.state is TokenState.MISSING
            extra = {"www-authenticate": "Bearer"} if missing else {"auth-token": checked.token}
            return error_response(ApiError(401, message), None, extra)
        try:
            _check_system(site, request, checked.user or "")
            return await handler(site, request)
        except Exception as error:  # noqa: BLE001 - the real server answers every exception with an envelope
            if isinstance(error, CommandStalled):
                await trio.sleep(site.settings.stall_seconds)
            return _failed(request, as_api_error(error), checked.user)

    return run


def _failed(request: Request, error: ApiError, user: str | None) -> Response:
    known = "No SSH credentials" in error.message
    if error.crash:
        request.scope[CLOSE_SCOPE_KEY] = True
    return error_response(error, None if error.crash and not known else user)


def _check_system(site: Site, request: Request, user: str) -> None:
    name = request.path_params.get("system")
    if name is None:
        return
    down = {other.lower(): other for other in site.settings.down_systems}
    if name in down:
        raise ApiError(503, f"The ssh service for the requested system ({down[name]}) is unhealthy.")
    if name != site.settings.system.lower():
        raise ApiError(404, "System not found")
    if user != site.settings.user:
        raise crash(f"No SSH credentials found for user:{user}")
    if site.faults.unhealthy:
        raise ApiError(503, f"The ssh service for the requested system ({site.settings.system}) is unhealthy.")


async def run_command(site: Site, function: Callable[..., T], *args: object) -> T:
    """Run a command in a thread, on one channel of the user's SSH connection."""
    if site.faults.take("connection_lost"):
        raise ApiError(424, "Unable to establish SSH connection.")
    with site.session():
        return await trio.to_thread.run_sync(lambda: function(*args))
