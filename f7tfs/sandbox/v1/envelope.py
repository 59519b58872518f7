"""v1's answers: JSON as Flask writes it, and errors whose class is in an X- header chosen by substrings."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import trio
from starlette.requests import Request
from starlette.responses import Response

from f7tfs.sandbox.bench import CUT_SCOPE_KEY
from f7tfs.sandbox.coreutils.failure import CommandFailed, CommandStalled, CommandTimedOut, OutputTooLarge
from f7tfs.sandbox.site import Site
from f7tfs.sandbox.tokens import TokenState

T = TypeVar("T")
Handler = Callable[[Site, Request], Awaitable[Response]]

TOKEN_MESSAGES = {
    TokenState.MISSING: "No Auth Header given",
    TokenState.INVALID: "Bad header or JWT, general exception raised",
    TokenState.BAD_SIGNATURE: "JWT token has invalid signature",
    TokenState.EXPIRED: "JWT token has expired",
}
DENIED = ("X-Permission-Denied", "User does not have permissions to access path")
DIRECTORY = ("X-A-Directory", "path is a directory, can't checksum directories")
# Which header an error text gets: the first rule all of whose texts are in it.
HEADERS: tuple[tuple[tuple[str, ...], tuple[str, str]], ...] = (
    (("finished with timeout signal",), ("X-Timeout", "Command has finished with timeout signal")),
    (("cannot access",), ("X-Invalid-Path", "path is an invalid path")),
    (("No such file", "cannot stat"), ("X-Not-Found", "sourcePath not found")),
    (("No such file", "cannot create"), ("X-Invalid-Path", "sourcePath and/or targetPath are invalid paths")),
    (("No such file", "cannot move"), ("X-Invalid-Path", "sourcePath and/or targetPath are invalid paths")),
    (("No such file", "cannot remove"), ("X-Invalid-Path", "path is an invalid path.")),
    (("No such file",), ("X-Invalid-Path", "path is an invalid path")),
    (("Permission denied",), DENIED),
    (("Operation not permitted",), DENIED),
    (("File exists",), ("X-Exists", "targetPath already exists")),
    (("Not a directory",), ("X-Not-A-Directory", "targetPath is not a directory")),
    (("directory",), DIRECTORY),
    (("invalid mode",), ("X-Invalid-Mode", "mode is not a valid mode")),
    (("invalid user",), ("X-Invalid-Owner", "owner is not a valid user")),
    (("invalid group",), ("X-Invalid-Group", "group is not a valid group")),
)
INTERNAL = """<!doctype html>
<html lang=en>
<title>500 Internal Server Error</title>
<h1>Internal Server Error</h1>
<p>The server encountered an internal error and was unable to complete your request. \
Either the server is overloaded or there is an error in the application.</p>
"""
BAD_GATEWAY = (
    "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n"
    "<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
)


@dataclass
class ApiError(Exception):
    """An answer that is not the wanted one."""

    status: int
    body: dict[str, Any] | None
    """None: an HTML page, as of an exception that was not handled."""
    headers: dict[str, str] = field(default_factory=dict)


def answer(body: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> Response:
    text = json.dumps(body, sort_keys=True, separators=(",", ":")) + "\n"
    return Response(text, status, headers, "application/json")


def page(status: int, text: str, headers: dict[str, str] | None = None) -> Response:
    return Response(text, status, headers, "text/html; charset=utf-8")


def header_of(stderr: str) -> dict[str, str]:
    for texts, (name, value) in HEADERS:
        if all(text in stderr for text in texts):
            return {name: value}
    return {"X-Error": stderr}


def refused(operation: str, text: str, headers: dict[str, str] | None = None) -> ApiError:
    """A 400 with the reason as text; no header unless given."""
    return ApiError(400, {"description": f"Error on {operation} operation", "error": text}, headers or {})


def failed(operation: str, stderr: str) -> ApiError:
    """A 400 for what a command said on stderr, whose lines are joined without a separator."""
    text = stderr.replace("\n", "")
    return refused(operation, text, header_of(text))


def stderr_of(error: Exception, limit: int) -> str:
    """What a failed command is reported as. Raises the error again if it is none of a command."""
    if isinstance(error, CommandFailed):
        return error.stderr
    if isinstance(error, CommandStalled | CommandTimedOut):
        return "Command has finished with timeout signal"
    if isinstance(error, OutputTooLarge):
        return f"Command output exceeded buffer limit ({limit})"
    if isinstance(error, UnicodeDecodeError):
        return str(error)
    raise error


async def run_command(site: Site, operation: str, function: Callable[..., T], *args: object) -> T:
    """Run a command in a thread. Its failures become v1's 400s."""
    try:
        return await trio.to_thread.run_sync(lambda: function(*args))
    except (CommandFailed, CommandStalled, CommandTimedOut, OutputTooLarge, UnicodeDecodeError) as error:
        if isinstance(error, CommandStalled):
            await trio.sleep(site.settings.stall_seconds)
        raise failed(operation, stderr_of(error, site.settings.max_ops_file_size)) from error


def endpoint(site: Site, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """A route: checks the token, runs the handler, and turns what it raises into v1's errors."""

    async def run(request: Request) -> Response:
        checked = site.check_headers(request.headers)
        state = TokenState.VALID if checked.state is TokenState.EXPIRING else checked.state
        if state is not TokenState.VALID:
            return answer({"description": TOKEN_MESSAGES[state]}, 401)
        request.state.user = checked.user
        try:
            return await handler(site, request)
        except ApiError as error:
            if error.body is None:
                return page(error.status, INTERNAL)
            return _error(site, request, error)

    return run


def _error(site: Site, request: Request, error: ApiError) -> Response:
    try:
        for value in error.headers.values():
            value.encode("latin-1")
    except UnicodeEncodeError:
        return broken(site, request)
    return answer(error.body or {}, error.status, error.headers)


def broken(site: Site, request: Request) -> Response:
    """The server failed while it wrote its answer: a gateway makes a page of that, else the connection ends."""
    if not site.settings.gateway:
        request.scope[CUT_SCOPE_KEY] = True
    return Response(BAD_GATEWAY, 502, None, "text/html")
